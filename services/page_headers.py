"""What every page of this service tells a browser, whoever makes it."""

from __future__ import annotations

from typing import Final

HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
