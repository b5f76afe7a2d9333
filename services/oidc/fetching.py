"""One bounded request to the issuer: https (http on this machine alone), no redirect, limited time
and size, and a JSON object as the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from hyperadam import strict_json

from services.oidc.checks import check_url

SILENCE_SECONDS: Final = 5.0
"""The issuer may be silent for so long."""
WHOLE_SECONDS: Final = 10.0
"""From the first byte of an answer's content to its last."""
MAX_BYTES: Final = 1 << 18
_CHUNK_BYTES: Final = 1 << 14
_MAX_WORD_CHARS: Final = 60


class IssuerUnavailable(Exception):
    """The issuer does not answer, or not in a way that can be used."""


class IssuerRefused(Exception):
    """The issuer answered that it does not do this; the message is its word for why."""


class _NoRedirects(HTTPRedirectHandler):
    """An address that was not configured is not asked."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER: Final = build_opener(_NoRedirects)


def fetch_json(
    url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The object that a URL answers with: to a GET, or to a POST of a form. Blocks.

    Raises:
        IssuerUnavailable: there was none in time.
        IssuerRefused: the form was refused (400 or 401).
    """
    try:
        check_url(url.partition("?")[0])
    except ValueError as error:
        raise IssuerUnavailable(f"the issuer names {url[:200]!r}, which {error}") from error
    body = None if form is None else urlencode(form).encode("ascii")
    request = Request(url, body, {"Accept": "application/json", **(headers or {})})
    try:
        with _OPENER.open(request, timeout=SILENCE_SECONDS) as answer:
            return _read_object(url, answer)
    except HTTPError as error:
        with error:  # it holds the connection
            if form is not None and error.code in (400, 401):
                raise IssuerRefused(_read_reason(url, error)) from error
            raise IssuerUnavailable(f"{url} answered with status {error.code}") from error
    except (OSError, HTTPException) as error:
        raise IssuerUnavailable(f"{url} does not answer: {error}") from error


def _read_object(url: str, answer: IO[bytes]) -> dict[str, Any]:
    try:
        content = strict_json.loads(_read_bytes(url, answer), max_bytes=MAX_BYTES)
    except strict_json.StrictJSONError as error:
        raise IssuerUnavailable(f"{url} did not answer with JSON: {error}") from error
    if not isinstance(content, dict):
        raise IssuerUnavailable(f"{url} did not answer with a JSON object")
    return content


def _read_bytes(url: str, answer: IO[bytes]) -> bytes:
    deadline = time.monotonic() + WHOLE_SECONDS
    content = bytearray()
    while chunk := _read_some(answer):
        content += chunk
        if len(content) > MAX_BYTES:
            raise IssuerUnavailable(f"{url} answered with more than {MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise IssuerUnavailable(f"{url} takes more than {WHOLE_SECONDS:g} s to answer")
    return bytes(content)


def _read_some(answer: Any) -> bytes:
    """What has come: `read` would wait until so much has."""
    return bytes(answer.read1(_CHUNK_BYTES))


def _read_reason(url: str, error: HTTPError) -> str:
    """The word that OAuth has for it, such as `invalid_grant`, if that is what the issuer says."""
    try:
        word = str(_read_object(url, error).get("error"))
    except IssuerUnavailable:
        return f"status {error.code}"
    is_plain = word.replace("_", "").isalnum() and word.isascii()
    return word if is_plain and len(word) <= _MAX_WORD_CHARS else f"status {error.code}"
