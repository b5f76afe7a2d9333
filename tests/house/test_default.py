"""The default Θ where people read its name: one constant decides, and pages say the same.

That the figures of README and model card are the default's, `test_claims` says.
"""

from __future__ import annotations

import re
from pathlib import Path

import hyperadam
from hyperadam.shipped import DEFAULT

from tests.house.project import TOP, read_text
from tests.house.test_docs import TEXTS, list_prose

NUMBERS = ("six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen")
N_SHIPPED = NUMBERS[len(hyperadam.pretrained_names()) - 6]
RECORDS = ("decisions", "lab")
"""Folders of what was true when it was written."""
GUIDES = [path for path in TEXTS if not set(RECORDS) & set(path.parts)]
COMMAND = re.compile(r"hyperadam (?:push|evaluate|inspect|pull) (hyperadam-v\d+)")


def find_commands(path: Path) -> set[str]:
    """Those that its commands are about, but for regions that are made of data."""
    text = re.sub(r"<!-- results:.*?<!-- end -->", "", read_text(path), flags=re.DOTALL)
    return set(COMMAND.findall(text))


def test_commands_of_pages_are_about_the_default() -> None:
    found = {path.relative_to(TOP).as_posix(): find_commands(path) for path in GUIDES}
    named = {page: names for page, names in found.items() if names}
    assert named
    assert {page: names for page, names in named.items() if names != {DEFAULT}} == {}


def test_the_table_of_those_to_take_begins_with_the_default() -> None:
    rows = [
        line for line in list_prose(read_text(TOP / "docs/start/train.md")) if line[:3] == "| `"
    ]
    marked = [row for row in rows if "(default)" in row]
    assert marked == rows[:1]
    assert rows[0].startswith(f"| `{DEFAULT}` (default) |")


def test_pages_say_how_many_come_with_the_package() -> None:
    readme = " ".join(read_text(TOP / "README.md").split())
    assert f" with {N_SHIPPED} pretrained Θ inside" in readme
    train = read_text(TOP / "docs/start/train.md")
    assert f" {N_SHIPPED.capitalize()} come with the package." in train


def test_every_one_that_comes_with_the_package_is_in_the_table_and_the_model_card() -> None:
    card = read_text(TOP / "docs/model-card.md")
    table = read_text(TOP / "docs/start/train.md")
    own = [name for name in hyperadam.pretrained_names() if name.startswith("hyperadam-v")]
    assert [name for name in own if f"`{name}`" not in card] == []
    assert [name for name in own if f"`{name}`" not in table] == []
