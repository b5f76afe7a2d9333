"""Counters of one application.

They have a registry of their own, so that several applications can live in one process.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What one application counts.

    Labels are route templates, never paths, so that their number is bounded.
    """

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.requests: Final = Counter(
            "hyperadam_http_requests_total",
            "Answered requests.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.latency: Final = Histogram(
            "hyperadam_http_request_duration_seconds",
            "Time until the answer began (event streams go on for hours).",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.streams: Final = Gauge(
            "hyperadam_event_streams", "Event streams that are open.", registry=self.registry
        )
        self.in_progress: Final = Gauge(
            "hyperadam_http_requests_in_progress",
            "Requests that are being answered.",
            registry=self.registry,
        )
