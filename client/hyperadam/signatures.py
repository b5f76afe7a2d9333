"""Signatures of versions: whose Θ a file is, whatever server it comes from.

An operator's Ed25519 key signs, of each version that is registered, the statement

    hyperadam-version-1
    NAME@NUMBER
    SHA256

with a newline after each line. SHA256 is that of the whole Θ file, so that the signature is over
every byte of it; the name and number keep a signed file from passing for another version.

Whom to trust stands in a text file, one key a line (`#` begins a comment):

    ed25519:BASE64 name of whose it is

The package `cryptography` is asked for when a signature is checked, and not before: the extra
`hyperadam[signing]` brings it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ALGORITHM: Final = "ed25519"
MAX_KEYS_BYTES: Final = 2**20
_PUBLIC_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64


class SignatureProblem(Exception):
    """A version is not signed as it has to be, or nobody can tell; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a registry keeps beside a version."""

    key_id: str
    """Of the public key: the first 16 hex digits of its SHA-256."""
    value: str
    """Base64 of the 64 bytes."""
    algorithm: str = ALGORITHM

    def as_text(self) -> str:
        """In one line, as registries keep it."""
        return f"{self.algorithm}:{self.key_id}:{self.value}"

    @classmethod
    def from_text(cls, text: str) -> Signature:
        """
        Raises:
            ValueError: it is not one.
        """
        algorithm, key_id, value = text.split(":")
        return cls(algorithm=algorithm, key_id=key_id, value=value)


@dataclass(frozen=True, kw_only=True)
class TrustedKey:
    """A public key, and whose it is."""

    name: str
    public_bytes: bytes

    @property
    def key_id(self) -> str:
        return make_key_id(self.public_bytes)


class TrustPolicy:
    """Whose signatures are believed."""

    def __init__(self, keys: Mapping[str, TrustedKey]) -> None:
        self._keys = dict(keys)

    @classmethod
    def load(cls, file: Path) -> TrustPolicy:
        """The keys in a file.

        Raises:
            SignatureProblem: it cannot be read, or a line of it is no key.
        """
        try:
            text = file.read_bytes()[:MAX_KEYS_BYTES].decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SignatureProblem(f"cannot read the trusted keys: {error}") from error

        keys = {}
        for number, line in enumerate(text.splitlines(), start=1):
            bare = line.partition("#")[0].strip()
            if bare:
                key = _read_key(bare, f"{file}, line {number}")
                keys[key.key_id] = key
        if not keys:
            raise SignatureProblem(f"{file} names no key")
        return cls(keys)

    def check(self, name: str, number: int, sha256: str, signature: Signature | None) -> str:
        """Whose signature a version has.

        Raises:
            SignatureProblem: it has none, one by a key that is not trusted, or a wrong one.
        """
        version = f"{name}@{number}"
        if signature is None:
            raise SignatureProblem(f"{version} is not signed")
        key = self._keys.get(signature.key_id)
        if key is None or signature.algorithm != ALGORITHM:
            raise SignatureProblem(
                f"{version} is signed by the {signature.algorithm} key {signature.key_id}, which "
                "is not trusted"
            )
        if not _is_right(key.public_bytes, make_statement(name, number, sha256), signature):
            raise SignatureProblem(
                f"the signature of {version} is wrong: {key.name} has signed something else"
            )
        return key.name


def make_statement(name: str, number: int, sha256: str) -> bytes:
    """What is signed."""
    return f"hyperadam-version-1\n{name}@{number}\n{sha256}\n".encode()


def make_key_id(public_bytes: bytes) -> str:
    """By which signatures name a public key."""
    return hashlib.sha256(public_bytes).hexdigest()[:16]


def format_key(public_bytes: bytes, name: str) -> str:
    """A line of a file of trusted keys."""
    return f"{ALGORITHM}:{base64.b64encode(public_bytes).decode()} {name}"


def read_signature(content: Any) -> Signature | None:
    """The signature in a server's answer; None: there is none, or none that is understood."""
    if not isinstance(content, Mapping):
        return None
    fields = {name: content.get(name) for name in ("algorithm", "key_id", "value")}
    if not all(isinstance(value, str) for value in fields.values()):
        return None
    return Signature(**fields)  # type: ignore[arg-type]


def _read_key(line: str, place: str) -> TrustedKey:
    text, _, name = line.partition(" ")
    algorithm, _, encoded = text.partition(":")
    public_bytes = _decode(encoded, _PUBLIC_BYTES)
    if algorithm != ALGORITHM or public_bytes is None:
        raise SignatureProblem(f"{place} is no key: it should be {ALGORITHM}:BASE64 NAME")
    return TrustedKey(name=name.strip() or make_key_id(public_bytes), public_bytes=public_bytes)


def _decode(text: str, n_bytes: int) -> bytes | None:
    """The bytes of a base64 text; None: it is not one of so many."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == n_bytes else None


def _is_right(public_bytes: bytes, statement: bytes, signature: Signature) -> bool:
    value = _decode(signature.value, _SIGNATURE_BYTES)
    if value is None:
        return False
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise SignatureProblem(
            "to check signatures takes the package cryptography: pip install 'hyperadam[signing]'"
        ) from error
    public = Ed25519PublicKey.from_public_bytes(public_bytes)
    try:
        public.verify(value, statement)
    except InvalidSignature:
        return False
    return True
