"""A console that shows text of others plainly: its styles are its own, never theirs."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from hyperadam.plain_text import make_plain


class PlainConsole(Console):
    """Rich's, whose segments of text hold no control characters."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(make_plain(segment.text), segment.style)
