"""Drawing mutants by seed, every room as often as another."""

from __future__ import annotations

import difflib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

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
