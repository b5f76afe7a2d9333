"""DMoptimizer's and RNNprop's rules: the contract in the variants of their specs, and what their
papers say of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from hyperadam.kernels import ReferenceTape, open_stepper, open_tape
from hyperadam.kernels.blockwise import BlockwiseStepper
from hyperadam.rules import (
    DMRule,
    DMSpec,
    RNNpropRule,
    RNNpropSpec,
    Rule,
    RuleError,
    rule_from_spec,
)
from recurrent_oracle import dm_directions, rnnprop_directions
from rule_contract import Array, RuleContract, draw_gradients, draw_theta, run

BOTH: list[Rule[Any]] = [DMRule(), RNNpropRule()]
DM_VARIANTS: dict[str, dict[str, Any]] = {
    "clipped": {"log_range": 5.0},  # some of the gradients are below e^−5
    "log-sign": {"preprocessing": "log-sign"},
    "one-layer": {"n_layers": 1, "forget_bias": 0.0},
    "three-layers": {"n_layers": 3, "n_hidden": 2, "output_scale": 1.0},
}
RNNPROP_VARIANTS: dict[str, dict[str, Any]] = {
    "published": {},
    "one-layer": {"n_layers": 1, "forget_bias": 0.0, "output_scale": 1.0},
    "other-moments": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-3},
    "no-memory-of-moments": {"beta1": 0.0, "beta2": 0.0},
}


@pytest.mark.parametrize("options", DM_VARIANTS.values(), ids=DM_VARIANTS.keys())
class TestDM(RuleContract):
    still_without_gradient = False

    @pytest.fixture
    def rule(self, options: dict[str, Any]) -> Rule[Any]:
        return DMRule(DMSpec(**{"n_hidden": 3, **options}))

    def reference(self, rule: Rule[Any], theta: Mapping[str, Array], gradients: Array) -> Array:
        return dm_directions(asdict(rule.spec), theta, gradients)


@pytest.mark.parametrize("options", RNNPROP_VARIANTS.values(), ids=RNNPROP_VARIANTS.keys())
class TestRNNprop(RuleContract):
    still_without_gradient = False

    @pytest.fixture
    def rule(self, options: dict[str, Any]) -> Rule[Any]:
        return RNNpropRule(RNNpropSpec(**{"n_hidden": 3, **options}))

    def reference(self, rule: Rule[Any], theta: Mapping[str, Array], gradients: Array) -> Array:
        return rnnprop_directions(asdict(rule.spec), theta, gradients)


@pytest.mark.parametrize(
    ("rule", "oracle"), [(BOTH[0], dm_directions), (BOTH[1], rnnprop_directions)]
)
def test_published_size_moves_as_the_reference(rule: Rule[Any], oracle: Any) -> None:
    theta = rule.init_theta(torch.Generator().manual_seed(0), "paper")
    gradients = draw_gradients(5, 6)
    expected = oracle(
        asdict(rule.spec), {name: x.numpy() for name, x in theta.items()}, gradients.numpy()
    )
    np.testing.assert_allclose(run(rule, theta, gradients), expected, rtol=1e-10, atol=1e-15)


def test_sizes_of_the_published_networks() -> None:
    lstm_of_20_on_20 = 80 * 40 + 80
    assert DMRule().n_theta == 80 * 22 + 80 + lstm_of_20_on_20 + 21 == 5141
    assert RNNpropRule().n_theta == 60 + 2 * lstm_of_20_on_20 + 21 == 6641


def test_dm_tells_small_gradients_apart_by_their_value_and_large_ones_by_their_logarithm() -> None:
    rule = DMRule()
    gradients = torch.tensor(
        [0.0, 1e-6, -1e-6, math.exp(-10), 1e-2, -1.0, math.e], dtype=torch.float64
    )
    size, sign = rule.prepare_inputs(gradients)
    np.testing.assert_allclose(size, [-1, -1, -1, -1, math.log(1e-2) / 10, 0, 0.1], atol=1e-15)
    np.testing.assert_allclose(
        sign, [0, 1e-6 * math.exp(10), -1e-6 * math.exp(10), 1, 1, -1, 1], atol=1e-15
    )


@pytest.mark.parametrize("preprocessing", ["clipped", "log-sign"])
@pytest.mark.parametrize("size", [0.0, 1e-45, 1e-30, 1e30])
def test_dm_reads_any_float32(preprocessing: Any, size: float) -> None:
    rule = DMRule(DMSpec(preprocessing=preprocessing, log_range=80.0))
    theta = {name: x.float() for name, x in draw_theta(rule).items()}
    directions = run(rule, theta, torch.tensor([[size, -size]] * 3))
    assert directions.isfinite().all()


@pytest.mark.parametrize("scale", [1e-5, 1e-2, 1e5])
def test_rnnprop_does_not_depend_on_the_scale_of_the_loss(scale: float) -> None:
    rule = RNNpropRule(RNNpropSpec(n_hidden=4, epsilon=1e-16))
    theta = draw_theta(rule)
    gradients = 1 + draw_gradients(8, 5).abs()
    torch.testing.assert_close(
        run(rule, theta, scale * gradients), run(rule, theta, gradients), rtol=1e-9, atol=0
    )


def test_rnnprop_is_never_faster_than_its_scale() -> None:
    rule = RNNpropRule(RNNpropSpec(output_scale=0.1))
    theta = {name: 10 * x for name, x in draw_theta(rule).items()}
    directions = run(rule, theta, draw_gradients(6, 50))
    assert 0.09 < directions.abs().max() <= 0.1


@pytest.mark.parametrize("rule", BOTH, ids=lambda r: r.kind)
class TestBoth:
    def test_negated_output_layer_negates_every_direction(self, rule: Rule[Any]) -> None:
        """w ← w − α d and the published w ← w + α d are the same family."""
        theta = draw_theta(rule)
        gradients = draw_gradients(4, 5)
        mirrored = {name: -x if name.startswith("output.") else x for name, x in theta.items()}
        torch.testing.assert_close(run(rule, mirrored, gradients), -run(rule, theta, gradients))

    def test_runs_in_plain_torch(self, rule: Rule[Any]) -> None:
        vector = rule.pack(draw_theta(rule))
        state = rule.init_state(torch.zeros(2, 3, dtype=torch.float64))
        assert isinstance(open_tape(rule, vector, state), ReferenceTape)
        assert isinstance(open_stepper(rule, vector), BlockwiseStepper)

    def test_initial_theta(self, rule: Rule[Any]) -> None:
        def draw(seed: int) -> dict[str, torch.Tensor]:
            return rule.init_theta(torch.Generator().manual_seed(seed), "paper")

        theta = draw(0)
        theta_again = draw(0)
        theta_of_another_seed = draw(1)
        for name, x in theta.items():
            assert x.shape == rule.theta_shapes[name]
            assert torch.equal(x, theta_again[name])
            if name.endswith("bias"):
                assert torch.count_nonzero(x) == 0
            else:
                assert not torch.equal(x, theta_of_another_seed[name])
        kernel = theta["lstm.2.weight"]
        bound = math.sqrt(6 / (80 + 40))
        assert bound * 0.99 < kernel.abs().max() <= bound
        assert 0.005 < theta["output.weight"].std() < 0.012
        assert theta["output.weight"].abs().max() <= 0.02

    def test_untrained_it_hardly_moves(self, rule: Rule[Any]) -> None:
        theta = rule.init_theta(torch.Generator().manual_seed(0), rule.inits[0])
        directions = run(rule, theta, draw_gradients(100, 20)).abs()
        assert 0 < directions.max() < 0.005

    def test_unknown_init_is_refused(self, rule: Rule[Any]) -> None:
        with pytest.raises(RuleError, match="init must be one of paper, got 'adam-ensemble'"):
            rule.init_theta(torch.Generator(), "adam-ensemble")


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("dm", "preprocessing", "sign"),
        ("dm", "log_range", 0.0),
        ("dm", "log_range", 100.0),
        ("dm", "n_hidden", 0),
        ("dm", "n_hidden", 65),
        ("dm", "n_layers", 5),
        ("dm", "n_layers", 2.0),
        ("dm", "forget_bias", math.nan),
        ("dm", "output_scale", 0.0),
        ("dm", "beta1", 0.9),
        ("rnnprop", "beta1", 1.0),
        ("rnnprop", "beta2", -0.1),
        ("rnnprop", "epsilon", 0.0),
        ("rnnprop", "n_hidden", True),
        ("rnnprop", "n_layers", 0),
        ("rnnprop", "forget_bias", math.inf),
        ("rnnprop", "output_scale", math.nan),
    ],
)
def test_a_field_out_of_its_range_is_refused_by_name(kind: str, field: str, value: Any) -> None:
    with pytest.raises(RuleError, match=field):
        rule_from_spec({"kind": kind, field: value})
