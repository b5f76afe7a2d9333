"""Looks at a built site: `python -m guide.check SITE`.

Every link leads to a file of the site and to an anchor in it, and no page loads anything from
elsewhere. Links that people may follow to other places are not followed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Element → the attribute whose address a browser fetches by itself."""


@dataclass
class Page(HTMLParser):
    """What a page has and wants."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADING and LOADING[tag] in values and values.get("rel") != "canonical":
            self.loads.append(values[LOADING[tag]])


def find_problems(site: Path) -> list[str]:
    """A line for each address that leads nowhere or elsewhere."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    return [problem for path in pages for problem in _check(path, pages, site)]


def _read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text("utf-8"))
    return page


def _check(path: Path, pages: dict[Path, Page], site: Path) -> Iterator[str]:
    name = path.relative_to(site)
    page = pages[path]
    for address in page.loads:
        if urlsplit(address).netloc:
            yield f"{name}: loads {address} from elsewhere"
    for address in [*page.links, *page.loads]:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = _find_target(path, unquote(parts.path), site)
        if not target.is_file():
            yield f"{name}: {address} leads nowhere"
        elif target in pages and not _has_anchor(pages[target], unquote(parts.fragment)):
            yield f"{name}: {address} has no such anchor"


def _has_anchor(page: Page, anchor: str) -> bool:
    return not anchor or anchor in page.anchors


def _find_target(path: Path, address: str, site: Path) -> Path:
    if not address:
        return path
    target = site / address[1:] if address.startswith("/") else path.parent / address
    target = target.resolve()
    return target / "index.html" if target.is_dir() else target


if __name__ == "__main__":
    problems = find_problems(Path(sys.argv[1]).resolve())
    sys.stdout.write("".join(f"{line}\n" for line in problems))
    sys.exit(bool(problems))
