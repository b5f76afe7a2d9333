"""A Θ whose cells see more than its parent's did begins as its parent."""

from __future__ import annotations

import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorSpec
from hyperadam.theta import Theta

from meta_trainer.specs import MetaTrainingSpec, check_parent
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.training.initial_theta import make_initial_theta

SEEING = HyperAdamTensorRule(HyperAdamTensorSpec(sees_network=True))


def make_spec(*, sees_network: bool, **options: float) -> MetaTrainingSpec:
    rule = {"kind": "hyperadam-tensor", "sees_network": sees_network, **options}
    return MetaTrainingSpec.model_validate({"preset": "quick", "rule": rule, "parent": "older@1"})


def test_what_is_new_counts_nothing() -> None:
    rule = HyperAdamTensorRule()
    fresh = rule.init_theta(torch.Generator().manual_seed(0))
    tensors = {name: tensor.float() for name, tensor in fresh.items()}
    parent = Theta(rule, tensors, Rate(lr=1.0))
    spec = make_spec(sees_network=True)
    check_parent(spec, rule.spec)
    start = SEEING.unpack(make_initial_theta(spec, parent))
    for name, tensor in parent.tensors.items():
        was = tensor.shape[-1]
        assert torch.equal(start[name][..., :was], tensor)
        assert not start[name][..., was:].any()


@pytest.mark.parametrize("sees_network", [False, True])
def test_its_rows_may_go_on_where_the_parents_stood_still(sees_network: bool) -> None:
    rule = HyperAdamTensorRule(HyperAdamTensorSpec(sees_network=sees_network))
    fresh = rule.init_theta(torch.Generator().manual_seed(0))
    parent = Theta(rule, {name: x.float() for name, x in fresh.items()}, Rate(lr=1.0))
    spec = make_spec(sees_network=sees_network, sparse_above=0.75)
    check_parent(spec, rule.spec)
    assert torch.equal(make_initial_theta(spec, parent), parent.vector)


def test_a_rule_that_sees_less_than_its_parent_is_refused() -> None:
    with pytest.raises(FieldProblem, match=r"parent older@1 has rule\.sees_network True"):
        check_parent(make_spec(sees_network=False), SEEING.spec)
