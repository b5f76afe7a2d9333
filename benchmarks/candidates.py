"""What J, the number of first moments, buys an untrained `hyperadam-tensor`.

    python -m benchmarks.candidates --data-dir FOLDER [--preset default] [--tasks 2] [--json FILE]

Tasks of a preset, those it validates with and some that it draws, are run for 300 steps by the
untrained Θ of each J, from the same starts over the same minibatches, with all steps c times as
long for several c. A J is judged at the c that is best for all tasks together, as more moments want
other lengths:

    mean over tasks of log (final loss / that of J = 4), each at the best c of its J

within 1 for a task; and the standard error of that mean. State is J + 1 numbers a parameter.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import hyperadam
import torch
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorSpec

from benchmarks.judgements import compare, format_table
from benchmarks.lengths import N_STARTS
from benchmarks.measuring import write_json
from benchmarks.task_lists import list_tasks
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import load_data
from meta_trainer.training.units import one_thread

CANDIDATES: Final = (1, 2, 3, 4, 6, 8)
"""J."""
USUAL: Final = 4
RATE: Final = Rate(lr=1.0, warmup_steps=20, decay_after=50)
"""That under which the shipped ones were trained."""


def make_untrained(n_candidates: int) -> hyperadam.Theta:
    """An ensemble of so many Adams."""
    rule = HyperAdamTensorRule(HyperAdamTensorSpec(n_candidates=n_candidates))
    fresh = rule.init_theta(torch.Generator().manual_seed(0), "ensemble")
    tensors = {name: tensor.float() for name, tensor in fresh.items()}
    return hyperadam.Theta(rule, tensors, RATE)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What the number of first moments buys.")
    parser.add_argument("--preset", default="default", help="whose tasks are run")
    parser.add_argument("--tasks", type=int, default=2, help="of each kind or network")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="where figures go, too")
    arguments = parser.parse_args(words)

    spec = MetaTrainingSpec.model_validate({"preset": arguments.preset})
    data = load_data(spec.data_tasks, arguments.data_dir)
    tasks = [task for _, task in list_tasks(spec, arguments.tasks)]
    thetas = {str(n): make_untrained(n) for n in CANDIDATES}
    with one_thread():
        judgements = compare(thetas, tasks, data, N_STARTS, usual=str(USUAL))
    print(format_table(judgements, "J", f"J = {USUAL}"))
    if arguments.json:
        write_json(arguments.json, [judgement._asdict() for judgement in judgements])


if __name__ == "__main__":
    main()
