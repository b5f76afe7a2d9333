"""One period of one learner against the plain unroll and against its matrix products.

How it is done is in `benchmarks.period`.
"""

from __future__ import annotations

import statistics
from functools import cache

from benchmarks import period_ways
from benchmarks.measuring import divide
from benchmarks.rows import Effort, Measured, Row


@cache
def _measure_period(effort: Effort) -> tuple[dict[str, list[float]], int]:
    """Seconds of every way of doing a period, in turn; floating point operations of its floor."""
    setting = period_ways.Setting.draw(1)
    period_ways.check_agreement(setting)
    seconds = period_ways.measure(setting, effort.rounds)
    return seconds, period_ways.Products.draw(setting).flops


def _measure_speedup(effort: Effort) -> Measured:
    seconds, _ = _measure_period(effort)
    plain = seconds["plain unroll"]
    text = f"plain unroll: {statistics.median(plain):.2f} s a period"
    return Measured(divide(plain, seconds["fused"]), text)


def _measure_over_products(effort: Effort) -> Measured:
    seconds, flops = _measure_period(effort)
    floor = statistics.median(seconds["matrix products"])
    text = f"{flops / 1e9:.1f} GFLOP at {flops / floor / 1e9:.0f} GFLOP/s: {floor:.2f} s"
    return Measured(divide(seconds["fused"], seconds["matrix products"]), text)


ROWS = [
    Row(
        name="period-speedup",
        what="one period, forward and backward",
        compared_with="plain unroll (speedup)",
        better="above",
        at_least=2.5,
        aim=4.5,
        measure=_measure_speedup,
    ),
    Row(
        name="period-floor",
        what="one period, forward and backward",
        compared_with="its matrix products",
        at_least=2.0,
        aim=1.1,
        measure=_measure_over_products,
    ),
]
