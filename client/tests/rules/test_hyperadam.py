"""HyperAdam's rule: the contract in every variant of its spec, and what the paper says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from hyperadam.rules import HyperAdamRule, HyperAdamSpec, Rule, RuleError, rule_from_spec
from hyperadam_oracle import hyperadam_directions
from rule_contract import Array, RuleContract, draw_gradients, draw_theta, run

VARIANTS: dict[str, dict[str, Any]] = {
    "tensorflow-2019": {},
    "rms": {"normalization": "rms"},
    "rms-asinh": {"normalization": "rms", "squash": "asinh", "norm_epsilon": 0.0},
    "plain-state": {"normalize_state": False},
    "normalized-lstm": {"normalize_lstm": True},
    "normalized-lstm-rms": {"normalize_lstm": True, "normalization": "rms", "norm_epsilon": 0.0},
    "no-preprocessing": {"preprocessing": False},
    "no-lstm": {"lstm": False},
    "neither": {"preprocessing": False, "lstm": False},
    "epsilon-outside": {"epsilon_inside_root": False, "epsilon": 1e-8},
    "large-epsilon": {"epsilon": 1e-3, "forget_bias": 0.0},
    "one-candidate": {"n_candidates": 1},
    "skips-zeros": {"skip_zero_gradients": True},
    "bounded": {"direction_bound": 0.05},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
class TestHyperAdam(RuleContract):
    @pytest.fixture
    def rule(self, options: dict[str, Any]) -> Rule[Any]:
        return HyperAdamRule(HyperAdamSpec(**{"n_candidates": 3, **options}))

    def reference(self, rule: Rule[Any], theta: Mapping[str, Array], gradients: Array) -> Array:
        return hyperadam_directions(asdict(rule.spec), theta, gradients)


@pytest.mark.parametrize("init", ["adam-ensemble", "paper", "warm-ensemble"])
def test_full_size_moves_as_the_reference(init: str) -> None:
    rule = HyperAdamRule()
    theta = rule.init_theta(torch.Generator().manual_seed(0), init)
    gradients = draw_gradients(8, 30)
    expected = hyperadam_directions(
        asdict(rule.spec), {k: x.numpy() for k, x in theta.items()}, gradients.numpy()
    )
    np.testing.assert_allclose(run(rule, theta, gradients), expected, rtol=1e-10, atol=1e-13)


def test_a_coordinate_that_sleeps_wanders_off_unless_zeros_are_skipped() -> None:
    """With β = .99 and γ = .8, m̂/√v̂ grows by .99/√.8 = 1.107 a step while the gradient is 0,
    until ε ends it."""
    theta = HyperAdamRule(HyperAdamSpec(n_candidates=1)).init_theta(
        torch.Generator().manual_seed(0)
    )
    for name, tensor in theta.items():
        tensor.zero_()
        if name == "adam_cell.bias":
            tensor.copy_(torch.logit(torch.tensor([0.99, 0.8])))
        elif name == "weight_cell.bias":
            tensor.fill_(1.0)
    gradients = torch.ones(100, 2, dtype=torch.float64)
    gradients[10:90, 0] = 0.0  # the first coordinate sleeps, and wakes
    wanders = HyperAdamRule(HyperAdamSpec(n_candidates=1))
    sleeps = HyperAdamRule(HyperAdamSpec(n_candidates=1, skip_zero_gradients=True))
    movement = run(wanders, theta, gradients)
    rest = run(sleeps, theta, gradients)

    growth = movement[11:80, 0] / movement[10:79, 0]
    steps = torch.arange(11, 81, dtype=torch.float64)
    bias = (1 - 0.99**steps) / (1 - 0.8**steps) ** 0.5
    expected = 0.99 / 0.8**0.5 * bias[:-1] / bias[1:]
    torch.testing.assert_close(growth, expected, rtol=1e-6, atol=0)
    assert movement[80, 0] > 100 * movement[9, 0]
    assert not rest[10:90, 0].any()
    assert rest[90:, 0].abs().max() < 2
    assert torch.equal(rest[:10], movement[:10])
    assert torch.equal(rest[:, 1], movement[:, 1])


def test_a_zero_moves_nothing_where_zeros_are_skipped() -> None:
    """As the reference, whose loops know of no other coordinate's zeros."""
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=3, skip_zero_gradients=True))
    theta = draw_theta(rule)
    gradients = draw_gradients(8, 30)
    gradients[torch.rand(8, 30, generator=torch.Generator().manual_seed(3)) < 0.4] = 0.0
    expected = hyperadam_directions(
        asdict(rule.spec), {k: x.numpy() for k, x in theta.items()}, gradients.numpy()
    )
    np.testing.assert_allclose(run(rule, theta, gradients), expected, rtol=1e-10, atol=1e-13)
    assert ((expected == 0) == (gradients.numpy() == 0)).all()


