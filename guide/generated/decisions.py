"""A row for each decision, from its page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs/decisions"


def render_decisions() -> str:
    rows = ["| | decision |", "|---|---|"]
    for path in sorted(FOLDER.glob("0*.md")):
        [title, *_] = path.read_text("utf-8").splitlines()
        number, _, name = title.removeprefix("# ").partition(". ")
        rows.append(f"| {number} | [{name}]({path.name}) |")
    return "\n".join(rows)
