"""One bounded request to the issuer: https (http on this machine alone), no redirect, limited time
and size, and a JSON object as the answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx2
from hyperadam import strict_json

from services.oidc.checks import check_url

SILENCE_SECONDS: Final = 5.0
"""The issuer may be silent for so long."""
WHOLE_SECONDS: Final = 10.0
"""From the look for its address to the last byte of its answer, however slowly they come."""
MAX_BYTES: Final = 1 << 18
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
_MAX_WORD_CHARS: Final = 60


class IssuerUnavailable(Exception):
    """The issuer does not answer, or not in a way that can be used."""


class IssuerRefused(Exception):
    """The issuer answered that it does not do this; the message is its word for why."""


def fetch_json(
    url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The object that a URL answers with: to a GET, or to a POST of a form. Blocks; for a thread
    without an event loop.

    Raises:
        IssuerUnavailable: there was none in time.
        IssuerRefused: the form was refused (400 or 401).
    """
    try:
        check_url(url.partition("?")[0])
    except ValueError as error:
        raise IssuerUnavailable(f"the issuer names {url[:200]!r}, which {error}") from error
    status, content = asyncio.run(_fetch_in_time(url, form, {**_HEADERS, **(headers or {})}))
    if 200 <= status < 300:
        return _read_object(url, content)
    if form is not None and status in (400, 401):
        raise IssuerRefused(_read_reason(url, status, content))
    raise IssuerUnavailable(f"{url} answered with status {status}")


async def _fetch_in_time(
    url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            return await _fetch(url, form, headers)
    except TimeoutError as error:
        raise IssuerUnavailable(f"{url} takes more than {WHOLE_SECONDS:g} s to answer") from error
    except httpx2.TimeoutException as error:
        raise IssuerUnavailable(f"{url} is silent for {SILENCE_SECONDS:g} s") from error
    except (httpx2.TransportError, httpx2.InvalidURL) as error:
        why = str(error) or type(error).__name__
        raise IssuerUnavailable(f"{url} does not answer: {why}") from error


async def _fetch(
    url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    """Status and content."""
    context = ssl.create_default_context()  # an authority that the machine trusts is trusted here
    method = "GET" if form is None else "POST"
    content = bytearray()
    async with (
        httpx2.AsyncClient(verify=context, timeout=SILENCE_SECONDS, follow_redirects=False) as http,
        http.stream(method, url, data=form, headers=headers) as answer,
    ):
        async for chunk in answer.aiter_raw():
            content += chunk
            if len(content) > MAX_BYTES:
                raise IssuerUnavailable(f"{url} answered with more than {MAX_BYTES} bytes")
    return answer.status_code, bytes(content)


def _read_object(url: str, content: bytes) -> dict[str, Any]:
    try:
        read = strict_json.loads(content, max_bytes=MAX_BYTES)
    except strict_json.StrictJSONError as error:
        raise IssuerUnavailable(f"{url} did not answer with JSON: {error}") from error
    if not isinstance(read, dict):
        raise IssuerUnavailable(f"{url} did not answer with a JSON object")
    return read


def _read_reason(url: str, status: int, content: bytes) -> str:
    """The word that OAuth has for it, such as `invalid_grant`, if that is what the issuer says."""
    try:
        word = str(_read_object(url, content).get("error"))
    except IssuerUnavailable:
        return f"status {status}"
    is_plain = word.replace("_", "").isalnum() and word.isascii()
    return word if is_plain and len(word) <= _MAX_WORD_CHARS else f"status {status}"
