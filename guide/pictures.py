"""Charts of reports in fewer bytes: the site goes into a wheel.

A chart has some hundred colours, most of them shades along the edges of lines. A palette of 256
shows it as well, in a third of the bytes. The pictures beside the reports' data stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image

N_COLOURS: Final = 256


def shrink_charts(site: Path) -> None:
    """Give each PNG of a report a palette, in place; one that gains nothing stays."""
    for path in sorted((site / "reproduction").rglob("*.png")):
        shrink(path)


def shrink(path: Path) -> None:
    """Write a picture anew in at most 256 colours, if that is smaller."""
    with Image.open(path) as picture:
        flat = Image.new("RGB", picture.size, "white")
        opaque = picture.convert("RGBA")
        flat.paste(opaque, mask=opaque.getchannel("A"))
    smaller = path.with_suffix(".smaller.png")
    flat.quantize(N_COLOURS, dither=Image.Dither.NONE).save(smaller, optimize=True)
    if smaller.stat().st_size < path.stat().st_size:
        smaller.replace(path)
    else:
        smaller.unlink()
