"""Signatures of webhooks: those of https://www.standardwebhooks.com, for which there are libraries.

The signature is base64(HMAC-SHA256(key, "{id}.{timestamp}.{body}")); the key is what follows
`whsec_` in the secret, in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

PREFIX: Final = "whsec_"
LEAST_KEY_BYTES: Final = 24


def read_key(secret: str) -> bytes:
    """
    Raises:
        ValueError: the secret is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("must be whsec_ and a key in base64") from error
    if not secret.startswith(PREFIX) or len(key) < LEAST_KEY_BYTES:
        raise ValueError(f"must be whsec_ and a key of at least {LEAST_KEY_BYTES} bytes in base64")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that show who sent a message, and when."""
    content = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(read_key(secret), content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
