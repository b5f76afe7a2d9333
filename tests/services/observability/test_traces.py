"""Traces: made by requests, received by a collector on loopback, and none where none is wanted."""

from __future__ import annotations

import gzip
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import structlog
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from services.app import create_app
from services.container import Container
from services.observability.traces import make_telemetry
from services.settings import Settings

PARENT = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


class Collector(HTTPServer):
    """Keeps the spans that it is sent."""

    spans: list[Span]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector(("127.0.0.1", 0), _Handler) as server:
        server.spans = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def traced(services: Container, endpoint: str) -> Container:
    settings = Settings(**{**services.settings.model_dump(), "trace_endpoint": endpoint})
    return Container(settings=settings, database=services.database, registry=services.registry)


def wait_for_server_span(collector: Collector) -> Span:
    deadline = time.monotonic() + 10
    while True:
        spans = [span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER]
        if spans:
            [span] = spans
            return span
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_request_is_a_span_with_its_route_and_id(
    services: Container, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    app = create_app(traced(services, f"http://127.0.0.1:{collector.server_port}/v1/traces"))
    with (
        TestClient(app) as client,
        structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines,
    ):
        answer = client.get(
            "/v1/jobs/job_nobody?cursor=1", headers={"traceparent": PARENT, "X-Request-Id": "mine"}
        )
        assert answer.status_code == 401
        client.get("/livez")
        client.get("/metrics")
        server = wait_for_server_span(collector)
    assert server.name == "GET /v1/jobs/{job_id}"
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == tuple(PARENT.split("-")[1:3])
    attributes = {item.key: item.value for item in server.attributes}
    assert attributes["hyperadam.request_id"].string_value == "mine"
    assert attributes["http.response.status_code"].int_value == 401
    assert [line["trace_id"] for line in lines if line["event"] == "request"] == [
        PARENT.split("-")[1]
    ]


def test_nothing_is_traced_without_the_setting(
    services: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    config = make_telemetry(services.settings)
    for part in ("tracing", "metrics", "logs", "auto_configure"):
        assert config[part] is False


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://collector/v1/traces", "http://a b"])
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="trace_endpoint"):
        Settings(trace_endpoint=endpoint)


def test_without_the_exporter_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    with pytest.raises(ValidationError, match=r"hyperadam-server\[tracing\]"):
        Settings(trace_endpoint="http://127.0.0.1:4318/v1/traces")
