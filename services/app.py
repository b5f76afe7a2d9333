"""The FastAPI application: the one place where routers, errors and middleware meet."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import FastAPI

from services import observability, problems
from services.asgi import wrap_outermost
from services.audit import endpoints as audit
from services.audit.layer import AuditLayer
from services.auth import endpoints as auth
from services.catalog import document, tasks
from services.catalog import endpoints as catalog
from services.container import Container
from services.dashboard import endpoints as dashboard
from services.datasets import endpoints as datasets
from services.guide import endpoints as guide
from services.health import endpoints as health
from services.jobs import endpoints as jobs
from services.oidc import endpoints as sign_in
from services.optimizers import endpoints as optimizers
from services.projects import endpoints as projects
from services.proxies.layers import answer_origins
from services.reference import endpoints as reference
from services.studies import endpoints as studies
from services.system import endpoints as system
from services.webhooks import endpoints as webhooks

logger = logging.getLogger(__name__)

SUMMARY: Final = (
    "Distributed meta-training of learned optimizers, with a registry of their parameters."
)


def create_app(services: Container) -> FastAPI:
    """The service over these parts.

    Several processes may each run one over the same database and registry.
    """
    app = FastAPI(
        title="HyperAdam",
        summary=SUMMARY,
        version="1",
        max_body_size=services.settings.max_body_bytes,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # `document` serves it
        telemetry=observability.make_telemetry(services.settings),
    )
    app.state.services = services
    for broken in tasks.list_broken_extensions():
        logger.warning("left out: %s", broken)

    document.install(app)
    app.add_middleware(AuditLayer)
    problems.install(app)
    origins = services.settings.cors_origins
    if origins:
        wrap_outermost(app, lambda inner: answer_origins(inner, origins))
    observability.install(app, services)
    for part in (
        jobs,
        studies,
        optimizers,
        catalog,
        datasets,
        auth,
        projects,
        audit,
        health,
        dashboard,
        guide,
        reference,
        webhooks,
        sign_in,
    ):
        app.include_router(part.router)
    app.include_router(auth.sessions)
    app.include_router(system.router)
    return app
