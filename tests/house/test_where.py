"""What docs/architecture.md says about where things are is true of the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs/architecture.md").read_text("utf-8")
SECTION = PAGE.partition("## Where is it?")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (.+?) \| `(.+?)` \| (.+?) \|$", SECTION, re.MULTILINE)


def test_the_table_is_there() -> None:
    assert len(ROWS) >= 6


@pytest.mark.parametrize(("sought", "path", "told"), ROWS, ids=[row[0] for row in ROWS])
def test_a_newcomer_finds(sought: str, path: str, told: str) -> None:
    """The file is there, and what is to be read first is defined in it."""
    files = list(TOP.glob(path))
    assert files, sought
    names = [name for name in re.findall(r"`([\w.]+)`", told) if not name.endswith(".py")]
    if names:
        text = files[0].read_text("utf-8")
        assert all(re.search(rf"(def|class) {part}\b", text) for part in names[0].split(".")), told
    for name in re.findall(r"`(\w+\.py)`", told):
        assert (files[0].parent / name).is_file()


@pytest.mark.parametrize(
    "room", sorted((TOP / "meta_trainer").glob("*/__init__.py")), ids=lambda path: path.parent.name
)
def test_every_room_has_its_row(room: Path) -> None:
    assert f"`{room.parent.name}`" in PAGE
