"""The threat model names the tests that show what it says; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs/threat-model.md").read_text("utf-8")


def test_every_defence_is_shown_by_a_test_that_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert [
        (file, name)
        for file, name in named
        if f"def {name}(" not in (TOP / file).read_text("utf-8")
    ] == []
    table = PAGE.partition("## What stops what")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= 10
    assert [row for row in rows if "::test_" not in row] == []


def test_it_is_one_page() -> None:
    assert len(PAGE.split()) <= 800
