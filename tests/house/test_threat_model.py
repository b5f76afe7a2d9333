"""The threat model names the tests that show what it says; each of them exists."""

from __future__ import annotations

import re

from tests.house.project import TOP, read_text

PAGE = read_text(TOP / "docs/threat-model.md")


def test_every_defence_is_shown_by_a_test_that_exists() -> None:
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    missing = [test for test in tests if f"def {test[1]}(" not in read_text(TOP / test[0])]
    assert missing == []


def test_no_defence_stands_there_without_a_test() -> None:
    table = PAGE.partition("## What stops what")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= 10
    assert [row for row in rows if "::test_" not in row] == []


def test_it_is_one_page() -> None:
    assert len(PAGE.split()) <= 800
