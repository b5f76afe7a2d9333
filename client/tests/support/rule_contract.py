"""What every update rule must be.

A rule's tests inherit `RuleContract` and supply `reference` and `make`, or a fixture `rule` in
place of `make` to run the contract in several variants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from hyperadam.rules import Rule, RuleError, rule_from_spec
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


def draw_theta(rule: Rule[Any], *, std: float = 0.5) -> dict[str, Tensor]:
    """A Θ whose every number matters, in float64."""
    generator = torch.Generator().manual_seed(1)
    vector = std * torch.randn(rule.n_theta, dtype=torch.float64, generator=generator)
    return {name: part.clone() for name, part in rule.unpack(vector).items()}


def draw_gradients(*shape: int) -> Tensor:
    """Gradients of very different sizes over coordinates, in float64; the last dimension is p."""
    generator = torch.Generator().manual_seed(2)
    scales = torch.logspace(-3, 1, shape[-1], dtype=torch.float64)
    return scales * torch.randn(*shape, dtype=torch.float64, generator=generator)


def run(rule: Rule[Any], theta: Mapping[str, Tensor], gradients: Tensor) -> Tensor:
    """Directions d_1 … d_T, of the shape of the gradients (T, *batch, p)."""
    state = rule.init_state(gradients[0])
    directions = []
    for gradient in gradients:
        direction, state = rule.update(theta, gradient, state)
        directions.append(direction)
    return torch.stack(directions)


def movement(directions: Tensor | Array) -> Array:
    """How far w has gone after each step at α = 1: what is compared, since errors add up over
    steps."""
    return np.cumsum(np.asarray(directions, dtype=np.float64), axis=0)


class RuleContract:
    """Values, gradients, dtypes, purity, resuming, batches and zeros of one rule."""

    n_steps = 6
    p = 7
    still_without_gradient = True
    """Whether a coordinate whose gradients have all been 0 does not move."""

    def make(self) -> Rule[Any]:
        raise NotImplementedError

    def reference(self, rule: Rule[Any], theta: Mapping[str, Array], gradients: Array) -> Array:
        """Directions by an independent implementation, (T, p), in float64."""
        raise NotImplementedError

    def reference_movement(
        self, rule: Rule[Any], theta: Mapping[str, Tensor], gradients: Tensor
    ) -> Array:
        arrays = {name: tensor.numpy() for name, tensor in theta.items()}
        return movement(self.reference(rule, arrays, gradients.numpy()))

    @pytest.fixture
    def rule(self) -> Rule[Any]:
        return self.make()

    def test_moves_as_the_reference(self, rule: Rule[Any]) -> None:
        theta = draw_theta(rule)
        gradients = draw_gradients(self.n_steps, self.p)
        expected = self.reference_movement(rule, theta, gradients)
        assert np.abs(expected[-1]).min() > 1e-4
        result = movement(run(rule, theta, gradients))
        np.testing.assert_allclose(result, expected, rtol=1e-11, atol=1e-12 * self.n_steps)

    def test_float32_moves_as_the_reference(self, rule: Rule[Any]) -> None:
        theta = draw_theta(rule)
        gradients = draw_gradients(self.n_steps, self.p)
        expected = self.reference_movement(rule, theta, gradients)
        directions = run(rule, {name: x.float() for name, x in theta.items()}, gradients.float())
        assert directions.dtype == torch.float32
        result = movement(directions)
        np.testing.assert_allclose(result, expected, rtol=2e-4, atol=2e-5 * self.n_steps)

    def test_gradient_with_respect_to_theta_is_that_of_finite_differences(
        self, rule: Rule[Any]
    ) -> None:
        gradients = draw_gradients(self.n_steps, self.p)
        weights = torch.randn(gradients.shape, dtype=torch.float64)
        vector = rule.pack(draw_theta(rule)).requires_grad_()

        def objective(theta: Tensor) -> Tensor:
            return (weights * run(rule, rule.unpack(theta), gradients)).sum()

        (gradient,) = torch.autograd.grad(objective(vector), vector)
        parts = rule.unpack(gradient)
        for name in rule.theta_shapes:
            along = {key: torch.randn_like(part) * (key == name) for key, part in parts.items()}
            way = rule.pack(along)
            with torch.no_grad():
                above = objective(vector + 1e-5 * way)
                below = objective(vector - 1e-5 * way)
            slope = (above - below) / 2e-5
            torch.testing.assert_close(gradient @ way, slope, rtol=1e-6, atol=1e-7, msg=name)

    def test_gradient_with_respect_to_the_state_is_that_of_finite_differences(
        self, rule: Rule[Any]
    ) -> None:
        theta = draw_theta(rule)
        gradients = 1 + draw_gradients(3, 4).abs()  # a step of 1e-6 is small to all of them
        state = rule.init_state(gradients[0])
        for gradient in gradients[:2]:
            _, state = rule.update(theta, gradient, state)
        fields = [field.detach().contiguous().requires_grad_() for field in state]

        def step(*fields: Tensor) -> tuple[Tensor, ...]:
            direction, after = rule.update(theta, gradients[2], type(state)._make(fields))  # type: ignore[attr-defined]
            return (direction, *(field for field in after if field.requires_grad))

        assert torch.autograd.gradcheck(step, fields, rtol=1e-5, atol=1e-6)

    def test_a_second_half_from_a_copied_state_equals_the_whole(self, rule: Rule[Any]) -> None:
        theta = draw_theta(rule)
        gradients = draw_gradients(self.n_steps, self.p)
        whole = run(rule, theta, gradients)
        state = rule.init_state(gradients[0])
        for gradient in gradients[:3]:
            _, state = rule.update(theta, gradient, state)
        state = type(state)._make(field.clone() for field in state)
        for step in range(3, self.n_steps):
            direction, state = rule.update(theta, gradients[step], state)
            assert torch.equal(direction, whole[step])

    def test_learners_side_by_side_move_as_each_alone(self, rule: Rule[Any]) -> None:
        theta = draw_theta(rule)
        gradients = draw_gradients(self.n_steps, 2, 3, self.p)
        together = run(rule, theta, gradients)
        for a in range(2):
            for b in range(3):
                alone = run(rule, theta, gradients[:, a, b])
                torch.testing.assert_close(together[:, a, b], alone, rtol=1e-11, atol=1e-12)

    def test_does_not_depend_on_the_order_of_coordinates(self, rule: Rule[Any]) -> None:
        theta = draw_theta(rule)
        gradients = draw_gradients(self.n_steps, self.p)
        order = torch.randperm(self.p)
        expected = run(rule, theta, gradients)[:, order]
        result = run(rule, theta, gradients[:, order])
        torch.testing.assert_close(result, expected, rtol=1e-11, atol=1e-12)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_state_is_of_the_gradients_dtype_and_cut_by_coordinates_or_tensors(
        self, rule: Rule[Any], dtype: torch.dtype
    ) -> None:
        theta = {name: x.to(dtype) for name, x in draw_theta(rule).items()}
        gradient = draw_gradients(2, self.p).to(dtype)
        before = rule.init_state(gradient)
        direction, after = rule.update(theta, gradient, before)
        assert direction.dtype == dtype
        assert direction.shape == gradient.shape
        for name, old, new in zip(before._fields, before, after, strict=True):
            assert old.dtype == new.dtype == dtype
            assert old.shape == new.shape
            numbers = 1 if name in rule.per_tensor_fields else self.p
            assert new.shape[1:] == (*gradient.shape[:-1], numbers)
            assert new.data_ptr() != gradient.data_ptr() or not new.numel()

    def test_changes_nothing_that_it_is_given(self, rule: Rule[Any]) -> None:
        theta = draw_theta(rule)
        gradients = draw_gradients(2, self.p)
        _, state = rule.update(theta, gradients[0], rule.init_state(gradients[0]))
        arguments = [*theta.values(), gradients[1], *state]
        copies = [tensor.clone() for tensor in arguments]
        rule.update(theta, gradients[1], state)
        assert all(torch.equal(x, y) for x, y in zip(arguments, copies, strict=True))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("dead", ["all", "one", "first-steps"])
    def test_no_gradient_no_movement_and_no_nan(
        self, rule: Rule[Any], dead: str, dtype: torch.dtype
    ) -> None:
        gradients = draw_gradients(self.n_steps, self.p).to(dtype)
        places = {"all": np.s_[:, :], "one": np.s_[:, 3], "first-steps": np.s_[:2, :]}[dead]
        gradients[places] = 0.0
        vector = rule.pack(draw_theta(rule)).to(dtype).requires_grad_()
        directions = run(rule, rule.unpack(vector), gradients)
        if self.still_without_gradient:
            assert torch.count_nonzero(directions[places]) == 0
        assert directions.isfinite().all()
        directions.sum().backward()
        assert vector.grad is not None
        assert vector.grad.isfinite().all()

    def test_a_state_begins_at_0_in_every_coordinate(self, rule: Rule[Any]) -> None:
        """Optimizers begin without asking, in memory of their own."""
        state = rule.init_state(torch.randn(2, self.p))
        assert state._fields == rule.state_fields
        for name, field in state._asdict().items():
            if name not in rule.per_tensor_fields:
                assert field.shape[-1] == self.p
                assert not field.any()

    @pytest.mark.parametrize("n_steps", [0, 6])
    def test_fields_that_are_never_negative_are_not(self, rule: Rule[Any], n_steps: int) -> None:
        theta = draw_theta(rule)
        state = rule.init_state(torch.randn(self.p, dtype=torch.float64))
        for gradient in draw_gradients(n_steps, self.p):
            _, state = rule.update(theta, gradient, state)
        assert rule.non_negative_fields <= set(rule.state_fields)
        for name in rule.non_negative_fields:
            assert not (getattr(state, name) < 0).any()

    def test_spec_describes_the_rule(self, rule: Rule[Any]) -> None:
        copy = rule_from_spec(asdict(rule.spec))
        assert type(copy) is type(rule)
        assert copy.spec == rule.spec
        with pytest.raises(RuleError, match="no field 'colour'"):
            rule_from_spec({**asdict(rule.spec), "colour": 1})

    def test_pack_and_unpack_are_inverse(self, rule: Rule[Any]) -> None:
        vector = torch.arange(rule.n_theta, dtype=torch.float64)
        parts = rule.unpack(vector)
        assert {name: tuple(part.shape) for name, part in parts.items()} == rule.theta_shapes
        assert torch.equal(rule.pack(parts), vector)
        with pytest.raises(RuleError, match=str(rule.n_theta)):
            rule.unpack(torch.zeros(rule.n_theta + 1))