def test_a_gradient_that_is_only_small_is_not_skipped() -> None:
    gradients = draw_gradients(8, 30) * torch.logspace(-20, 0, 30, dtype=torch.float64)
    theta = draw_theta(HyperAdamRule(HyperAdamSpec(n_candidates=3)))
    skipping, plain = (
        run(
            HyperAdamRule(HyperAdamSpec(n_candidates=3, skip_zero_gradients=skips)),
            theta,
            gradients,
        )
        for skips in (True, False)
    )
    assert torch.equal(skipping, plain)
    assert plain.all()


def test_a_bound_ends_the_step_after_a_long_rest() -> None:
    """A gradient that comes back: d = ρ (1 − β) g / √((1 − γ) g²), however small what came before
    was."""
    beta = 0.5
    gamma = 1 - 1e-4
    bound = 10.0
    drawn = draw_theta(HyperAdamRule(HyperAdamSpec(n_candidates=1)))
    theta = {name: torch.zeros_like(tensor) for name, tensor in drawn.items()}
    theta["adam_cell.bias"].copy_(torch.logit(torch.tensor([beta, gamma], dtype=torch.float64)))
    theta["weight_cell.bias"].fill_(1.0)
    gradients = torch.full((1200, 1), 1e-8, dtype=torch.float64)
    gradients[1000] = -1.0
    free, bounded = (
        run(HyperAdamRule(HyperAdamSpec(n_candidates=1, direction_bound=b)), theta, gradients)
        for b in (0.0, bound)
    )
    spike = (1 - beta) / ((1 - gamma) / (1 - gamma**1001)) ** 0.5
    assert spike > bound
    assert -free[1000, 0].item() == pytest.approx(spike, rel=1e-3)
    assert torch.equal(bounded, free.clamp(-bound, bound))
    assert torch.equal(bounded[:1000], free[:1000])


def test_theta_has_the_papers_5380_numbers() -> None:
    rule = HyperAdamRule()
    sizes = {name: math.prod(shape) for name, shape in rule.theta_shapes.items()}
    assert rule.n_theta == 5380
    assert sizes["preprocess.weight"] + sizes["preprocess.bias"] == 40
    assert sizes["lstm.weight"] + sizes["lstm.bias"] == 3280
    assert sizes["adam_cell.weight"] + sizes["adam_cell.bias"] == 1640
    assert sizes["weight_cell.weight"] + sizes["weight_cell.bias"] == 420


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1e5])
@pytest.mark.parametrize("normalization", ["euclidean", "rms"])
def test_directions_do_not_depend_on_the_scale_of_the_loss(
    scale: float, normalization: Any
) -> None:
    rule = HyperAdamRule(
        HyperAdamSpec(n_candidates=4, norm_epsilon=0.0, normalization=normalization)
    )
    theta = draw_theta(rule)
    gradients = 1 + draw_gradients(8, 5).abs()
    torch.testing.assert_close(
        run(rule, theta, scale * gradients), run(rule, theta, gradients), rtol=1e-9, atol=0
    )


def test_rms_normalisation_does_not_depend_on_the_number_of_coordinates() -> None:
    gradients = draw_gradients(5, 6)

    def first_copy_moves(normalization: Any) -> float:
        rule = HyperAdamRule(
            HyperAdamSpec(n_candidates=4, normalization=normalization, norm_epsilon=0.0)
        )
        theta = draw_theta(rule)
        return float(
            (run(rule, theta, gradients.repeat(1, 100))[:, :6] - run(rule, theta, gradients))
            .abs()
            .max()
        )

    assert first_copy_moves("rms") < 1e-12
    assert first_copy_moves("euclidean") > 1e-3


