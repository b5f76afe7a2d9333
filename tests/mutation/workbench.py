"""A copy of the project in which one file at a time may be broken, and its tests run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from tests.mutation.mutants import Mutant

GREEN: Final = (0, 5)
"""Pytest's exit statuses for tests that pass, and where there are none."""

Verdict = Literal["killed", "survived", "timed out"]


class AlreadyBroken(Exception):
    """The tests fail without any mutant."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Tests that are to be green without a fault, and which of them are to notice it."""

    tests: tuple[str, ...]
    options: tuple[str, ...] = ()
    """Of pytest."""
    only: tuple[str, ...] = ()
    """Of the tests, these alone; empty for all."""

    @property
    def arguments(self) -> tuple[str, ...]:
        return (*self.options, *(self.only or self.tests))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a run of tests."""

    verdict: Verdict
    seconds: float
    killer: str
    """The first test that failed; empty where none did."""
    output: str

    @property
    def is_noticed(self) -> bool:
        return self.verdict != "survived"


class Workbench:
    """Holds the copy, and knows how long the tests of each room take."""

    def __init__(self, top: Path, copy: Path) -> None:
        self._copy = copy
        for path in _list_files(top):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(top / path, copy / path)
        self._seconds: dict[Stage, float] = {}
        search_path = f"{copy / 'client'}{os.pathsep}{copy}"  # comes before what is installed
        self._environment = {
            "PYTHONPATH": search_path,
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "",  # what is whole is compiled once
        }

    def try_mutant(self, mutant: Mutant, stage: Stage) -> Outcome:
        """Run the stage's tests on the project with the fault, up to the first that fails; the copy
        is whole again afterwards.

        Raises:
            AlreadyBroken: the tests fail without the fault, too.
        """
        limit_seconds = 20 + 5 * self._time_without_faults(replace(stage, only=()))
        path = self._copy / mutant.path
        whole = path.with_name(f"{path.name}.whole")
        path.rename(whole)
        try:
            path.write_bytes(mutant.source)
            return self._run(stage, limit_seconds, PYTHONDONTWRITEBYTECODE="1")
        finally:
            whole.replace(path)

    def _time_without_faults(self, stage: Stage) -> float:
        if stage not in self._seconds:
            outcome = self._run(stage, limit_seconds=3600)
            if outcome.is_noticed:
                raise AlreadyBroken(f"pytest {' '.join(stage.arguments)}:\n{outcome.output}")
            self._seconds[stage] = outcome.seconds
        return self._seconds[stage]

    def _run(self, stage: Stage, limit_seconds: float, **variables: str) -> Outcome:
        begin = time.monotonic()
        pytest = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        process = subprocess.Popen(
            [*pytest, *stage.arguments],
            cwd=self._copy,
            env=os.environ | self._environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit_seconds)
            verdict: Verdict = "survived" if process.returncode in GREEN else "killed"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            verdict = "timed out"
        return Outcome(
            verdict=verdict,
            seconds=round(time.monotonic() - begin, 1),
            killer=_find_killer(output),
            output=output,
        )


def _list_files(top: Path) -> list[str]:
    """Every file of the project, new ones included, ignored ones not."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=top, capture_output=True, text=True, check=True).stdout
    return [name for name in names.split("\0") if name and (top / name).is_file()]


def _find_killer(output: str) -> str:
    match = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return match.group(1) if match else ""
