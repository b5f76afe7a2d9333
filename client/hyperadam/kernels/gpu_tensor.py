"""The rule whose cells are a tensor's on CUDA devices: its pass over the coordinates is fused, by
the Triton kernels of `triton_tensor`; the cells, a few hundred numbers a tensor, are plain torch.

The twin of `hyperadam.kernels.cpu_tensor` and `cpu_tensor_tape`, behind the same contracts. As in
`hyperadam.kernels.gpu`, Triton's interpreter can run the kernels where there is no GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hyperadam import settings
from hyperadam.kernels.checks import check_tensor
from hyperadam.kernels.gpu import has_triton
from hyperadam.kernels.tensor_library import MOVING_FIELDS, field_shapes
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorState, Rule, Tensors
from hyperadam.rules.hyperadam_tensor import Cells
from hyperadam.rules.tensor_state import LENGTH_BASE, find_still_v, read_lengths

if TYPE_CHECKING:
    from hyperadam.kernels.triton_tensor.launcher import PassLauncher

_DTYPES: Final = (torch.float32, torch.float64)


def fuse_on_gpu(rule: Rule[Any], theta: Tensor) -> FusedPassRule | None:
    """The same rule with its pass fused, or None where plain torch has to run: other rules, devices
    and dtypes, no Triton, or `HYPERADAM_KERNEL=off`."""
    if not isinstance(rule, HyperAdamTensorRule) or theta.dtype not in _DTYPES:
        return None
    if theta.device.type != "cuda" or settings.read_kernel_choice() == "off":
        return None
    return FusedPassRule(rule) if has_triton() else None


class FusedPassRule(HyperAdamTensorRule):
    """The rule with its pass over the coordinates fused; differentiable once."""

    def __init__(self, rule: HyperAdamTensorRule) -> None:
        super().__init__(rule.spec)
        self._launcher: PassLauncher | None = None
        self._launched: tuple[Any, ...] = ()

    def update(
        self,
        theta: Tensors,
        gradient: Tensor,  # shape: (*batch, p)
        state: HyperAdamTensorState,
    ) -> tuple[Tensor, HyperAdamTensorState]:
        check_pass(self, gradient, state)
        launcher = self.open_launcher(gradient, state)
        cells = self.run_cells(theta, state)
        factors = advance_factors(cells, state)
        rows = list_coefficients(cells, factors, find_still_v(state, self.spec.sparse_above))
        direction, m, v, sums = _CoordinatePass.apply(  # type: ignore[no-untyped-call]
            launcher, gradient.contiguous(), state.m, state.v, *rows
        )
        completed = complete_state(self, sums, factors, state)
        after = state._replace(m=m, v=v, **completed)
        return direction, after

    def open_launcher(self, gradient: Tensor, state: HyperAdamTensorState) -> PassLauncher:
        """The kernels for these tensors; the same as long as they stay."""
        from hyperadam.kernels.triton_tensor.launcher import PassLauncher

        wanted = (state.length.data_ptr(), gradient.shape, gradient.dtype, gradient.device)
        if self._launcher is None or self._launched != wanted:
            lengths = read_lengths(state)
            p = gradient.shape[-1]
            if sum(lengths) != p or min(lengths) < 0:
                raise ValueError(f"state is of {lengths} coordinates, gradient has {p}")
            self._launcher = PassLauncher(
                self.spec, lengths, gradient.shape, gradient.dtype, gradient.device
            )
            self._launched = wanted
            self._held = state.length  # so that no other tensor comes to lie in its place
        return self._launcher


class FusedGPUTensorStepper:
    """Single steps; see `hyperadam.kernels.Stepper`. A state in bfloat16 is widened block by block,
    and with `out_state=state` moments are written in place."""

    def __init__(self, rule: FusedPassRule, theta: Tensor) -> None:
        self._rule = rule
        self._dtype = theta.dtype
        self._theta = rule.unpack(theta.detach().clone())

    @torch.no_grad()
    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, HyperAdamTensorState]:
        check_tensor("gradient", gradient, gradient.shape, self._dtype, gradient.device)
        gradient = gradient.contiguous()
        check_pass(self._rule, gradient, state)
        launcher = self._rule.open_launcher(gradient, state)
        wide = self._widen_cells(state)
        cells = self._rule.run_cells(self._theta, wide)
        factors = advance_factors(cells, wide)
        rows = list_coefficients(cells, factors, find_still_v(wide, self._rule.spec.sparse_above))
        coefficients = make_coefficients(rows)

        moments = (state.m.contiguous(), state.v.contiguous())
        target = state if out_state is None else out_state
        new_moments = (target.m, target.v)
        if out_state is None or not all(field.is_contiguous() for field in new_moments):
            new_moments = (torch.empty_like(moments[0]), torch.empty_like(moments[1]))
        direction = torch.empty_like(gradient) if out is None else out
        check_tensor("out", direction, gradient.shape, self._dtype, gradient.device)
        if not direction.is_contiguous():
            raise ValueError("out must be contiguous")
        sums = launcher.step(gradient, moments, new_moments, direction, coefficients)

        completed = complete_state(self._rule, sums, factors, wide)
        m, v = new_moments
        after = state._replace(m=m, v=v, **completed)
        if out_state is None:
            return direction, after
        for field, written in zip(out_state, after, strict=True):
            if field is not written:
                field.copy_(written)
        return direction, out_state

    def _widen_cells(self, state: HyperAdamTensorState) -> HyperAdamTensorState:
        """The state as cells read it: numbers a tensor in the dtype of arithmetic."""
        names = self._rule.per_tensor_fields
        return state._replace(**{name: getattr(state, name).to(self._dtype) for name in names})


def advance_factors(cells: Cells, state: HyperAdamTensorState) -> tuple[Tensor, Tensor]:
    """β̂ and γ̂ after a step, shapes (J, *batch, k) and (1, *batch, k)."""
    one = state.beta_hat.new_ones(())
    beta_hat = torch.lerp(one, state.beta_hat, cells.beta)
    return beta_hat, torch.lerp(one, state.gamma_hat, cells.gamma)


def list_coefficients(
    cells: Cells, factors: tuple[Tensor, Tensor], still_v: Tensor
) -> list[Tensor]:
    """What a pass is told of each tensor, in the order of `triton_tensor.forward.Coefficients`."""
    beta_hat, gamma_hat = factors
    gamma = cells.gamma.expand_as(gamma_hat)
    return [cells.beta, cells.rho / beta_hat, gamma, 1 / gamma_hat, cells.step_length, still_v]


def make_coefficients(rows: Sequence[Tensor]) -> Any:
    """The same as a pass takes them."""
    from hyperadam.kernels.triton_tensor.forward import Coefficients

    return Coefficients(*(row.contiguous() for row in rows))


def complete_state(
    rule: HyperAdamTensorRule,
    sums: Tensor,  # shape: (J + 3, *batch, k)
    factors: tuple[Tensor, Tensor],
    state: HyperAdamTensorState,
) -> dict[str, Tensor]:
    """The fields with a number a tensor after a step, from Σ m_j², Σ v, Σ g² and how often g is not
    0."""
    beta_hat, gamma_hat = factors
    quotients, rests = state.length
    lengths = quotients * LENGTH_BASE + rests
    of_m = sums[:-3] / (beta_hat * beta_hat)
    of_v = sums[-3:-2] / gamma_hat
    rows = [of_m, of_v, sums[-2:-1]]
    if rule.counts_zeros:
        rows.append(lengths - sums[-1:])
    means = torch.cat(rows) / lengths.clamp(min=1)
    n_steps = state.n_steps + 1
    return {"beta_hat": beta_hat, "gamma_hat": gamma_hat, "means": means, "n_steps": n_steps}


class _CoordinatePass(torch.autograd.Function):
    """From gradient, moments and coefficients to direction, moments and sums."""

    @staticmethod
    def forward(
        context: Any,
        launcher: PassLauncher,
        gradient: Tensor,
        m: Tensor,
        v: Tensor,
        *rows: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        moments = (m.contiguous(), v.contiguous())
        context.launcher = launcher
        context.save_for_backward(gradient, *moments, *rows)
        new_m = torch.empty_like(moments[0])
        new_v = torch.empty_like(moments[1])
        direction = torch.empty_like(gradient)
        sums = launcher.step(gradient, moments, (new_m, new_v), direction, make_coefficients(rows))
        return direction, new_m, new_v, sums

    @staticmethod
    @once_differentiable
    def backward(context: Any, *upstreams: Tensor) -> tuple[Tensor | None, ...]:
        from hyperadam.kernels.triton_tensor.backward import Adjoints

        gradient, m, v, *rows = context.saved_tensors
        adjoints = Adjoints(*(upstream.contiguous() for upstream in upstreams))
        of_inputs, of_rows = context.launcher.step_backward(
            gradient, (m, v), adjoints, make_coefficients(rows)
        )
        parts = of_rows.split([len(row) for row in rows[:-1]])
        return (None, *of_inputs, *parts, None)  # still_v is a constant


def check_pass(rule: HyperAdamTensorRule, gradient: Tensor, state: HyperAdamTensorState) -> None:
    """Refuse a state that is none for gradients of this shape.

    Raises:
        ValueError: naming the field.
    """
    shapes = field_shapes(rule, gradient.shape, state.length.shape[-1], state._fields)
    for name in ("m", "v", *MOVING_FIELDS[2:], "length"):
        field = getattr(state, name)
        if tuple(field.shape) != shapes[name] or field.device != gradient.device:
            raise ValueError(
                f"state.{name} must be of shape {shapes[name]} on {gradient.device}, got "
                f"{tuple(field.shape)} on {field.device}"
            )
