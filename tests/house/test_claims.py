"""Figures of README, model card and reports: made of the `results.json` files beside the reports,
and of nothing else. `make claims` shows what differs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hyperadam.shipped import DEFAULT

from meta_trainer.evaluation.reporting.rebuild import find_differences
from meta_trainer.evaluation.reporting.regions import is_page_filled
from tests.house.project import TOP, read_text

REPRODUCTION = TOP / "docs/reproduction"
PAGES = [TOP / "README.md", TOP / "docs/model-card.md", REPRODUCTION / "README.md"]
REPORTS = sorted(path.parent for path in REPRODUCTION.glob("*/results.json"))
OLD_REPORTS = sorted(
    path for path in REPRODUCTION.glob("*/README.md") if not (path.parent / "results.json").exists()
)
LARGEST_RESULTS_BYTES = 100_000
NOTICE = "> Made before protocol 2; no data kept; quoted in neither README nor model card."
SECTIONS_OF_RESULTS = {
    "README.md": ["What it reaches"],
    "docs/model-card.md": ["What was learned", "Where it wins", "Where it does not"],
}


def name_page(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_quoted_figures_are_what_the_data_says(page: Path) -> None:
    assert is_page_filled(page, REPRODUCTION)


@pytest.mark.parametrize("folder", REPORTS, ids=name_page)
def test_a_report_is_what_its_data_says(folder: Path) -> None:
    assert find_differences(folder, "README.md") == []
    assert (folder / "results.json").stat().st_size < LARGEST_RESULTS_BYTES


@pytest.mark.parametrize("page", OLD_REPORTS, ids=name_page)
def test_a_report_without_data_says_so_first(page: Path) -> None:
    assert read_text(page).splitlines()[2] == NOTICE


@pytest.mark.parametrize("page", PAGES[:2], ids=name_page)
def test_no_report_without_data_is_quoted(page: Path) -> None:
    quoted = set(re.findall(r"reproduction/([\w-]+)/README\.md", read_text(page)))
    assert quoted <= {folder.name for folder in REPORTS}


def test_the_first_page_is_about_the_default() -> None:
    """So are the card's title and the first table in it, the picture, and a sample of the runs."""

    def name_subject(folder: str) -> str:
        results = json.loads(read_text(REPRODUCTION / folder / "results.json"))
        reference: str = results["spec"]["optimizers"][0]
        return reference.partition("@")[0]

    def list_quoted(page: Path) -> list[set[str]]:
        regions = re.findall(r"<!-- results: \w+ (.+?) -->", read_text(page))
        return [{name_subject(name.split("+")[0]) for name in each.split()} for each in regions]

    readme, card, _ = PAGES
    assert list_quoted(readme) == [{DEFAULT}]
    assert list_quoted(card)[0] == {DEFAULT}
    assert read_text(card).startswith(f"# Model card: `{DEFAULT}`\n")
    assert f"![Loss curves of a small network on MNIST: {DEFAULT} " in read_text(readme)
    assert f">{DEFAULT}</text>" in read_text(TOP / "docs/race.svg")
    sample = json.loads(read_text(REPRODUCTION / "sample.json"))
    assert DEFAULT in {name_subject(folder) for folder in sample}


@pytest.mark.parametrize(
    ("page", "section"),
    [(page, section) for page, sections in SECTIONS_OF_RESULTS.items() for section in sections],
)
def test_no_result_is_written_by_hand(page: str, section: str) -> None:
    """Losses and shares stand in regions alone."""
    text = read_text(TOP / page).partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    assert text
    by_hand = re.sub(r"<!-- results:.*?<!-- end -->", "", text, flags=re.DOTALL)
    assert re.findall(r"(?<![\w.])\d*\.\d{2,}|\d ?%", by_hand) == []
