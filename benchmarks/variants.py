"""What other states of a coordinate would buy `hyperadam-tensor`, before anyone writes kernels for
them.

    python -m benchmarks.variants --data-dir FOLDER [--theta untrained] [--tasks 1] [--json FILE]

Each variant changes what a step of the rule does, outside of it, and runs with the same Θ:

    gate             d where it goes against the gradient of this step is 0, and the rest of the
                     tensor is as much longer as there is less of it (Liang et al., 2024)
    larger of two    a second v with γ = 0.9 beside that of Θ; the larger of both v̂ under the root
    mean of two      likewise, their mean
    rows wait        moments of a coordinate without a gradient stay as they are (lazy Adam): a row
                     of an embedding counts the steps in which it is looked up
    rows go on       a coordinate without a gradient moves by its moments, as in Adam

Tasks of a preset, those it validates with and some that it draws, are run for 300 steps from the
same starts over the same minibatches, with all steps c times as long for several c. A variant is
judged at the c that is best for all tasks together:

    mean over tasks of log (final loss / that of the rule as it is, at its best c)

within 1 for a task; and the standard error of that mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from hyperadam.rules.base import Shapes
from hyperadam.rules.tensor_state import HyperAdamTensorState, read_lengths
from hyperadam.rules.tensors import average_over_tensors, spread_over_tensors
from torch import Tensor

from benchmarks.judgements import compare, format_table
from benchmarks.lengths import N_STARTS, Longer
from benchmarks.measuring import write_json
from benchmarks.task_lists import choose_tasks, list_tasks
from benchmarks.thetas import UNTRAINED, read_theta
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import load_data
from meta_trainer.training.units import one_thread
from meta_trainer.unrolls.optimizers import LearnedState

USUAL: Final = "as it is"
FAST_GAMMA: Final = 0.9
"""γ of the second v."""
LEAST_SHARE: Final = 1e-3
"""Of the coordinates that go with their gradients, in what the others' steps are lengthened by."""
UNNOTICED: Final = 1e-30
"""A gradient that is not 0 for the rule, and too small for any moment to notice."""


class Variant(Longer):
    """A step of the rule, with something changed before or after it."""

    def step(self, w: Tensor, gradient: Tensor, state: LearnedState) -> tuple[Tensor, LearnedState]:
        seen = self.see(gradient)
        before = self.keep(state.rule_state)
        direction, after = self._stepper.step(seen, state.rule_state, out_state=state.rule_state)
        direction = self.change(direction, gradient, before, after)
        moved = self._move(w, direction, state)
        return moved, LearnedState(after, state.n_steps + 1, state.shares)

    def see(self, gradient: Tensor) -> Tensor:
        """What the rule is given as the gradient."""
        return gradient

    def keep(self, state: HyperAdamTensorState) -> Any:
        """What `change` needs of the state before the step, which the step uses up."""
        return None

    def change(
        self,
        direction: Tensor,
        gradient: Tensor,
        before: Any,
        after: HyperAdamTensorState,
    ) -> Tensor:
        """The direction in place of the rule's; the state after the step may be written to."""
        return direction


class Gated(Variant):
    """No coordinate goes against its gradient."""

    def change(
        self, direction: Tensor, gradient: Tensor, before: Any, after: HyperAdamTensorState
    ) -> Tensor:
        lengths = read_lengths(after)
        agrees = (direction * gradient > 0).to(direction)
        share = average_over_tensors(agrees[None], lengths).clamp(min=LEAST_SHARE)
        return direction * agrees / spread_over_tensors(share, lengths)[0]


class TwoSecondMoments(Variant):
    """Another v, that forgets sooner."""

    def init(self, w: Tensor, shapes: Shapes | None = None) -> LearnedState:
        self._fast_v = torch.zeros_like(w)
        self._fast_gamma_hat = 0.0
        return super().init(w, shapes)

    def change(
        self, direction: Tensor, gradient: Tensor, before: Any, after: HyperAdamTensorState
    ) -> Tensor:
        self._fast_v.lerp_(gradient * gradient, 1 - FAST_GAMMA)
        self._fast_gamma_hat += (1 - FAST_GAMMA) * (1 - self._fast_gamma_hat)
        fast = self._fast_v / self._fast_gamma_hat
        slow = after.v[0] / spread_over_tensors(after.gamma_hat, read_lengths(after))[0]
        ratio = slow / self.combine(slow, fast)
        return direction * ratio.nan_to_num(0.0).sqrt()

    def combine(self, slow: Tensor, fast: Tensor) -> Tensor:
        """What stands under the root."""
        raise NotImplementedError


class LargerOfTwo(TwoSecondMoments):
    """As AMSGrad, but for what is long past."""

    def combine(self, slow: Tensor, fast: Tensor) -> Tensor:
        return torch.maximum(slow, fast)


class MeanOfTwo(TwoSecondMoments):
    """Between both."""

    def combine(self, slow: Tensor, fast: Tensor) -> Tensor:
        return (slow + fast) / 2


class RowsWait(Variant):
    """Moments know the steps in which a coordinate has a gradient alone."""

    def keep(self, state: HyperAdamTensorState) -> Any:
        return state.m.clone(), state.v.clone()

    def change(
        self, direction: Tensor, gradient: Tensor, before: Any, after: HyperAdamTensorState
    ) -> Tensor:
        waits = gradient == 0
        for moments, old in zip((after.m, after.v), before, strict=True):
            moments.copy_(torch.where(waits, old, moments))
        return direction


class RowsGoOn(Variant):
    """A coordinate without a gradient moves."""

    def see(self, gradient: Tensor) -> Tensor:
        return torch.where(gradient == 0, UNNOTICED, gradient)


VARIANTS: Final[dict[str, type[Longer]]] = {
    USUAL: Longer,
    "gate": Gated,
    "larger of two": LargerOfTwo,
    "mean of two": MeanOfTwo,
    "rows wait": RowsWait,
    "rows go on": RowsGoOn,
}


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What other states of a coordinate would buy.")
    parser.add_argument("--theta", default=UNTRAINED, help="a name as in benchmarks.thetas")
    parser.add_argument("--preset", default="default", help="whose tasks are run")
    parser.add_argument("--tasks", type=int, default=1, help="of each kind or network")
    parser.add_argument("--only", nargs="+", default=(), help="numbers, networks or kinds of tasks")
    parser.add_argument("--starts", type=int, default=N_STARTS, help="of each task")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="where figures go, too")
    arguments = parser.parse_args(words)

    spec = MetaTrainingSpec.model_validate({"preset": arguments.preset})
    theta = read_theta(arguments.theta, spec)
    all_tasks = [task for _, task in list_tasks(spec, arguments.tasks)]
    tasks = [task for _, task in choose_tasks(all_tasks, arguments.only)]
    data = load_data(tasks, arguments.data_dir)
    with one_thread():
        thetas = dict.fromkeys(VARIANTS, theta)
        judgements = compare(thetas, tasks, data, arguments.starts, USUAL, VARIANTS)
    print(format_table(judgements, "state", f"the rule {USUAL}"))
    if arguments.json:
        write_json(arguments.json, [judgement._asdict() for judgement in judgements])


if __name__ == "__main__":
    main()
