"""The threat model, and the page of what was tried, name the tests that show what they say; each of
them exists."""

from __future__ import annotations

import re

import pytest

from tests.house.project import TOP, read_text

MODEL = read_text(TOP / "docs/threat-model.md")
TRIED = read_text(TOP / "docs/tried.md")
TEST = re.compile(r"`((?:client/)?tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("page", [MODEL, TRIED], ids=["threat model", "tried"])
def test_what_is_said_is_shown_by_a_test_that_exists(page: str) -> None:
    tests = TEST.findall(page)
    assert len(tests) == page.count(".py::")
    missing = [test for test in tests if f"def {test[1]}(" not in read_text(TOP / test[0])]
    assert missing == []


def test_no_defence_stands_there_without_a_test() -> None:
    table = MODEL.partition("## What stops what")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= 10
    assert [row for row in rows if "::test_" not in row] == []


def test_nothing_was_tried_without_a_test() -> None:
    entries = re.split(r"^(?:- |## )", TRIED.partition("\n## ")[2], flags=re.MULTILINE)
    told = [entry for entry in entries if entry.startswith("**")]
    assert len(told) >= 60
    assert [entry for entry in told if not TEST.search(entry)] == []


def test_it_is_one_page() -> None:
    assert len(MODEL.split()) <= 800
