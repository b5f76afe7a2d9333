"""What a key may do. Scopes are ordered: `admin` implies `submit`, which implies `read`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

Scope = Literal["read", "submit", "admin"]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
"""Each one implies those before it."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks: the holder of a key."""

    key_id: str
    name: str
    scopes: frozenset[Scope]
    """With everything that the key's scopes imply."""


def add_implied(scopes: Iterable[str]) -> frozenset[Scope]:
    """The scopes and all that they imply.

    Raises:
        ValueError: an unknown scope.
    """
    scopes = set(scopes)
    unknown = sorted(scopes - set(SCOPES))
    if unknown:
        raise ValueError(f"scopes must be of {', '.join(SCOPES)}, got {', '.join(unknown)}")

    ranks = [rank for rank, scope in enumerate(SCOPES) if scope in scopes]
    if not ranks:
        return frozenset()
    return frozenset(SCOPES[: max(ranks) + 1])
