"""What more meta-training made of a Θ, by tasks that it was not trained on.

    python -m benchmarks.progress untrained hyperadam-v2 hyperadam-v4 --data-dir FOLDER
        [--preset default] [--starts 4] [--json FILE]

Each is run for 300 steps on the tasks that a preset validates with, from the same starts over the
same minibatches, with all steps c times as long for several c. It is judged at the c that is best
for all tasks together, and as it is:

    mean over tasks of log (final loss / that of the first one at its best c)

within 1 for a task; and the standard error of that mean. `untrained` is what the preset's training
starts from.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import hyperadam

from benchmarks.judgements import compare, format_table
from benchmarks.measuring import write_json
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import load_data
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule, one_thread

UNTRAINED: Final = "untrained"


def read_theta(name: str, spec: MetaTrainingSpec) -> hyperadam.Theta:
    """A file, a shipped one by its name, or `UNTRAINED`."""
    if name == UNTRAINED:
        rule = make_rule(spec.rule)
        return hyperadam.Theta.from_vector(rule, make_initial_theta(spec), rate=spec.unroll.rate)
    if Path(name).is_file():
        return hyperadam.Theta.load(name)
    return hyperadam.pretrained(name)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What more meta-training made of a Theta.")
    parser.add_argument("theta", nargs="+", help="untrained, shipped names, or files")
    parser.add_argument("--preset", default="default", help="whose validation tasks are run")
    parser.add_argument("--starts", type=int, default=4, help="of each task")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="where figures go, too")
    arguments = parser.parse_args(words)

    spec = MetaTrainingSpec.model_validate({"preset": arguments.preset})
    if spec.tasks is None:
        raise SystemExit("the preset draws no tasks")
    tasks = spec.tasks.validation
    data = load_data(spec.data_tasks, arguments.data_dir)
    thetas = {name: read_theta(name, spec) for name in arguments.theta}
    with one_thread():
        judgements = compare(thetas, tasks, data, arguments.starts, usual=arguments.theta[0])
    print(format_table(judgements, "optimizer", arguments.theta[0]))
    if arguments.json:
        write_json(arguments.json, [judgement._asdict() for judgement in judgements])


if __name__ == "__main__":
    main()