def frozen(beta: float, gamma: float) -> dict[str, torch.Tensor]:
    """Θ for J = 1 whose decay rates are constants and whose one candidate has the weight 1."""
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=1))
    theta = {
        name: torch.zeros(shape, dtype=torch.float64) for name, shape in rule.theta_shapes.items()
    }
    theta["adam_cell.bias"] = torch.logit(torch.tensor([beta, gamma], dtype=torch.float64))
    theta["weight_cell.bias"] = torch.ones(1, dtype=torch.float64)
    return theta


@pytest.mark.parametrize(("beta", "gamma"), [(0.9, 0.999), (0.5, 0.95), (0.0001, 0.9)])
def test_one_candidate_with_frozen_gates_is_adam(beta: float, gamma: float) -> None:
    """Lemma 1: β̂ accumulated from 0 is 1 − β^t, so that a candidate is Adam."""
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=1, epsilon=1e-12, epsilon_inside_root=False))
    gradients = draw_gradients(20, 5)
    w = torch.nn.Parameter(torch.zeros(5, dtype=torch.float64))
    adam = torch.optim.Adam([w], lr=1.0, betas=(beta, gamma), eps=1e-12)
    expected = []
    for gradient in gradients:
        w.grad = gradient.clone()
        adam.step()
        expected.append(-w.detach().clone())
    movement = run(rule, frozen(beta, gamma), gradients).cumsum(0)
    torch.testing.assert_close(movement, torch.stack(expected), rtol=1e-8, atol=0)


