"""Text of others for terminals and logs: without what moves the cursor, hides or reorders text.

Manifests, names, logs and headers come from others; an escape sequence in them would be obeyed by
the terminal of whoever reads them.
"""

from __future__ import annotations

import re
from typing import Final

_SEQUENCES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
)
"""Of colours and cursors (CSI), and of titles, links and other strings (OSC, DCS)."""
_UNSAFE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but tab and newline, marks of direction, separators, halves of pairs."""


def make_plain(text: str) -> str:
    """The text without escape sequences; other unsafe characters are replaced by �."""
    without_returns = text.replace("\r\n", "\n")
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", _SEQUENCES.sub("", without_returns))


def escape_json(text: str) -> str:
    """A JSON text with its unsafe characters written as `\\uXXXX`: the same JSON."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
