"""What operators see of the service: request ids, logs, Prometheus metrics, traces.

| file | idea |
|---|---|
| `logs.py` | one log, for machines (JSON) or for people, without secrets |
| `requests.py` | the outermost layer of every request: its id, its log line, its measurements |
| `metrics.py` | counters of this process |
| `active_jobs.py` | figures of single jobs, by project |
| `jobs.py` | figures about jobs, read from the database when they are asked for |
| `endpoints.py` | `GET /metrics` |
| `traces.py` | spans of requests, where a collector is set |
"""

from __future__ import annotations

from fastapi import FastAPI

from services.asgi import wrap_outermost
from services.container import Container
from services.observability import endpoints
from services.observability.jobs import JobsCollector
from services.observability.logs import configure_logs, use_standard_loggers
from services.observability.metrics import Metrics
from services.observability.requests import RequestLayer
from services.observability.traces import make_telemetry

__all__ = ["configure_logs", "install", "make_telemetry"]


def install(app: FastAPI, services: Container) -> None:
    """Give every request an id, a log line and measurements, and offer `/metrics`.

    This is to be called after `problems.install`, whose layer belongs inside of this one. Log
    events go to the standard library's loggers. How they are written is the matter of the process:
    its entry point calls `configure_logs`.
    """
    use_standard_loggers()

    metrics = Metrics()
    metrics.streams.set_function(lambda: services.tails.n_streams)
    metrics.registry.register(JobsCollector(services.database, services.lease))
    app.state.metrics = metrics

    app.include_router(endpoints.router)
    wrap_outermost(app, lambda inner: RequestLayer(inner, metrics))
