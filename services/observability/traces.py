"""Traces of requests: FastAPI makes them, and an OpenTelemetry collector receives them.

Where the settings name no collector nothing is made, whatever else in the process or its
environment is set up for OpenTelemetry. A trace that began at the client (`traceparent`) goes on
here; its id stands in the log beside the request's.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

from services.proxies.layers import find_own_path
from services.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE_NAME: Final = "hyperadam-server"
EXPORT_SECONDS: Final = 5.0
"""Patience with a collector that does not answer; it may hold up the end of the process so long."""
QUIET_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked for every few seconds by machines: not traced, and logged only when they fail."""


def make_telemetry(settings: Settings) -> TelemetryConfig:
    """What FastAPI is to record: spans, or nothing. Metrics and logs are ours."""
    config = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
    if settings.trace_endpoint:
        config |= TelemetryConfig(
            tracing=True,
            tracer_provider=_make_provider(settings.trace_endpoint),
            exclude=_is_quiet,
        )
    return config


def mark_span(request_id: str) -> dict[str, str]:
    """Put the request's id on its span.

    Returns what its lines in the log say of the trace: nothing without one.
    """
    span = trace.get_current_span()
    if not span.is_recording():
        return {}
    span.set_attribute("hyperadam.request_id", request_id)
    trace_id = span.get_span_context().trace_id
    return {"trace_id": trace.format_trace_id(trace_id)}


def _is_quiet(scope: MutableMapping[str, Any]) -> bool:
    return find_own_path(scope) in QUIET_PATHS


def _make_provider(endpoint: str) -> TracerProvider:
    """Sends spans in the background, in batches; when the process ends, it sends what is left."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE_NAME}))
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
