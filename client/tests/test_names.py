"""Strict names."""

from __future__ import annotations

import re

import pytest
from hyperadam.names import NAME_PATTERN, InvalidName, check_alias, check_name, split_ref

GOOD = ["a", "7", "hyperadam", "hyperadam-v1", "a.b_c-d", "0" * 64, "1.0"]
BAD = [
    "",
    "A",
    "-a",
    "a-",
    ".a",
    "a.",
    "a..b",
    "a b",
    "a/b",
    "a\n",
    "é",
    "a@b",
    "x" * 65,
    "../etc",
    "a%2f",
    "\u0661",
]


@pytest.mark.parametrize("name", GOOD)
def test_good_names(name: str) -> None:
    assert check_name(name) == name
    assert re.search(NAME_PATTERN, name)


@pytest.mark.parametrize("name", BAD)
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidName, match="optimizer must be 1–64 of"):
        check_name(name, "optimizer")


@pytest.mark.parametrize("alias", ["champion", "v1", "1.0"])
def test_good_aliases(alias: str) -> None:
    assert check_alias(alias) == alias


@pytest.mark.parametrize("alias", ["1", "007", "latest", "", "Champion"])
def test_bad_aliases(alias: str) -> None:
    with pytest.raises(InvalidName, match="alias must"):
        check_alias(alias)


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("a", ("a", "latest")),
        ("a@3", ("a", "3")),
        ("a@champion", ("a", "champion")),
        ("a@", ("a", "latest")),
    ],
)
def test_references(reference: str, parts: tuple[str, str]) -> None:
    assert split_ref(reference) == parts


@pytest.mark.parametrize("reference", ["", "@3", "a@b@c", "A@3", "a@B", "a@../x"])
def test_bad_references(reference: str) -> None:
    with pytest.raises(InvalidName):
        split_ref(reference)
