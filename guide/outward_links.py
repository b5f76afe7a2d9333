"""Links of pages that lead out of `docs/`.

In a checkout they lead to files. In the site, some of these files are pages, too; the others have
no address there, and their links become plain text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container
from pathlib import Path
from typing import Final

PROJECT_PAGES: Final = {
    "CHANGELOG.md": "project/changelog.md",
    "CODE_OF_CONDUCT.md": "project/code-of-conduct.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "ROADMAP.md": "project/roadmap.md",
    "SECURITY.md": "project/security.md",
    "deploy/README.md": "operate/deploy.md",
}
"""File of the project → its page in the site."""
_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


class LinkRewriter:
    """Makes links of one page right for the site.

    Args:
        top: folder of the project.
        pages: what the site has, by its path below `docs/`.
    """

    def __init__(self, top: Path, pages: Container[str]) -> None:
        self._top = top
        self._pages = pages

    def rewrite(self, markdown: str, page: str) -> str:
        """The text of a page with its links.

        Args:
            page: its path in the site.
        """
        parts = []
        end = 0
        for fence in _FENCE.finditer(markdown):
            parts.append(self._rewrite_prose(markdown[end : fence.start()], page))
            parts.append(fence[0])
            end = fence.end()
        parts.append(self._rewrite_prose(markdown[end:], page))
        return "".join(parts)

    def _rewrite_prose(self, prose: str, page: str) -> str:
        return _LINK.sub(lambda link: self._rewrite_link(link[0], link[1], link[2], page), prose)

    def _rewrite_link(self, link: str, text: str, target: str, page: str) -> str:
        if re.match(r"[a-z]+:|#", target):
            return link
        path, _, anchor = target.partition("#")
        file = posixpath.normpath(posixpath.join(posixpath.dirname(_find_source(page)), path))
        place = self._find_place(file)
        if place is None:
            return text if (self._top / file).exists() else link
        relative = posixpath.relpath(place, posixpath.dirname(page) or ".")
        return f"[{text}]({relative}{'#' + anchor if anchor else ''})"

    def _find_place(self, file: str) -> str | None:
        """Where the site has a file of the project."""
        if file in PROJECT_PAGES:
            return PROJECT_PAGES[file]
        if file == "README.md":
            return "index.md"
        below = posixpath.relpath(file, "docs")
        for place in (below, f"{below}/index.md", f"{below}/README.md"):
            if place in self._pages:
                return place
        return None


def _find_source(page: str) -> str:
    """The file of the project that a page is made of."""
    for file, place in PROJECT_PAGES.items():
        if place == page:
            return file
    return f"docs/{page}"
