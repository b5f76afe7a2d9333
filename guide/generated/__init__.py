"""Parts of pages that are made of the code: `<!-- generated: NAME -->` stands where one goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from guide.generated.commands import render_commands
from guide.generated.decisions import render_decisions
from guide.generated.metrics import render_metrics
from guide.generated.routes import render_routes
from guide.generated.settings import render_settings

PARTS: Final[dict[str, Callable[[], str]]] = {
    "commands": render_commands,
    "decisions": render_decisions,
    "metrics": render_metrics,
    "routes": render_routes,
    "settings": render_settings,
}
_MARK: Final = re.compile(r"^<!-- generated: (\S+) -->$", re.MULTILINE)


def fill_generated(markdown: str) -> str:
    """The text of a page with all its parts.

    Raises:
        KeyError: there is no such part.
    """
    return _MARK.sub(lambda mark: PARTS[mark[1]](), markdown)
