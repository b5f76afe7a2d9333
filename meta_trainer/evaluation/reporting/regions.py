"""Regions of Markdown pages that are made of `results.json` files.

A region is what stands between two comments, of which the first says what belongs there: a view of
`overviews.VIEWS`, and the names of the reports that it is of.

    <!-- results: tasks table1 -->
    | task | … |
    <!-- end -->

A name is a folder's, or `field-v4+field`: the report in `field-v4` with the baselines of `field`,
which ran on the same starts (`joining`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from meta_trainer.evaluation.reporting.joining import ReportName, read_named
from meta_trainer.evaluation.reporting.overviews import VIEWS, Quoted

_OPENING: Final = "<!-- results: "
_CLOSING: Final = "<!-- end -->"
_REGION: Final = re.compile(
    rf"^{_OPENING}(?P<request>[^\n]*?) -->\n(?P<content>.*?)^{_CLOSING}$", re.DOTALL | re.MULTILINE
)


def fill_page(page: Path, results: Path) -> bool:
    """Write the page's regions anew.

    Args:
        results: the folder in which those of the reports lie.

    Returns:
        Whether anything changed.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: a region asks for what is not there, or does not end; the message says which.
    """
    text = page.read_text("utf-8")
    filled = fill_regions(text, page, results)
    if filled == text:
        return False
    page.write_text(filled, "utf-8")
    return True


def is_page_filled(page: Path, results: Path) -> bool:
    """Whether every region of the page is what the reports say.

    Raises:
        OSError, ValueError: as `fill_page`.
    """
    text = page.read_text("utf-8")
    return fill_regions(text, page, results) == text


def fill_regions(text: str, page: Path, results: Path) -> str:
    """The page's text with its regions made anew.

    Args:
        page: where the text stands, for links.

    Raises:
        OSError, ValueError: as `fill_page`.
    """
    filled = _REGION.sub(lambda region: _fill(region, page, results), text)
    n_regions = len(_REGION.findall(text))
    n_opened = text.count(_OPENING)
    if n_opened != n_regions:
        raise ValueError(
            f"{n_opened} regions are opened by “{_OPENING}… -->” on a line of their own, "
            f"{n_regions} are closed by “{_CLOSING}”"
        )
    return filled


def _fill(region: re.Match[str], page: Path, results: Path) -> str:
    request = region["request"]
    view, *names = request.split()
    if view not in VIEWS:
        raise ValueError(f"region “{request}”: the view must be one of {', '.join(VIEWS)}")
    if not names:
        raise ValueError(f"region “{request}” must name the folder of a report")

    reports = [_quote(ReportName.parse(name), page, results) for name in names]
    return f"{_OPENING}{request} -->\n{VIEWS[view](reports)}\n{_CLOSING}"


def _quote(name: ReportName, page: Path, results: Path) -> Quoted:
    found = read_named(name, results)
    link = _link(results / name.own, page)
    if not name.baselines:
        return Quoted(name.own, link, found)
    of_others = f"[{name.baselines}]({_link(results / name.baselines, page)})"
    return Quoted(name.own, link, found, of_others)


def _link(folder: Path, page: Path) -> str:
    return Path(os.path.relpath(folder / "README.md", page.parent)).as_posix()
