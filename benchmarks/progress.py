"""What more meta-training made of a Θ, by tasks that it was not trained on.

    python -m benchmarks.progress untrained hyperadam-v2 hyperadam-v4 --data-dir FOLDER
        [--job-of hyperadam-v6 | --preset default] [--starts 4] [--json FILE]

Each is run for 300 steps on the tasks that a preset, or the job that made a
Θ, validates with, from the same starts over the
same minibatches, with all steps c times as long for several c. It is judged at the c that is best
for all tasks together, and as it is:

    mean over tasks of log (final loss / that of the first one at its best c)

within 1 for a task; and the standard error of that mean. `untrained` is what the training starts
from; `hyperadam-v4:length_kept=0.1` is changed as `adjustment` of a job does it
(`benchmarks.thetas`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.judgements import compare, format_table
from benchmarks.measuring import write_json
from benchmarks.thetas import add_tasks_argument, read_spec, read_theta
from meta_trainer.tasks import load_data
from meta_trainer.training.units import one_thread


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What more meta-training made of a Theta.")
    parser.add_argument("theta", nargs="+", help="names as in benchmarks.thetas")
    add_tasks_argument(parser)
    parser.add_argument("--starts", type=int, default=4, help="of each task")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="where figures go, too")
    arguments = parser.parse_args(words)

    spec = read_spec(arguments)
    assert spec.tasks is not None
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
