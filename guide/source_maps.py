"""Source maps of the theme: more bytes than its scripts have, and no reader loads them."""

from __future__ import annotations

import re
from pathlib import Path

_POINTER = re.compile(r"\n?(//|/\*)# sourceMappingURL=\S+( \*/)?\n?")


def drop_source_maps(site: Path) -> None:
    """Take them away, and what points to them."""
    for path in site.rglob("*.map"):
        path.unlink()
    for path in [*site.rglob("*.js"), *site.rglob("*.css")]:
        text = path.read_text("utf-8")
        shorter = _POINTER.sub("\n", text)
        if shorter != text:
            path.write_text(shorter, "utf-8")
