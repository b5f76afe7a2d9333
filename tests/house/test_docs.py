"""The documentation's sources: lines that an editor shows whole, and every page in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hyperadam
import pytest
import yaml

from guide.generated.metrics import read_metrics
from guide.outward_links import PROJECT_PAGES
from guide.race import draw_race
from meta_trainer.evaluation.reporting.joining import ReportName, read_named
from tests.house.project import TOP, list_sources, read_text

DOCS = TOP / "docs"
MAX_LINE_CHARS = 160
MAX_CELL_CHARS = 200
MAX_PICTURE_BYTES = 150_000


def is_written_by_people(path: Path) -> bool:
    """Reports below `reproduction` are made of their data, or older than this rule."""
    below = path.relative_to(DOCS).parts
    return below[0] != "reproduction" or len(below) == 2


PAGES = sorted(path for path in DOCS.rglob("*.md") if is_written_by_people(path))
TEXTS = [*PAGES, TOP / "README.md", TOP / "CONTRIBUTING.md", TOP / "client/README.md"]


def list_prose(text: str) -> Iterator[str]:
    """Lines outside of code blocks and of regions that are made of data."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!-- results:.*?<!-- end -->", "", text, flags=re.DOTALL)
    yield from text.splitlines()


def find_nav_pages(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, list):
            yield from find_nav_pages(entry)
        else:
            yield from find_nav_pages(list(entry.values()))


def read_nav() -> set[str]:
    lines = read_text(TOP / "mkdocs.yml").splitlines()
    nav = "\n".join(lines[lines.index("nav:") :])
    return set(find_nav_pages(yaml.safe_load(nav)["nav"]))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(TOP).as_posix())
def test_lines_and_cells_are_short(path: Path) -> None:
    lines = list(list_prose(read_text(path)))
    prose = [line for line in lines if not line.startswith("|")]
    assert [line for line in prose if len(line) > MAX_LINE_CHARS and not is_command(line)] == []
    cells = [cell.strip() for line in lines if line.startswith("|") for cell in line.split("|")]
    assert [cell for cell in cells if len(cell) > MAX_CELL_CHARS] == []


def is_command(line: str) -> bool:
    """In a block of code that is indented."""
    return line.startswith("    ")


def test_every_page_is_in_the_tree() -> None:
    """Whoever adds a page says where it belongs: `nav` in mkdocs.yml."""
    listed_by_page = re.compile(r"decisions/\d{4}-|lab/\d{4}-|reproduction/[^/]+/")
    pages = {path.relative_to(DOCS).as_posix() for path in PAGES}
    nav = read_nav()
    assert {page for page in pages if not listed_by_page.match(page)} - nav == set()
    assert nav - pages - set(PROJECT_PAGES.values()) == set()


@pytest.mark.parametrize("folder", ["lab"])
def test_every_note_is_in_its_index(folder: str) -> None:
    index = read_text(DOCS / folder / "index.md")
    names = [path.name for path in (DOCS / folder).glob("2*.md")]
    assert names
    assert [name for name in names if f"]({name})" not in index] == []


def test_every_public_name_has_its_reference() -> None:
    page = read_text(DOCS / "reference/python.md")
    listed = set(re.findall(r"^::: hyperadam\.(\w+)$", page, re.MULTILINE))
    assert listed == set(hyperadam.__all__) - {"__version__"}


def test_every_event_is_listed() -> None:
    """Types are words in single calls of the recorder and of the job store."""
    page = read_text(DOCS / "reference/events.md") + read_text(DOCS / "runs.md")
    pattern = re.compile(r"(?:\.event\(|add_event\(|type=)\s*\"([a-z_.\-]+)\"")
    sources = [*list_sources("services"), *list_sources("meta_trainer")]
    told = {name for path in sources for name in pattern.findall(read_text(path))}
    assert len(told) >= 5
    assert {name for name in told if f"`{name}`" not in page} == set()


def test_the_picture_of_the_race_is_what_the_data_says() -> None:
    """`make pages` draws it."""
    [arguments] = re.findall(r"^RACE := (.+)$", read_text(TOP / "Makefile"), re.MULTILINE)
    name, task = arguments.split()
    report = read_named(ReportName.parse(name), DOCS / "reproduction").report
    assert draw_race(report, task) == read_text(DOCS / "race.svg")


def test_pictures_are_small() -> None:
    """But for those of reports, which have every start."""
    pictures = [path for path in DOCS.rglob("*.*") if path.suffix in (".svg", ".png", ".webp")]
    ours = [path for path in pictures if "reproduction" not in path.parts]
    assert ours
    assert [path.name for path in ours if path.stat().st_size > MAX_PICTURE_BYTES] == []


def test_metrics_are_found() -> None:
    metrics = read_metrics()
    assert {"hyperadam_jobs", "hyperadam_http_requests_total"} <= set(metrics)
    assert all(metrics.values())
