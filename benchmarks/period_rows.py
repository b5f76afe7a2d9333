"""One period of one learner against the plain unroll and against its matrix products; see
`benchmarks.period`."""

from __future__ import annotations

import statistics
from functools import cache

from benchmarks import period
from benchmarks.rows import Effort, Measured, Row, ratios


@cache
def _times(effort: Effort) -> tuple[dict[str, list[float]], int]:
    """Seconds of every way of doing a period, in turn; floating point operations of its
    products."""
    setting = period.Setting.draw(1)
    period.check_agreement(setting)
    return period.measure(setting, effort.rounds), period.Products.draw(setting).flops


def _speedup(effort: Effort) -> Measured:
    times, _ = _times(effort)
    plain = statistics.median(times["plain unroll"])
    return Measured(
        ratios(times["plain unroll"], times["fused"]), f"plain unroll: {plain:.2f} s a period"
    )


def _over_products(effort: Effort) -> Measured:
    times, flops = _times(effort)
    floor = statistics.median(times["matrix products"])
    text = f"{flops / 1e9:.1f} GFLOP at {flops / floor / 1e9:.0f} GFLOP/s: {floor:.2f} s"
    return Measured(ratios(times["fused"], times["matrix products"]), text)


ROWS = [
    Row(
        name="period-speedup",
        what="one period, forward and backward",
        compared_with="plain unroll (speedup)",
        better="above",
        at_least=2.5,
        aim=4.5,
        measure=_speedup,
    ),
    Row(
        name="period-floor",
        what="one period, forward and backward",
        compared_with="its matrix products",
        at_least=2.0,
        aim=1.1,
        measure=_over_products,
    ),
]
