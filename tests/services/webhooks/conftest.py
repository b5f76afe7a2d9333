"""A service that may send webhooks to loopback."""

from __future__ import annotations

from typing import Any

import pytest

from services.container import Container
from services.database.base import Database
from services.reconciler.loop import Reconciler
from services.settings import Settings
from tests.services.support import PlayedExecutor, Stage

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def allow(settings: Settings, **more: Any) -> Settings:
    """The same settings, but webhooks may go to loopback at any port of the test's."""
    return Settings(
        home=settings.home,
        database_url=settings.database_url,
        executor="process",
        webhook_secret=SECRET,
        **{"webhook_networks": "127.0.0.0/8,::1/128", **more},
    )


class Hooked:
    """A stage whose service knows a receiver."""

    def __init__(self, stage: Stage, services: Container, database: Database) -> None:
        self.stage = stage
        self._services = services
        self._database = database

    def allow(self, hosts: str, **more: Any) -> None:
        settings = allow(self._services.settings, webhook_hosts=hosts, **more)
        object.__setattr__(self._services, "settings", settings)
        self.stage.reconciler = Reconciler(
            settings, self._database, self.stage.registry, self.stage.executor
        )

    def end_job(self, url: str, outcome: str = "succeeded", **more: Any) -> str:
        """A job that is over, and whose end is told there."""
        job = self.stage.submit(webhook=url)
        self.stage.tick()
        self.stage.finish(job, outcome, **more)
        self.stage.tick_until(job, "failed" if outcome == "failed" else "succeeded")
        return job

    def deliver(self) -> int:
        return self.stage.reconciler.courier.deliver_due()

    def show(self, job: str) -> dict[str, Any]:
        answer = self.stage.client.get(f"/v1/jobs/{job}/webhook")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
def hooked(
    stage: Stage,
    services: Container,
    database: Database,
    executor: PlayedExecutor,
) -> Hooked:
    return Hooked(stage, services, database)
