"""Networks from typed blocks: what they compute, what is refused, and that a job trains on them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import TypeAdapter, ValidationError

from meta_trainer.learners.described import DescribedNetwork, described_network
from meta_trainer.specs import DescribedTaskSpec, MetaTrainingSpec
from meta_trainer.specs.blocks import Block
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.tasks.costs import estimate_cost
from meta_trainer.tasks.needs import check_networks
from meta_trainer.tasks.sampling import sample_task
from meta_trainer.tasks.sizes import count_coordinates

IMAGE = (1, 7, 7)
EVERY_KIND: list[dict[str, Any]] = [
    {"kind": "conv", "channels": 4, "stride": 2},
    {"kind": "norm", "groups": 2},
    {"kind": "residual", "blocks": [{"kind": "conv", "channels": 4}, {"kind": "norm"}]},
    {"kind": "recurrent", "cell": "lstm", "width": 8},
    {"kind": "attention", "heads": 2, "causal": True},
    {"kind": "linear", "width": 6, "activation": "gelu"},
    {"kind": "pool"},
]


def read(*blocks: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(TypeAdapter(Block).validate_python(block) for block in blocks)


def test_a_network_of_every_kind_of_block_has_a_gradient() -> None:
    learner = described_network(read(*EVERY_KIND), IMAGE, 10)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    w = learner.start(generators, 1.0, torch.float64)
    inputs = torch.randn(2, 5, 49, dtype=torch.float64)
    labels = torch.randint(10, (2, 5))
    losses, gradients = learner.losses_and_gradients(w, inputs, labels)
    step = 1e-6 * gradients / gradients.norm()
    slope = learner.losses(w + step, inputs, labels) - learner.losses(w - step, inputs, labels)
    expected = 2 * (gradients * step).sum(1)
    assert losses.shape == (2,)
    torch.testing.assert_close(slope, expected, rtol=1e-4, atol=1e-10)


def test_two_dense_blocks_are_a_perceptron() -> None:
    network = DescribedNetwork(read({"kind": "linear", "width": 3}), IMAGE, 10)
    weights = dict(network.named_parameters())
    images = torch.randn(4, 49)
    hidden = torch.relu(F.linear(images, weights["blocks.0.1.weight"], weights["blocks.0.1.bias"]))
    torch.testing.assert_close(network(images), network.head(hidden))


def test_a_causal_block_does_not_see_what_comes_later() -> None:
    (block,) = read({"kind": "attention", "heads": 1, "causal": True})
    network = DescribedNetwork((block,), IMAGE, 2)
    images = torch.randn(1, 49)
    later = images.clone()
    later[:, 7:] += 1.0
    rows = images.view(1, 1, 7, 7)
    changed = later.view(1, 1, 7, 7)
    torch.testing.assert_close(network.blocks(rows)[:, 0], network.blocks(changed)[:, 0])


@pytest.mark.parametrize(
    ("blocks", "field"),
    [
        ([{"kind": "linear"}, {"kind": "conv"}], "blocks.1"),
        ([{"kind": "conv", "channels": 3}, {"kind": "norm", "groups": 2}], "blocks.1.groups"),
        ([{"kind": "linear"}, {"kind": "norm", "groups": 2}], "blocks.1.groups"),
        ([{"kind": "attention", "heads": 2}], "blocks.0.heads"),
        ([{"kind": "residual", "blocks": [{"kind": "linear", "width": 9}]}], "blocks.0"),
        ([{"kind": "linear", "width": 1024}] * 4, "blocks"),
    ],
)
def test_blocks_that_do_not_fit_together_are_named(blocks: list[Any], field: str) -> None:
    with pytest.raises(FieldProblem) as refused:
        described_network(read(*blocks), IMAGE, 10)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "block",
    [
        {"kind": "python", "code": "1"},
        {"kind": "linear", "width": 100_000},
        {"kind": "residual", "blocks": [{"kind": "residual", "blocks": []}]},
        {"kind": "conv", "kernel": 2},
    ],
)
def test_blocks_are_typed_and_bounded(block: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DescribedTaskSpec.model_validate({"blocks": [block]})


def test_a_job_draws_described_networks_and_is_checked_and_priced() -> None:
    networks = [EVERY_KIND, [{"kind": "linear", "width": 5}]]
    content = {"tasks": {"described": {"networks": networks}}}
    spec = MetaTrainingSpec.model_validate(content)
    assert spec.tasks is not None
    assert MetaTrainingSpec.model_validate(spec.model_dump(mode="json")) == spec
    drawn = {sample_task(spec.tasks, 0, episode, 0) for episode in range(8)}
    assert drawn == set(spec.tasks.validation)
    check_networks(spec)
    assert min(count_coordinates(task) for task in drawn) == 50 * 5 + 6 * 10
    assert estimate_cost(spec).core_seconds > 0

    content["tasks"]["described"]["networks"] = [[{"kind": "linear"}, {"kind": "conv"}]]
    with pytest.raises(FieldProblem, match=r"blocks.1 is a conv"):
        check_networks(MetaTrainingSpec.model_validate(content))
