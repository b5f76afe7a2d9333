"""Carries webhooks out, beside the reconciler that holds the lease.

A delivery is recorded after it was sent: should the process end in between, it is sent once more,
under the same id.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from sqlalchemy.orm import Session

from services.database.base import Database, now
from services.settings import Settings
from services.webhooks import deliveries
from services.webhooks.hosts import ForbiddenTarget, Hosts, parse_target
from services.webhooks.sending import Gone, NotTaken, post
from services.webhooks.signing import sign
from services.webhooks.tables import Delivery

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
ROUND_SECONDS: Final = 60.0
"""After so long it is asked again whether this process still has the lease."""


class Courier:
    """Of one reconciler.

    Args:
        write: a transaction that only the holder of the lease can commit.
        holds_lease: whether this process holds it.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        write: Callable[[], AbstractContextManager[Session]],
        holds_lease: Callable[[], bool],
    ) -> None:
        self._hosts = Hosts.from_texts(settings.webhook_hosts, settings.webhook_networks)
        self._secret = settings.webhook_secret.get_secret_value()
        self._database = database
        self._write = write
        self._holds_lease = holds_lease

    def run(self, stop: threading.Event) -> None:
        """Deliver what is due until `stop` is set."""
        while not stop.wait(LOOK_SECONDS):
            try:
                if self._holds_lease():
                    self.deliver_due(stop)
            except Exception:  # whatever it is, the next look may go well
                logger.exception("webhooks could not be delivered")

    def deliver_due(self, stop: threading.Event | None = None) -> int:
        """Try what is due, each project's in turn, for some time; how many were taken."""
        if not self._hosts.names:
            return 0
        n_taken = 0
        end = time.monotonic() + ROUND_SECONDS
        while time.monotonic() < end:
            with self._database.read() as session:
                due = deliveries.list_due(session, now())
            for delivery in due:
                if stop is not None and stop.is_set():
                    return n_taken
                n_taken += self._deliver(delivery)
            if not due:
                break
        return n_taken

    def _deliver(self, delivery: Delivery) -> bool:
        try:
            self._send(delivery)
        except (NotTaken, ForbiddenTarget, OSError) as error:
            is_final = isinstance(error, Gone)
            logger.warning(
                "webhook %s of %s was not taken: %s", delivery.id, delivery.job_id, error
            )
            with self._write() as session:
                deliveries.record_failure(session, delivery.id, str(error), is_final=is_final)
            return False
        with self._write() as session:
            deliveries.record_success(session, delivery.id)
        return True

    def _send(self, delivery: Delivery) -> None:
        target = parse_target(delivery.url)
        self._hosts.check(target)
        address = self._hosts.resolve(target)
        body = delivery.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "hyperadam-server",
            **sign(self._secret, delivery.id, int(time.time()), body),
        }
        post(target, address, body, headers)
