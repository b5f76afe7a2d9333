"""One period of meta-training, forward and backward on one thread: how far is it from its floor?

    python -m benchmarks.period [--learners 1] [--rounds 7] [--json FILE]

The period: 20 steps of HyperAdam (J = 20) on the basic MLP 784-20-10, sigmoid, batch 128, with
random scaling and the 20-dimensional convex function added: p = 15,930 coordinates a learner. It is
done in three ways that give the same meta-gradient, which is checked:

    plain unroll     the learner is part of the meta-graph, eager autograd through everything
    eager surrogate  the learner's gradients outside any graph, eager autograd through the cell alone
    fused            the same with the compiled cell

and compared with the floor: the cell's matrix products alone, as `torch.mm` on the same shapes.
Machines are noisy and shared, so times are processor times of this process, and what counts is the
ratio of two taken in turn in one round; it is given as its median over the rounds, with the range.
The images are random, a fifth of the pixels is on as in MNIST.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from hyperadam.kernels import ReferenceTape, Tape, open_tape
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from torch import Tensor

from benchmarks.rows import peak_bytes as peak_of_this_process

N_STEPS, LR = 20, 0.005
BATCH, N_PIXELS, N_HIDDEN, N_CLASSES, N_CONVEX = 128, 784, 20, 10, 20
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
        ranges = torch.cat([torch.full((P - N_CONVEX,), 3.0), torch.ones(N_CONVEX)])
        scale = torch.exp(ranges * (2 * torch.rand(n_learners, P, generator=generator) - 1))
        pixels = torch.rand(N_STEPS + 1, n_learners, BATCH, N_PIXELS, generator=generator)
        return cls(
            rule,
            rule.pack(rule.init_theta(generator)).float(),
            pixels * (pixels > 0.8),
            torch.randint(N_CLASSES, (N_STEPS + 1, n_learners, BATCH), generator=generator),
            scale,
            2 * torch.rand(n_learners, N_CONVEX, generator=generator) - 1,
            0.1 * torch.randn(n_learners, P, generator=generator) / scale,
        )

    def losses(self, w: Tensor, step: int) -> Tensor:
        """Shape (L,), of w of shape (L, p)."""
        w1, b1, w2, b2, z = (w * self.scale).split(SIZES, dim=-1)
        hidden = torch.sigmoid(
            torch.baddbmm(b1[:, None], self.images[step], w1.unflatten(-1, (N_PIXELS, N_HIDDEN)))
        )
        logits = torch.baddbmm(b2[:, None], hidden, w2.unflatten(-1, (N_HIDDEN, N_CLASSES)))
        classified = F.cross_entropy(
            logits.mT, self.labels[step].expand(logits.shape[:-1]), reduction="none"
        ).mean(-1)
        convex: Tensor = (z - self.centre).square().clamp(0, 10).mean(-1)
        return classified + convex

    def gradient(self, w: Tensor, step: int) -> Tensor:
        """Shape (L, p)."""
        leaf = w.detach().requires_grad_()
        self.losses(leaf, step).sum().backward()
        assert leaf.grad is not None
        return leaf.grad


def plain_unroll(setting: Setting) -> Tensor:
    """The meta-gradient with the learner in the graph; losses are those of w_t on minibatch t +
    1."""
    vector = setting.theta.clone().requires_grad_()
    theta, rule, w = setting.rule.unpack(vector), setting.rule, setting.start
    state: Any = rule.init_state(w)
    gradient, total = setting.gradient(w, 0), torch.zeros(())
    for step in range(N_STEPS):
        direction, state = rule.update(theta, gradient, state)
        w = w - LR * direction
        loss = setting.losses(w, step + 1).sum()
        (gradient,) = torch.autograd.grad(loss, w, retain_graph=True)
        total = total + loss / N_STEPS
    (meta_gradient,) = torch.autograd.grad(total, vector)
    return meta_gradient


def surrogate(setting: Setting, make_tape: Callable[..., Tape]) -> Tensor:
    """The same meta-gradient by a tape over the cell alone."""
    w = setting.start
    tape = make_tape(setting.rule, setting.theta, setting.rule.init_state(w))
    gradients = [setting.gradient(w, 0)]
    for step in range(N_STEPS):
        w = w - LR * tape.step(gradients[-1])
        gradients.append(setting.gradient(w, step + 1))
    reached = torch.stack(gradients[1:]).flip(0).cumsum(0).flip(0)
    return tape.backward(reached * (-LR / N_STEPS))


@dataclass(frozen=True)
class Products:
    """The matrix products of the cell's four linear layers, forward and backward, and nothing
    else."""

    operands: list[tuple[Tensor, ...]]

    @classmethod
    def draw(cls, setting: Setting) -> Products:
        n = setting.start.numel()
        shapes = [shape for shape in setting.rule.theta_shapes.values() if len(shape) == 2]

        def operands(n_out: int, n_in: int) -> tuple[Tensor, ...]:
            inputs = torch.randn(n_out, n_in), torch.randn(n_in, n), torch.randn(n_out, n)
            return *inputs, torch.empty(n_out, n), torch.empty(n_in, n), torch.empty(n_out, n_in)

        return cls([operands(*shape) for shape in shapes])

    def __call__(self) -> None:
        for weight, x, delta, y, x_bar, weight_bar in self.operands:
            for _ in range(N_STEPS):
                torch.mm(weight, x, out=y)
                torch.mm(weight.T, delta, out=x_bar)
                torch.mm(delta, x.T, out=weight_bar)

    @property
    def flops(self) -> int:
        return sum(3 * 2 * weight.numel() * x.shape[1] * N_STEPS for weight, x, *_ in self.operands)


WAYS: dict[str, Callable[[Setting], Tensor]] = {
    "plain unroll": plain_unroll,
    "eager surrogate": lambda setting: surrogate(setting, ReferenceTape),
    "fused": lambda setting: surrogate(setting, open_tape),
}


def check_agreement(setting: Setting) -> float:
    """The largest relative difference between the ways' meta-gradients; also warms everything
    up."""
    found = [way(setting) for way in WAYS.values()]
    difference = max(float((g - found[0]).norm() / found[0].norm()) for g in found[1:])
    if not difference < 1e-3:
        raise SystemExit(
            f"the meta-gradients differ by {difference:.1e}: there is nothing to compare"
        )
    return difference


def seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def measure(setting: Setting, n_rounds: int) -> dict[str, list[float]]:
    """Seconds of every way and of the floor, in turn, one entry a round."""
    products = Products.draw(setting)
    products()
    times: dict[str, list[float]] = {name: [] for name in [*WAYS, "matrix products"]}
    for _ in range(n_rounds):
        for name, way in WAYS.items():
            times[name].append(seconds(lambda way=way: way(setting)))  # type: ignore[misc]
        times["matrix products"].append(seconds(products))
    return times


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def peak_bytes(name: str, n_learners: int) -> int:
    """What one period adds to the memory of a fresh process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.period",
        "--learners",
        str(n_learners),
        "--peak",
        name,
    ]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def report_peak(name: str, n_learners: int) -> None:
    setting = Setting.draw(n_learners)
    setting.gradient(setting.start, 0)
    before = peak_of_this_process()
    WAYS[name](setting)
    print(peak_of_this_process() - before)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="One period of meta-training against its floor, on one thread."
    )
    parser.add_argument("--learners", type=int, default=1, help="learners side by side")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--peak", choices=list(WAYS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.peak:
        report_peak(given.peak, given.learners)
    else:
        compare(given.learners, given.rounds, given.json)


