"""The operator's key, and what it signs: each version that is registered.

The statement that is signed, and who checks it, are in `hyperadam.signatures`.
"""

from __future__ import annotations

import base64
from typing import Final

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hyperadam.signatures import Signature, make_key_id, make_statement

from registry import Registry, Version
from services.settings import Settings

log = structlog.get_logger(__name__)


class WrongKey(ValueError):
    """A text is no key to sign with."""


class Signer:
    """Signs versions with one private key."""

    def __init__(self, pem: str) -> None:
        """
        Raises:
            WrongKey: it is not an Ed25519 key in PEM, without a password.
        """
        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise WrongKey("is no private key in PEM without a password") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise WrongKey("is no Ed25519 key")
        self._key: Final = key
        self.public_bytes: Final = key.public_key().public_bytes_raw()

    def sign(self, name: str, number: int, sha256: str) -> Signature:
        """The signature of a version's statement."""
        value = self._key.sign(make_statement(name, number, sha256))
        return Signature(
            key_id=make_key_id(self.public_bytes), value=base64.b64encode(value).decode()
        )

    def sign_version(self, registry: Registry, version: Version) -> Version:
        """The version with its signature; one that this key has signed stays as it is."""
        signature = self.sign(version.optimizer, version.number, version.sha256)
        if version.signature == signature.as_text():  # Ed25519 signs one statement one way
            return version
        log.info("version.signed", version=f"{version.optimizer}@{version.number}")
        return registry.sign_version(version.optimizer, version.number, signature.as_text())


def make_signer(settings: Settings) -> Signer | None:
    """The signer of a service; None where it has no key."""
    pem = settings.signing_key.get_secret_value()
    return Signer(pem) if pem else None


def make_private_key() -> tuple[str, bytes]:
    """A new key: its PEM, and the bytes of its public half."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode(), key.public_key().public_bytes_raw()
