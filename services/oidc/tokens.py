"""Whether a token is the issuer's, for us, and valid now (RFC 7519, by PyJWT): signature,
algorithm, `iss`, `aud`, `exp`, `nbf`, `iat`. And what it says of a person.

Which algorithms count is the operator's word, never the token's: neither `none` nor a secret that
everybody can read can be among them (RFC 8725).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from registry.checks import MAX_ACTOR_CHARS
from services.auth.names import make_person_name
from services.oidc.checks import split
from services.oidc.issuer import PublicKey
from services.oidc.settings import OidcSettings

MAX_TOKEN_CHARS: Final = 16_384
_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_SUBJECT: Final = re.compile(r"[!-~]{1,255}")
_NEEDED: Final = ["iss", "sub", "exp", "iat"]
_MAX_NAME_CHARS: Final = 100


class BadToken(Exception):
    """The token is worth nothing here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a token says of its signature, before that is checked."""

    algorithm: str
    key_id: str | None


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What the issuer says of a person in a token that was checked."""

    issuer: str
    subject: str
    full_name: str
    groups: tuple[str, ...] | None
    """None: the token does not speak of groups."""
    issued_at: datetime
    expires_at: datetime
    every: Mapping[str, Any]
    """All that the token says."""

    @property
    def name(self) -> str:
        """By which the person stands in jobs, histories and the audit log."""
        return make_person_name(self.issuer, self.subject)


def looks_like_token(text: str) -> bool:
    """Whether it has the form of a signed token."""
    return _FORM.fullmatch(text) is not None


def read_header(token: str, settings: OidcSettings) -> Header:
    """
    Raises:
        BadToken: its algorithm is none of those that the operator accepts.
    """
    if len(token) > MAX_TOKEN_CHARS:
        raise BadToken(f"It has more than {MAX_TOKEN_CHARS} characters.")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise BadToken("Its header cannot be read.") from error
    algorithm = header.get("alg")
    if algorithm not in split(settings.oidc_algorithms):
        raise BadToken("It is signed by an algorithm that is not accepted here.")
    return Header(algorithm=algorithm, key_id=header.get("kid"))


def check_token(
    token: str, header: Header, key: PublicKey, audience: str, settings: OidcSettings
) -> Claims:
    """What the token says, if it is the issuer's, for this audience, and valid now.

    Raises:
        BadToken: it is not.
    """
    try:
        claims = jwt.decode(
            token,
            jwt.PyJWK(dict(key), header.algorithm),
            algorithms=[header.algorithm],
            audience=audience,
            issuer=settings.oidc_issuer,
            leeway=settings.oidc_leeway_seconds,
            options={"require": _NEEDED, "enforce_minimum_key_length": True},
        )
        return _read_claims(claims, settings)
    except jwt.ExpiredSignatureError as error:
        raise BadToken("It has expired.") from error
    except jwt.InvalidAudienceError as error:
        raise BadToken("It is for another audience.") from error
    except jwt.PyJWTError as error:
        raise BadToken(f"{error}.") from error
    except (OverflowError, TypeError, ValueError) as error:
        raise BadToken("One of its claims cannot be read.") from error


def _read_claims(claims: Mapping[str, Any], settings: OidcSettings) -> Claims:
    subject = claims["sub"]
    if not _SUBJECT.fullmatch(subject):
        raise BadToken("Its subject (sub) is no text of visible ASCII characters.")
    if len(make_person_name(settings.oidc_issuer, subject)) > MAX_ACTOR_CHARS:
        raise BadToken(f"Its issuer and subject have more than {MAX_ACTOR_CHARS} characters.")
    return Claims(
        issuer=settings.oidc_issuer,
        subject=subject,
        full_name=_read_name(claims.get(settings.oidc_name_claim), subject),
        groups=_read_groups(claims, settings.oidc_groups_claim),
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        every=claims,
    )


def _read_name(name: Any, subject: str) -> str:
    if not isinstance(name, str) or not name.strip():
        return subject[:_MAX_NAME_CHARS]
    plain = "".join(character if character.isprintable() else " " for character in name)
    return plain.strip()[:_MAX_NAME_CHARS]


def _read_groups(claims: Mapping[str, Any], claim: str) -> tuple[str, ...] | None:
    groups = claims.get(claim)
    if groups is None:
        return None
    if isinstance(groups, str):
        return (groups,)
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise BadToken(f"Its claim {claim!r} is no list of texts.")
    return tuple(groups)
