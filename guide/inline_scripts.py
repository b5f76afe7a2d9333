"""Scripts that stand in pages become files: `script-src 'self'` admits them, and nothing else."""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path
from typing import Final

FOLDER: Final = "assets/inline"
_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def move_scripts(html: str, page_url: str, site: Path) -> str:
    """The page with a file in place of each script, which is written.

    Args:
        page_url: the page's address below the site's.
        site: the folder of the site.
    """

    def move(script: re.Match[str]) -> str:
        name = f"{hashlib.sha256(script[1].encode()).hexdigest()[:16]}.js"
        path = site / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script[1], "utf-8")
        folder = page_url if page_url.endswith("/") else posixpath.dirname(page_url)
        return f'<script src="{posixpath.relpath(f"{FOLDER}/{name}", folder or ".")}"></script>'

    return _SCRIPT.sub(move, html)
