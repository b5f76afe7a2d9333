"""What the settings about proxies may say; each gives the value as the layers take it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

OWN_FOLDERS: Final = frozenset({"v1", "docs", "dashboard", "guide"})
"""First segments of the service's own paths: below such a path nothing could be told apart."""

_ROOT_PATH: Final = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._~-]*)+")


def check_root_path(value: str) -> str:
    """The path of the service at its proxy, without a slash at its end.

    Raises:
        ValueError: it is no such path.
    """
    path = value.rstrip("/")
    if not path:
        return ""
    if not _ROOT_PATH.fullmatch(path):
        raise ValueError(f"must be a path such as /hyperadam, got {value!r}")
    first = path.split("/")[1]
    if first in OWN_FOLDERS:
        raise ValueError(f"must not begin with /{first}, which is a path of the service itself")
    return path


def check_proxies(value: str) -> str:
    """Addresses and networks, with commas; `*` is every address.

    Raises:
        ValueError: one of them is neither.
    """
    return _check_entries(value, _check_network)


def check_origins(value: str) -> str:
    """Origins of pages, with commas; `*` is every origin.

    Raises:
        ValueError: one of them is none.
    """
    return _check_entries(value, _check_origin)


def _check_entries(value: str, check: Callable[[str], None]) -> str:
    """The entries between commas, each of which passes, or `*` alone."""
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    if entries != ["*"]:
        for entry in entries:
            check(entry)
    return ",".join(entries)


def _check_network(entry: str) -> None:
    try:
        ipaddress.ip_network(entry)
    except ValueError as error:
        raise ValueError(
            f"must be addresses or networks, such as 10.0.0.7 or 10.0.0.0/8, got {entry!r}"
        ) from error


def _check_origin(entry: str) -> None:
    parts = urlsplit(entry)
    is_origin = parts.scheme in ("http", "https") and bool(parts.hostname)
    if not is_origin or entry != f"{parts.scheme}://{parts.netloc}" or "@" in entry:
        raise ValueError(f"must be origins such as https://lab.example.com, got {entry!r}")
