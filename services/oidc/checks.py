"""What the settings about the issuer may say; each gives the value as it is used."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

ASYMMETRIC: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""Algorithms whose keys can be published. Of the others, the public key would be the secret."""
MAX_ISSUER_CHARS: Final = 120
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def check_issuer(value: str) -> str:
    """The issuer's URL, to the letter as its tokens have it.

    Raises:
        ValueError: it is none.
    """
    if len(value) > MAX_ISSUER_CHARS:
        raise ValueError(f"must have at most {MAX_ISSUER_CHARS} characters")
    return check_url(value)


def check_url(value: str) -> str:
    """An https URL without query; http on this machine alone.

    Raises:
        ValueError: it is none.
    """
    if any(not "!" <= character <= "~" for character in value):
        raise ValueError("must be a URL of ASCII characters, without white space")
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from error
    is_near = parts.scheme == "http" and host in _LOOPBACK
    if not host or not (parts.scheme == "https" or is_near):
        raise ValueError("must be an https URL (http on this machine alone)")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be a URL without user, query and fragment")
    return value


def check_algorithms(value: str) -> str:
    """Names of algorithms, with commas.

    Raises:
        ValueError: one of them is unknown, or has no public key.
    """
    names = split(value)
    unknown = [name for name in names if name not in ASYMMETRIC]
    if unknown or not names:
        got = ", ".join(unknown) or "none"
        raise ValueError(f"must be of {', '.join(ASYMMETRIC)}, got {got}")
    return ",".join(names)


def check_scope(value: str) -> str:
    """What is asked for at a sign-in, with spaces; without `openid` it would be none.

    Raises:
        ValueError: that is missing.
    """
    words = value.split()
    if "openid" not in words:
        raise ValueError("must have the word openid")
    return " ".join(words)


def split(value: str) -> list[str]:
    """The entries between commas."""
    return [entry.strip() for entry in value.split(",") if entry.strip()]