class TestInitialTheta:
    def draw(self, init: str, seed: int = 0, **options: Any) -> dict[str, torch.Tensor]:
        rule = HyperAdamRule(HyperAdamSpec(**options))
        return rule.init_theta(torch.Generator().manual_seed(seed), init)

    def test_paper(self) -> None:
        theta = self.draw("paper", n_candidates=64)
        bound = math.sqrt(6 / (128 + 256))
        assert bound * 0.99 < theta["lstm.weight"].abs().max() <= bound
        assert theta["lstm.weight"].std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
        for name in ("adam_cell.weight", "weight_cell.weight"):
            assert theta[name].abs().max() <= 0.2
            assert theta[name].std() == pytest.approx(0.088, rel=0.03)  # 0.1, cut at two deviations
        assert all(
            torch.count_nonzero(x) == 0 for name, x in theta.items() if name.endswith("bias")
        )

    def test_adam_ensemble(self) -> None:
        theta = self.draw("adam-ensemble")
        decay = torch.sigmoid(theta["adam_cell.bias"])
        for rates, shortest, longest in ((decay[:20], 1.1, 100), (decay[20:], 3, 1000)):
            tau = 1 / (1 - rates)
            assert tau[0] == pytest.approx(shortest)
            assert tau[-1] == pytest.approx(longest)
            ratios = tau[1:] / tau[:-1]
            torch.testing.assert_close(ratios, ratios[:1].expand_as(ratios))
        torch.testing.assert_close(
            theta["weight_cell.bias"], torch.full((20,), 0.2, dtype=torch.float64)
        )
        paper = self.draw("paper")
        torch.testing.assert_close(theta["adam_cell.weight"], 0.3 * paper["adam_cell.weight"])
        torch.testing.assert_close(theta["weight_cell.weight"], 0.1 * paper["weight_cell.weight"])
        assert torch.equal(theta["lstm.weight"], paper["lstm.weight"])

    def test_one_candidate_takes_the_middle_of_the_time_constants(self) -> None:
        decay = torch.sigmoid(self.draw("adam-ensemble", n_candidates=1)["adam_cell.bias"])
        assert 1 / (1 - decay[0]) == pytest.approx(math.sqrt(1.1 * 100))

    @pytest.mark.parametrize("init", ["adam-ensemble", "paper", "warm-ensemble"])
    def test_is_a_function_of_the_seed(self, init: str) -> None:
        first = self.draw(init)
        same = self.draw(init)
        other = self.draw(init, seed=1)
        assert all(torch.equal(first[name], same[name]) for name in first)
        assert not torch.equal(first["lstm.weight"], other["lstm.weight"])

    @pytest.mark.parametrize(
        "options", [{}, {"preprocessing": False}, {"forget_bias": 0.0}, {"n_candidates": 7}]
    )
    def test_warm_ensemble_begins_with_small_steps_and_ends_with_a_quarter_more(
        self, options: dict[str, Any]
    ) -> None:
        """Beside the same ensemble without a clock, all that makes the candidates differ from Adams
        set to zero."""
        rule = HyperAdamRule(HyperAdamSpec(**options))
        gradients = draw_gradients(60, 30)
        movement = {}
        for init in ("adam-ensemble", "warm-ensemble"):
            theta = self.draw(init, **options)
            theta["adam_cell.weight"].zero_()
            theta["weight_cell.weight"][:, 1:] = 0.0
            if init == "adam-ensemble":
                theta["weight_cell.weight"].zero_()
            movement[init] = run(rule, theta, gradients)
        ratios = movement["warm-ensemble"] / movement["adam-ensemble"]
        steps = torch.arange(1, 61, dtype=torch.float64)
        expected = 1.25 * torch.tanh(steps / 10)
        assert torch.equal(ratios.isfinite().all(-1), torch.ones(60, dtype=torch.bool))
        torch.testing.assert_close(
            ratios,
            expected.view(-1, *[1] * (ratios.dim() - 1)).expand_as(ratios),
            rtol=0.02,
            atol=0,
        )

    def test_warm_ensemble_shows_its_clock_to_nobody_but_the_weight_cell(self) -> None:
        theta = self.draw("warm-ensemble")
        plain = self.draw("adam-ensemble")
        assert not theta["lstm.weight"][:, 20].any()
        assert not theta["adam_cell.weight"][:, 0].any()
        gates = [0, 20, 40, 60]
        others = [row for row in range(80) if row not in gates]
        assert not theta["lstm.weight"][gates].any()
        columns = [column for column in range(40) if column != 20]
        assert torch.equal(
            theta["lstm.weight"][others][:, columns], plain["lstm.weight"][others][:, columns]
        )
        assert torch.equal(theta["adam_cell.bias"], plain["adam_cell.bias"])

    def test_unknown_name_is_refused(self) -> None:
        with pytest.raises(
            RuleError, match="init must be one of adam-ensemble, paper, warm-ensemble, got 'zeros'"
        ):
            self.draw("zeros")

    def test_without_lstm_there_is_no_clock(self) -> None:
        with pytest.raises(
            RuleError, match="init must be one of adam-ensemble, paper, got 'warm-ensemble'"
        ):
            self.draw("warm-ensemble", lstm=False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "adam"),
        ("kind", ["hyperadam"]),
        ("kind", None),
        ("n_candidates", 0),
        ("n_candidates", 65),
        ("n_candidates", 2.0),
        ("n_candidates", True),
        ("normalization", "l1"),
        ("normalization", []),
        ("squash", "tanh"),
        ("norm_epsilon", -1.0),
        ("norm_epsilon", math.nan),
        ("norm_epsilon", "0"),
        ("norm_epsilon", False),
        ("forget_bias", math.inf),
        ("forget_bias", 10**400),
        ("epsilon", 0.0),
        ("epsilon", 1e-30),
        ("epsilon", 10**400),
        ("normalize_state", 1),
        ("lstm", None),
        ("epsilon_inside_root", "yes"),
    ],
)
def test_a_field_out_of_its_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(RuleError, match=field):
        rule_from_spec({"kind": "hyperadam", field: value})


def test_spec_is_frozen() -> None:
    with pytest.raises(AttributeError):
        HyperAdamSpec().epsilon = 1.0  # type: ignore[misc]


def test_choices_are_given_by_name() -> None:
    """Another release may put one between two of them."""
    with pytest.raises(TypeError, match="positional"):
        HyperAdamSpec("hyperadam")  # type: ignore[misc]
