"""Drawing mutants by seed, every room as often as another."""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from tests.mutation.edits import Edit, find_edits


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A file with one fault."""

    room: str
    path: str
    """Of the file, below the top of the project."""
    edit: Edit
    original: bytes

    @property
    def source(self) -> bytes:
        return self.edit.apply(self.original)

    @property
    def diff(self) -> str:
        """The lines that differ, without context."""
        before, after = (text.decode().splitlines() for text in (self.original, self.source))
        lines = difflib.unified_diff(before, after, n=0, lineterm="")
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def draw_mutants(top: Path, rooms: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """So many mutants, room after room in turn; the first ones of a larger count are those of a
    smaller one."""
    by_room = [_shuffled_mutants(top, room, seed) for room in rooms]
    in_turn = chain.from_iterable(zip_longest(*by_room))
    return [mutant for mutant in in_turn if mutant is not None][:count]


def find_survivors(top: Path, trials: Sequence[Mapping[str, Any]]) -> list[Mutant]:
    """The mutants that an earlier session's result calls survivors, as far as their lines are still
    what they were."""
    survivors: list[Mutant] = []
    for trial in trials:
        path = top / trial["path"]
        if trial["verdict"] != "survived" or not path.exists():
            continue
        alike = (
            mutant
            for mutant in _list_mutants(top, trial["room"], path)
            if (mutant.edit.kind, mutant.diff) == (trial["kind"], trial["diff"])
        )
        nearest = min(alike, key=lambda mutant: abs(mutant.edit.line - trial["line"]), default=None)
        if nearest is not None:
            survivors.append(nearest)
    return survivors


def _shuffled_mutants(top: Path, room: str, seed: int) -> list[Mutant]:
    mutants = [
        mutant for path in _list_files(top / room) for mutant in _list_mutants(top, room, path)
    ]
    random.Random(f"{seed} {room}").shuffle(mutants)
    return mutants


def _list_files(room: Path) -> list[Path]:
    return [room] if room.is_file() else sorted(room.rglob("*.py"))


def _list_mutants(top: Path, room: str, path: Path) -> list[Mutant]:
    original = path.read_bytes()
    name = path.relative_to(top).as_posix()
    return [
        Mutant(room=room, path=name, edit=edit, original=original) for edit in find_edits(original)
    ]
