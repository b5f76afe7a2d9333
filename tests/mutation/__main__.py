"""`python -m tests.mutation --count 60 --seed 1`: draw mutants, run the tests of their rooms, and
show which of them nobody noticed.

With `--slow`, what the quick tests leave alive meets the slow ones, too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tests.mutation.mutants import Mutant, draw_mutants, find_survivors
from tests.mutation.rooms import TESTS, find_nearest_tests
from tests.mutation.workbench import AlreadyBroken, Outcome, Stage, Workbench

TOP: Final = Path(__file__).resolve().parents[2]
QUICK: Final = ("-m", "not slow")
SLOW: Final = ("-m", "slow and not alone")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A mutant, and what became of it."""

    mutant: Mutant
    outcome: Outcome

    def __str__(self) -> str:
        mutant, outcome = self.mutant, self.outcome
        place = f"{mutant.path}:{mutant.edit.line}"
        title = f"{outcome.verdict}: {mutant.edit.kind} in {place} ({outcome.seconds} s)"
        killer = f"\n  by {outcome.killer}" if outcome.killer else ""
        changes = "".join(f"\n    {line}" for line in mutant.diff.splitlines())
        return f"{title}{killer}{changes}"

    def to_json(self) -> dict[str, Any]:
        return {
            "room": self.mutant.room,
            "path": self.mutant.path,
            "line": self.mutant.edit.line,
            "kind": self.mutant.edit.kind,
            "diff": self.mutant.diff,
            "verdict": self.outcome.verdict,
            "seconds": self.outcome.seconds,
            "killer": self.outcome.killer,
        }


class Session:
    """Tries mutants one after another, and writes down each at once."""

    def __init__(self, workbench: Workbench, *, with_slow: bool, report: Path) -> None:
        self._workbench = workbench
        self._with_slow = with_slow
        self._report = report
        self.trials: list[Trial] = []

    def try_mutant(self, mutant: Mutant) -> Trial:
        for stage in self._list_stages(mutant):
            outcome = self._workbench.try_mutant(mutant, stage)
            if outcome.is_noticed:
                break
        trial = Trial(mutant=mutant, outcome=outcome)
        self.trials.append(trial)
        self._write()
        return trial

    def _list_stages(self, mutant: Mutant) -> list[Stage]:
        """The tests nearest to the fault first, then all of its room."""
        tests = TESTS[mutant.room]
        nearest = find_nearest_tests(TOP, mutant.path, tests)
        quick = Stage(tests=tests, options=QUICK)
        stages = [replace(quick, only=tuple(nearest)), quick] if nearest else [quick]
        if self._with_slow:
            stages.append(Stage(tests=tests, options=SLOW))
        return stages

    def count(self, verdict: str) -> int:
        return sum(trial.outcome.verdict == verdict for trial in self.trials)

    def __str__(self) -> str:
        n_noticed = len(self.trials) - self.count("survived")
        share = n_noticed / max(1, len(self.trials))
        return (
            f"{len(self.trials)} mutants: {self.count('killed')} killed, "
            f"{self.count('timed out')} timed out, {self.count('survived')} survived; "
            f"{share:.0%} were noticed"
        )

    def _write(self) -> None:
        self._report.parent.mkdir(parents=True, exist_ok=True)
        records = [trial.to_json() for trial in self.trials]
        self._report.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n")


def tell(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=20, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument(
        "--room", action="append", choices=sorted(TESTS), help="only of this one; may be repeated"
    )
    parser.add_argument("--again", type=Path, help="only the survivors of this earlier result")
    parser.add_argument("--slow", action="store_true", help="let survivors meet slow tests")
    parser.add_argument("--json", type=Path, default=TOP / "build/mutants.json", help="the result")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    if arguments.again:
        mutants = find_survivors(TOP, json.loads(arguments.again.read_text()))
    else:
        rooms = arguments.room or list(TESTS)
        mutants = draw_mutants(TOP, rooms, arguments.count, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        workbench = Workbench(TOP, Path(folder))
        session = Session(workbench, with_slow=arguments.slow, report=arguments.json)
        n_left_out = 0
        for number, mutant in enumerate(mutants, start=1):
            try:
                tell(f"{number}/{len(mutants)} {session.try_mutant(mutant)}")
            except AlreadyBroken as broken:
                n_left_out += 1
                tell(f"{number}/{len(mutants)} left out: without any fault, {broken}")
    tell(session)
    return 1 if n_left_out else 0


if __name__ == "__main__":
    sys.exit(main())