def compare(n_learners: int, n_rounds: int, target: Path | None) -> None:
    peaks = {name: peak_bytes(name, n_learners) // n_learners for name in WAYS}
    setting = Setting.draw(n_learners)
    difference = check_agreement(setting)
    times = measure(setting, n_rounds)
    floor, plain = times["matrix products"], times["plain unroll"]
    rows = {
        name: {
            "seconds": spread(taken),
            "over_matrix_products": spread([a / b for a, b in zip(taken, floor, strict=True)]),
            "speedup_over_plain_unroll": spread([b / a for a, b in zip(taken, plain, strict=True)]),
            "peak_bytes_per_learner": peaks.get(name),
        }
        for name, taken in times.items()
    }
    show(rows, n_learners, n_rounds, difference)
    if target:
        flops = Products.draw(setting).flops
        shape = {
            "learners": n_learners,
            "p": P,
            "steps": N_STEPS,
            "rounds": n_rounds,
            "flops": flops,
        }
        target.write_text(
            json.dumps({**shape, "meta_gradient_difference": difference, "rows": rows}, indent=2)
            + "\n"
        )


def show(rows: dict[str, Any], n_learners: int, n_rounds: int, difference: float) -> None:
    def text(value: dict[str, float]) -> str:
        return f"{value['median']:.2f} ({value['least']:.2f}–{value['most']:.2f})"

    print(
        f"One period of {N_STEPS} steps, {n_learners} × p = {P}, one thread; medians of {n_rounds} rounds (range)."
    )
    print(f"The meta-gradients agree to {difference:.0e}.\n")
    print(
        f"{'':16} {'seconds':>20} {'÷ matrix products':>20} {'× plain unroll':>20} {'MiB a learner':>14}"
    )
    for name, row in rows.items():
        peak = (
            ""
            if row["peak_bytes_per_learner"] is None
            else f"{row['peak_bytes_per_learner'] / 2**20:.0f}"
        )
        cells = [
            text(row[key])
            for key in ("seconds", "over_matrix_products", "speedup_over_plain_unroll")
        ]
        print(f"{name:16} {cells[0]:>20} {cells[1]:>20} {cells[2]:>20} {peak:>14}")


if __name__ == "__main__":
    main()
