"""`GET /metrics`, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

router = APIRouter(tags=["operations"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def show_metrics(request: Request) -> Response:
    """Figures of this process, and of all jobs, in Prometheus' text format."""
    figures = generate_latest(request.app.state.metrics.registry)
    return Response(figures, media_type=CONTENT_TYPE_PLAIN_1_0_0)
