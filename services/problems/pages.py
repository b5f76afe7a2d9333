"""A problem as a page, for routes that people come to by a link: there a JSON document would be the
end of the way. Who does not ask for HTML gets the document as everywhere.

The page has no script, and every text in it is escaped: some of it comes from elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Final

from fastapi import Request
from starlette.responses import Response
from starlette.types import Scope

from services.page_headers import HEADERS
from services.problems.kinds import Problem
from services.proxies.layers import find_own_path

MEDIA_TYPE: Final = "text/html"
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STATE: Final = "problem_page"
_PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>$heading · HyperAdam</title>
  <link rel="icon" href="${root}dashboard/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="${root}dashboard/style.css">
</head>
<body>
  <header class="top">
    <a class="brand" href="$root"
      ><img src="${root}dashboard/icon.svg" alt="" width="24" height="24">HyperAdam</a>
  </header>
  <main>
    <section class="card sign-in">
      <h1>$heading</h1>
      <p class="bad">$reason</p>
      <p>$advice</p>
      <p><a class="button main" href="$root">$way_on</a></p>
      <p class="help">Status $status, request <span class="mono">$request_id</span></p>
    </section>
  </main>
</body>
</html>
""")


@dataclass(frozen=True, kw_only=True)
class PagePlan:
    """What the page of a route says around the problem's own words."""

    heading: str
    advice: str
    """What whoever reads it can do."""
    way_on: str
    """Reads the link to the dashboard."""


def answer_people(plan: PagePlan) -> Callable[[Request], Awaitable[None]]:
    """A dependency of routes whose problems are pages for browsers."""

    async def note_plan(request: Request) -> None:
        if MEDIA_TYPE in request.headers.get("accept", ""):
            request.scope.setdefault("state", {})[_STATE] = plan

    return note_plan


def find_plan(scope: Scope) -> PagePlan | None:
    """None: the problem is a document."""
    plan = scope.get("state", {}).get(_STATE)
    return plan if isinstance(plan, PagePlan) else None


def make_page(problem: Problem, plan: PagePlan, request_id: str | None, scope: Scope) -> Response:
    """The page, with the problem's status and headers."""
    texts = {
        "root": "../" * (find_own_path(scope).count("/") - 1) or "./",
        "heading": plan.heading,
        "reason": problem.detail[:1].upper() + problem.detail[1:],
        "advice": plan.advice,
        "way_on": plan.way_on,
        "status": str(problem.status),
        "request_id": request_id or "–",
    }
    page = _PAGE.substitute({name: escape(text) for name, text in texts.items()})
    headers = {
        **HEADERS,
        **problem.headers,
        "Cache-Control": "no-store",
        "Content-Security-Policy": POLICY,
    }
    content = page.encode("utf-8", "replace")  # a lone surrogate has no UTF-8 form
    return Response(content, problem.status, headers, f"{MEDIA_TYPE}; charset=utf-8")
