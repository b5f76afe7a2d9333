"""The form of an API key, `ha_<id>_<secret>`, and its digest.

The id finds the row without a search and may be shown; the secret is 32 characters of a–z and 0–9,
165 random bits. What is stored is a plain SHA-256 of the key. A slow, salted hash defends secrets
that people think up and that can be guessed; 2^165 guesses are out of reach at any speed, and no
two keys are the same, so slowness would buy nothing and cost every request.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from typing import Final

ID_CHARS: Final = 8
SECRET_CHARS: Final = 32
_ALPHABET: Final = string.ascii_lowercase + string.digits
_FORM: Final = re.compile(rf"ha_([a-z0-9]{{{ID_CHARS}}})_[a-z0-9]{{{SECRET_CHARS}}}")


def draw_key() -> str:
    """A new key, which nobody can guess."""
    return f"ha_{_draw_chars(ID_CHARS)}_{_draw_chars(SECRET_CHARS)}"


def parse_id(key: str) -> str | None:
    """The key's id; None when it does not have the form of a key."""
    match = _FORM.fullmatch(key)
    if match is None:
        return None
    return match.group(1)


def hash_key(key: str) -> str:
    """What is stored of a key: SHA-256, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def _draw_chars(n_chars: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(n_chars))
