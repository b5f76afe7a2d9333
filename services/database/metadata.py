"""All tables of the service.

Importing this module registers the tables of every domain with the one metadata.
"""

from __future__ import annotations

from sqlalchemy import MetaData

from services.audit import tables as audit
from services.auth import tables as auth
from services.database import facts
from services.database.base import Base
from services.datasets import tables as datasets
from services.idempotency import tables as idempotency
from services.jobs import tables as jobs
from services.oidc import tables as oidc
from services.optimizers import tables as optimizers
from services.projects import tables as projects
from services.reconciler import tables as reconciler
from services.webhooks import tables as webhooks

TABLE_MODULES = (
    audit,
    auth,
    datasets,
    facts,
    idempotency,
    jobs,
    oidc,
    optimizers,
    projects,
    reconciler,
    webhooks,
)


def load_metadata() -> MetaData:
    return Base.metadata
