"""The rule with its cells a tensor: the contract in variants of its spec, tensors of every role,
and what does not depend on units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorSpec, Rule, RuleError
from hyperadam.rules.roles import ROLES, describe_traits
from hyperadam.rules.tensor_state import LENGTH_BASE
from hyperadam.rules.tensors import count_coordinates
from rule_contract import Array, RuleContract, draw_gradients, draw_theta, movement
from tensor_oracle import tensor_directions
from torch import Tensor

VARIANTS: dict[str, dict[str, Any]] = {
    "usual": {},
    "one-candidate": {"n_candidates": 1},
    "large-epsilon": {"epsilon": 1e-3},
    "bounded": {"direction_bound": 1.0},
    "sees-network": {"sees_network": True},
    "sparse": {"sparse_above": 0.4},
    "all-sparse": {"sparse_above": 0.0},
}
SHAPES = [(2, 3), (4,), (), (2, 1, 3), (2, 1, 2, 2), (2, 2)]
"""A matrix, a vector, a number, a stack, a kernel, and a matrix that starts at 0."""
P = 29
N_STEPS = 25
"""Beyond the short clock."""


def draw_start(*batch: int) -> Tensor:
    w = torch.randn(*batch, P, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    w[..., -4:] = 0.0
    return w


def run_tensors(
    rule: HyperAdamTensorRule, theta: Mapping[str, Tensor], w: Tensor, gradients: Tensor
) -> Tensor:
    """Directions of learners with the tensors of `SHAPES`, of the shape of the gradients."""
    state = rule.init_state(w, SHAPES)
    directions = []
    for gradient in gradients:
        direction, state = rule.update(theta, gradient, state)
        directions.append(direction)
    return torch.stack(directions)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
class TestHyperAdamTensor(RuleContract):
    @pytest.fixture
    def rule(self, options: dict[str, Any]) -> Rule[Any]:
        return HyperAdamTensorRule(HyperAdamTensorSpec(**{"n_hidden": 5, **options}))

    def reference(self, rule: Rule[Any], theta: Mapping[str, Array], gradients: Array) -> Array:
        p = gradients.shape[-1]
        return tensor_directions(asdict(rule.spec), theta, gradients[0], [(p,)], gradients)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
def test_tensors_of_every_role_move_as_the_reference(options: dict[str, Any]) -> None:
    rule = HyperAdamTensorRule(HyperAdamTensorSpec(**options))
    theta, w, gradients = draw_theta(rule, std=0.3), draw_start(), draw_gradients(N_STEPS, P)
    gradients[3:5, :6] = 0.0
    gradients[10:, 6:8] = 0.0  # half of the vector, and then a sixth of the stack
    gradients[15:18, 11] = 0.0
    expected = tensor_directions(
        asdict(rule.spec),
        {name: x.numpy() for name, x in theta.items()},
        w.numpy(),
        SHAPES,
        gradients.numpy(),
    )
    np.testing.assert_allclose(
        movement(run_tensors(rule, theta, w, gradients)), movement(expected), rtol=1e-9, atol=1e-11
    )


def test_learners_side_by_side_move_as_each_alone() -> None:
    rule = HyperAdamTensorRule()
    theta, w, gradients = draw_theta(rule), draw_start(2, 3), draw_gradients(4, 2, 3, P)
    together = run_tensors(rule, theta, w, gradients)
    for a in range(2):
        for b in range(3):
            alone = run_tensors(rule, theta, w[a, b], gradients[:, a, b])
            torch.testing.assert_close(together[:, a, b], alone, rtol=1e-11, atol=1e-12)


def test_a_tensor_moves_as_if_it_were_alone() -> None:
    rule = HyperAdamTensorRule()
    theta, w, gradients = draw_theta(rule), draw_start(), draw_gradients(4, P)
    together = run_tensors(rule, theta, w, gradients)
    torch.testing.assert_close(together, run_alone(rule, theta, w, gradients), rtol=1e-12, atol=0)


def test_a_tensor_that_sees_its_network_moves_as_in_no_other() -> None:
    rule = HyperAdamTensorRule(HyperAdamTensorSpec(sees_network=True))
    theta, w, gradients = draw_theta(rule), draw_start(), draw_gradients(4, P)
    together = run_tensors(rule, theta, w, gradients)
    ratios = together / run_alone(rule, theta, w, gradients)
    assert bool(((ratios - 1).abs() > 1e-3).all())


def test_a_theta_that_is_widened_moves_as_it_did() -> None:
    narrow = HyperAdamTensorRule()
    wide = HyperAdamTensorRule(HyperAdamTensorSpec(sees_network=True))
    theta, w, gradients = draw_theta(narrow), draw_start(), draw_gradients(4, P)
    widened = wide.widen_theta(theta)
    assert {name: tuple(x.shape) for name, x in widened.items()} == wide.theta_shapes
    assert torch.equal(
        run_tensors(wide, widened, w, gradients), run_tensors(narrow, theta, w, gradients)
    )


def run_alone(
    rule: HyperAdamTensorRule, theta: Mapping[str, Tensor], w: Tensor, gradients: Tensor
) -> Tensor:
    """The same, of networks of one tensor each."""
    lengths = [math.prod(shape) for shape in SHAPES]
    parts = zip(SHAPES, w.split(lengths), gradients.split(lengths, 1), strict=True)
    moved = []
    for shape, start, past in parts:
        state = rule.init_state(start, [shape])
        directions = []
        for gradient in past:
            direction, state = rule.update(theta, gradient, state)
            directions.append(direction)
        moved.append(torch.stack(directions))
    return torch.cat(moved, 1)


@pytest.mark.parametrize("scale", [1e-4, 1e6])
def test_directions_do_not_depend_on_the_scale_of_the_loss(scale: float) -> None:
    rule = HyperAdamTensorRule()
    theta, w, gradients = draw_theta(rule), draw_start(), draw_gradients(N_STEPS, P)
    directions = run_tensors(rule, theta, w, gradients)
    torch.testing.assert_close(
        run_tensors(rule, theta, w, scale * gradients), directions, rtol=1e-6, atol=1e-9
    )


def test_directions_scale_with_the_weights_at_the_start() -> None:
    """Those of vectors, and of what starts at 0, have a length of their own. Θ is one whose
    cells make nothing of the gain."""
    rule = HyperAdamTensorRule()
    theta, w, gradients = draw_theta(rule), draw_start(), draw_gradients(N_STEPS, P)
    gain = rule.spec.n_candidates + 4
    theta["state_cell.weight"][:, gain] = 0.0
    directions = run_tensors(rule, theta, w, gradients)
    scales = torch.ones(P, dtype=torch.float64)
    of_weights = 8 ** (1 + theta["length.exponents"][0])
    scales[:6] = of_weights
    scales[11:25] = of_weights
    torch.testing.assert_close(run_tensors(rule, theta, 8 * w, gradients), scales * directions)


def test_untrained_it_is_an_ensemble_of_adams_with_relative_steps() -> None:
    rule = HyperAdamTensorRule()
    theta = rule.init_theta(torch.Generator().manual_seed(0))
    w, gradients = draw_start(), draw_gradients(N_STEPS, P)
    directions = run_tensors(rule, theta, w, gradients)
    expected = torch.zeros(P, dtype=torch.float64)
    v_hat = weighted_mean(gradients**2, 0.99)
    for tau in np.geomspace(1.1, 100, 4):
        expected += weighted_mean(gradients, 1 - 1 / tau) / v_hat.sqrt()
    torch.testing.assert_close(directions[-1, 6:11], 0.004 * expected[6:11])
    torch.testing.assert_close(directions[-1, -4:], 0.004 * expected[-4:])
    length = 0.03 * (w[:6].square().mean() / SHAPES[0][1]) ** 0.25
    torch.testing.assert_close(directions[-1, :6], length * expected[:6])


def weighted_mean(past: Tensor, decay: float) -> Tensor:
    weights = decay ** torch.arange(len(past) - 1, -1, -1, dtype=torch.float64)
    return (weights[:, None] * past).sum(0) / weights.sum()


def test_fields_a_tensor_stay_exact_where_moments_are_rounded() -> None:
    rule = HyperAdamTensorRule()
    wide = rule.init_state(draw_start().float(), SHAPES)
    stored = rule.cast_state(wide, torch.bfloat16)
    for name, field in stored._asdict().items():
        is_per_tensor = name in rule.per_tensor_fields
        assert field.dtype == (torch.float32 if is_per_tensor else torch.bfloat16)


def test_long_tensors_are_counted_exactly() -> None:
    """float32 holds no odd number above 2^24."""
    length = 2**24 + 1
    digits = torch.tensor([divmod(length, LENGTH_BASE)], dtype=torch.float32)
    assert count_coordinates(digits.T, LENGTH_BASE) == [length]


@pytest.mark.parametrize(
    ("shape", "role", "inputs"),
    [
        ((), "vector", 1),
        ((5,), "vector", 1),
        ((5, 3), "matrix", 3),
        ((7, 5, 3), "stack", 3),
        ((5, 3, 2, 2), "kernel", 12),
        ((5, 3, 2, 2, 2), "kernel", 24),
        ((5, 0), "matrix", 1),
    ],
)
def test_the_role_and_the_inputs_are_read_from_the_shape(
    shape: tuple[int, ...], role: str, inputs: int
) -> None:
    log_inputs, *is_role = describe_traits(shape)
    assert log_inputs == pytest.approx(math.log(inputs))
    assert [name for name, value in zip(ROLES, is_role, strict=True) if value] == [role]


def test_shapes_that_are_not_those_of_the_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes have 29 coordinates, w has 28"):
        HyperAdamTensorRule().init_state(torch.zeros(28), SHAPES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_candidates", 17),
        ("n_candidates", 0),
        ("n_hidden", 0),
        ("epsilon", 0.0),
        ("direction_bound", 0.0),
        ("direction_bound", math.nan),
    ],
)
def test_what_is_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(RuleError, match=name) as refusal:
        HyperAdamTensorSpec(**{name: value})  # type: ignore[arg-type]
    assert refusal.value.field == name
