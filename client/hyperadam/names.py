"""Strict names: what may be called what, in specs, in the registry and in URLs; one place, so that
no rooms differ."""

from __future__ import annotations

import re
from typing import Final

NAME_PATTERN: Final = r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$"
"""Optimizers and aliases: 1–64 of a–z, 0–9, '.', '_', '-', beginning and ending with a letter or
digit."""

RESERVED_REFS: Final = frozenset({"latest"})

_NAME: Final = re.compile(NAME_PATTERN)


_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class InvalidName(ValueError):
    """A name is not of the form that is accepted."""


def check_name(value: str, what: str = "name") -> str:
    """The value, if it is a strict name.

    Raises:
        InvalidName: with `what` in the message.
    """
    if not _NAME.fullmatch(value) or ".." in value:
        rule = "1–64 of a–z, 0–9, '.', '_', '-', with a letter or digit at both ends and no '..'"
        raise InvalidName(f"{what} must be {rule}, got {value!r}")
    return value


def check_alias(value: str) -> str:
    """The value, if it may name an alias: a strict name that is neither a version number nor
    reserved."""
    check_name(value, "alias")
    if value.isdigit() or value in RESERVED_REFS:
        reserved = ", ".join(sorted(RESERVED_REFS))
        raise InvalidName(f"alias must not be a number or {reserved}, got {value!r}")
    return value


def check_digest(value: str) -> str:
    """The value, if it is a sha256 in 64 small hexadecimal digits: what may name a file."""
    if not _DIGEST.fullmatch(value):
        raise InvalidName(f"a sha256 must be 64 digits of 0–9 and a–f, got {value!r:.80}")
    return value


def split_ref(reference: str) -> tuple[str, str]:
    """`name@ref` → (name, ref); a bare `name` means `name@latest`."""
    name, _, ref = reference.partition("@")
    check_name(name)
    if not ref:
        return name, "latest"
    return name, check_name(ref, "reference")
