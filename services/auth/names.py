"""Whose name is whose: people of an issuer are called by its URL and their subject there, and no
API key may be called so.

Names of optimizers and datasets belong to a name, so nobody may take one that another has.
"""

from __future__ import annotations

import hashlib
from typing import Final

from registry.checks import MAX_ACTOR_CHARS, check_text

PERSON_ID_PREFIX: Final = "person_"
_ID_CHARS: Final = 32
_SCHEMES: Final = ("https://", "http://")


def make_person_name(issuer: str, subject: str) -> str:
    """Stable: an issuer never gives a subject to another person."""
    return f"{issuer} {subject}"


def make_person_id(name: str) -> str:
    """128 bits of a digest of the name; longer than the id of any key."""
    return PERSON_ID_PREFIX + hashlib.sha256(name.encode()).hexdigest()[:_ID_CHARS]


def may_be_person(name: str) -> bool:
    """Whether people are called like this, and keys are not."""
    return name.strip().lower().startswith(_SCHEMES)


def check_key_name(name: str) -> str:
    """
    Raises:
        ValueError: it is empty, long, has control characters, or could be a person's.
    """
    check_text(name, "name", max_chars=MAX_ACTOR_CHARS)
    if not name.strip():
        raise ValueError("name must not be empty")
    if may_be_person(name):
        raise ValueError("name must not begin as a URL: so do the names of an issuer's people")
    return name
