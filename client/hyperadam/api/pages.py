"""An answer with one long list, fetched page by page and put together."""

from __future__ import annotations

from typing import Any, Final

from hyperadam.api.errors import BadAnswer
from hyperadam.api.session import Session

MAX_PAGES: Final = 1000


async def fetch_whole(session: Session, path: str, member: str) -> dict[str, Any]:
    """The answer as if its list, `member`, had come in one page.

    Raises:
        BadAnswer: a page is no such answer, or there is no end of them.
    """
    whole: dict[str, Any] = {}
    query: dict[str, str] = {}
    for _ in range(MAX_PAGES):
        page = session.read_json(await session.request("GET", path, params=query))
        items = page.get(member) if isinstance(page, dict) else None
        if not isinstance(items, list):
            raise BadAnswer(f"GET {path} should answer with a list of {member}")
        earlier = whole.get(member, [])
        whole = {**page, member: [*earlier, *items]}
        cursor = page.get("next_cursor")
        if not cursor:
            return whole
        query = {"cursor": str(cursor)}
    raise BadAnswer(f"GET {path} has more than {MAX_PAGES} pages")
