"""What is said of a figure that has bounds: whether it reaches them."""

from __future__ import annotations

from typing import Literal

Better = Literal["below", "above"]


def judge(value: float, at_least: float | None, aim: float | None, better: Better) -> str:
    """`aim`, `holds`, `misses`, or `report` for a figure that nothing is asked of."""
    if at_least is None:
        return "report"
    if aim is not None and _reaches(value, aim, better):
        return "aim"
    return "holds" if _reaches(value, at_least, better) else "misses"


def format_bound(bound: float | None, better: Better) -> str:
    """`≤ 1.5`; empty without a bound."""
    if bound is None:
        return ""
    sign = "≤" if better == "below" else "≥"
    return f"{sign} {bound:g}"


def _reaches(value: float, bound: float, better: Better) -> bool:
    return value <= bound if better == "below" else value >= bound
