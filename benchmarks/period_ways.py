"""The ways of doing one period of meta-training that `benchmarks.period` compares, and their floor.

The images are random, a fifth of the pixels is on as in MNIST.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from hyperadam.kernels import ReferenceTape, Tape, open_tape
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from torch import Tensor

from benchmarks.measuring import measure_seconds

N_STEPS = 20
LR = 0.005
BATCH = 128
N_PIXELS = 784
N_HIDDEN = 20
N_CLASSES = 10
N_CONVEX = 20
SIZES = (N_HIDDEN * N_PIXELS, N_HIDDEN, N_CLASSES * N_HIDDEN, N_CLASSES, N_CONVEX)
P = sum(SIZES)


@dataclass(frozen=True)
class Setting:
    """Learners side by side, their data and tricks, and the Θ that trains them."""

    rule: HyperAdamRule
    theta: Tensor
    """Shape (n_theta,)."""
    images: Tensor
    """Shape (steps + 1, L, batch, pixels)."""
    labels: Tensor
    """Shape (steps + 1, L, batch)."""
    scale: Tensor
    """RS: shape (L, p)."""
    centre: Tensor
    """CC: shape (L, 20)."""
    start: Tensor
    """Shape (L, p)."""

    @classmethod
    def draw(cls, n_learners: int) -> Setting:
        generator = torch.Generator().manual_seed(0)
        rule = HyperAdamRule(HyperAdamSpec(normalization="rms", norm_epsilon=0.0, squash="asinh"))

        def draw_symmetric(*shape: int) -> Tensor:
            return 2 * torch.rand(shape, generator=generator) - 1

        log_ranges = torch.cat([torch.full((P - N_CONVEX,), 3.0), torch.ones(N_CONVEX)])
        scale = torch.exp(log_ranges * draw_symmetric(n_learners, P))
        batches = (N_STEPS + 1, n_learners, BATCH)
        pixels = torch.rand(*batches, N_PIXELS, generator=generator)
        return cls(
            rule=rule,
            theta=rule.pack(rule.init_theta(generator)).float(),
            images=pixels * (pixels > 0.8),
            labels=torch.randint(N_CLASSES, batches, generator=generator),
            scale=scale,
            centre=draw_symmetric(n_learners, N_CONVEX),
            start=0.1 * torch.randn(n_learners, P, generator=generator) / scale,
        )

    def losses(self, w: Tensor, step: int) -> Tensor:
        """Shape (L,), of w of shape (L, p)."""
        w1, b1, w2, b2, z = (w * self.scale).split(SIZES, dim=-1)
        w1 = w1.unflatten(-1, (N_PIXELS, N_HIDDEN))
        w2 = w2.unflatten(-1, (N_HIDDEN, N_CLASSES))
        hidden = torch.sigmoid(torch.baddbmm(b1[:, None], self.images[step], w1))
        logits = torch.baddbmm(b2[:, None], hidden, w2)

        labels = self.labels[step].expand(logits.shape[:-1])
        entropy = F.cross_entropy(logits.mT, labels, reduction="none").mean(-1)
        convex: Tensor = (z - self.centre).square().clamp(0, 10).mean(-1)
        return entropy + convex

    def gradient(self, w: Tensor, step: int) -> Tensor:
        """Shape (L, p)."""
        leaf = w.detach().requires_grad_()
        self.losses(leaf, step).sum().backward()
        assert leaf.grad is not None
        return leaf.grad


def unroll_plainly(setting: Setting) -> Tensor:
    """The meta-gradient with the learner in the graph.

    Losses are those of w_t on minibatch t + 1.
    """
    rule = setting.rule
    vector = setting.theta.clone().requires_grad_()
    theta = rule.unpack(vector)
    w = setting.start
    state: Any = rule.init_state(w)
    gradient = setting.gradient(w, 0)
    total = torch.zeros(())
    for step in range(N_STEPS):
        direction, state = rule.update(theta, gradient, state)
        w = w - LR * direction
        loss = setting.losses(w, step + 1).sum()
        (gradient,) = torch.autograd.grad(loss, w, retain_graph=True)
        total = total + loss / N_STEPS
    (meta_gradient,) = torch.autograd.grad(total, vector)
    return meta_gradient


def unroll_surrogate(setting: Setting, make_tape: Callable[..., Tape]) -> Tensor:
    """The same meta-gradient by a tape over the cell alone."""
    w = setting.start
    tape = make_tape(setting.rule, setting.theta, setting.rule.init_state(w))
    gradients = [setting.gradient(w, 0)]
    for step in range(N_STEPS):
        w = w - LR * tape.step(gradients[-1])
        gradients.append(setting.gradient(w, step + 1))

    # a step moves w, and with it the losses of all later steps
    later_gradients = torch.stack(gradients[1:]).flip(0).cumsum(0).flip(0)
    return tape.backward(later_gradients * (-LR / N_STEPS))


@dataclass(frozen=True)
class Products:
    """The matrix products of the cell's four linear layers, forward and backward; nothing else."""

    operands: list[tuple[Tensor, ...]]

    @classmethod
    def draw(cls, setting: Setting) -> Products:
        n = setting.start.numel()
        operands: list[tuple[Tensor, ...]] = []
        for shape in setting.rule.theta_shapes.values():
            if len(shape) != 2:
                continue
            n_out, n_in = shape
            weight = torch.randn(n_out, n_in)
            x = torch.randn(n_in, n)
            delta = torch.randn(n_out, n)
            results = (torch.empty(n_out, n), torch.empty(n_in, n), torch.empty(n_out, n_in))
            operands.append((weight, x, delta, *results))
        return cls(operands)

    def __call__(self) -> None:
        for weight, x, delta, y, x_bar, weight_bar in self.operands:
            for _ in range(N_STEPS):
                torch.mm(weight, x, out=y)
                torch.mm(weight.T, delta, out=x_bar)
                torch.mm(delta, x.T, out=weight_bar)

    @property
    def flops(self) -> int:
        flops_a_step = sum(3 * 2 * weight.numel() * x.shape[1] for weight, x, *_ in self.operands)
        return flops_a_step * N_STEPS


WAYS: dict[str, Callable[[Setting], Tensor]] = {
    "plain unroll": unroll_plainly,
    "eager surrogate": lambda setting: unroll_surrogate(setting, ReferenceTape),
    "fused": lambda setting: unroll_surrogate(setting, open_tape),
}


def check_agreement(setting: Setting) -> float:
    """The largest relative difference between the ways' meta-gradients.

    This also warms everything up.
    """
    reference, *others = [way(setting) for way in WAYS.values()]
    difference = max(float((other - reference).norm() / reference.norm()) for other in others)
    if not difference < 1e-3:
        raise SystemExit(
            f"the meta-gradients differ by {difference:.1e}: there is nothing to compare"
        )
    return difference


def measure(setting: Setting, n_rounds: int) -> dict[str, list[float]]:
    """Seconds of every way and of the floor, in turn, one entry a round."""
    products = Products.draw(setting)
    products()
    works: dict[str, Callable[[], object]] = {
        name: partial(way, setting) for name, way in WAYS.items()
    }
    works["matrix products"] = products

    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(n_rounds):
        for name, work in works.items():
            seconds[name].append(measure_seconds(work))
    return seconds
