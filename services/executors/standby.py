"""An executor that keeps a driver ready on this machine, so that the next job begins to train at
once.

It stands before another executor, which runs all processes, those that wait included. While fewer
drivers run than may, one `meta_trainer.driver.standby` waits in a folder of its own for an order. A
submission becomes such an order where one waits and its environment is the same, and a process of
the other executor else; either way one id is run at most once: the order is given by one step that
happens or not (`meta_trainer.driver.standby_orders`), and says which id it is for, so that it is
known after a restart. A driver that dies with its order is lost like any other, and its job goes on
with another attempt.

Only for one service on one machine (`hyperadam-server up`, whose home is locked): no other submits
to these folders.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from meta_trainer.driver import standby_orders
from services.executors.contract import ENDED, Executor, ExecutorUnavailable, ProcessStatus

logger = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 60.0
"""After a waiting driver ended by itself; it is not known why."""


class StandbyExecutor(Executor):
    """Keeps one driver ready.

    Args:
        inner: runs the processes.
        folder: of the orders; made when needed.
        python: interpreter of drivers.
        environment: gives the environment of drivers.
        most_running: as many drivers may run; while so many do, none is kept ready.
    """

    def __init__(
        self,
        inner: Executor,
        folder: Path,
        *,
        python: str,
        environment: Callable[[], Mapping[str, str]],
        most_running: int,
    ) -> None:
        self._inner, self._folder, self._python, self._environment = (
            inner,
            folder,
            python,
            environment,
        )
        self._most_running = most_running
        self._bound = _bound(folder)
        self._running: set[str] = set()
        self._waiting, self._waiting_environment = "", dict[str, str]()
        self._not_before, self._retired = float("-inf"), False

    def check(self) -> None:
        self._inner.check()
        if not self._retired:
            self._keep_ready()

    def submit(self, process_id: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        if process_id in self._bound:
            return
        order = self._order(process_id, argv, environment)
        # an id that the other executor knows was submitted before a restart: it shall not run once
        # more
        if order and self._inner.status(process_id) == "unknown" and self._hand_over(order):
            return
        self._inner.submit(process_id, argv, environment)
        self._running.add(process_id)

    def status(self, process_id: str) -> ProcessStatus:
        return self._inner.status(self._name(process_id))

    def stop(self, process_id: str) -> None:
        self._inner.stop(self._name(process_id))

    def kill(self, process_id: str) -> None:
        self._inner.kill(self._name(process_id))

    def log(self, process_id: str, after: int = 0) -> bytes:
        return self._inner.log(self._name(process_id), after)

    def retire(self) -> None:
        """Keep none ready from now on, and let the one that waits end."""
        self._retired = True
        if self._waiting:
            standby_orders.give_order(self._folder / self._waiting, standby_orders.NOTHING)
            self._waiting = ""

    def close(self) -> None:
        self.retire()
        self._inner.close()

    def _name(self, process_id: str) -> str:
        """What the other executor calls the process."""
        return self._bound.get(process_id, process_id)

    def _order(
        self, process_id: str, argv: Sequence[str], environment: Mapping[str, str]
    ) -> standby_orders.Order | None:
        """The submission as an order for the driver that waits; None if there is none, or it is not
        such a one."""
        if not self._waiting or environment != self._waiting_environment:
            return None
        match list(argv):
            case [
                self._python,
                "-m",
                "meta_trainer.driver",
                "--run-id",
                run_id,
                "--attempt",
                attempt,
            ]:
                return standby_orders.Order(
                    process_id=process_id, run_id=run_id, attempt=int(attempt)
                )
        return None

    def _hand_over(self, order: standby_orders.Order) -> bool:
        waiting, self._waiting = self._waiting, ""
        if self._inner.status(waiting) in ENDED or not standby_orders.give_order(
            self._folder / waiting, order
        ):
            return False
        self._bound[order.process_id] = waiting
        self._running.add(waiting)
        logger.info("%s is carried out by %s, which was ready", order.process_id, waiting)
        return True

    def _keep_ready(self) -> None:
        """Start a driver that waits, if one is needed; trouble with it is no trouble of the
        executor."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._folder / standby_orders.ALIVE).touch()
            if self._waiting and self._inner.status(self._waiting) in ENDED:
                end = self._inner.log(self._waiting)[-500:].decode("utf-8", "replace")
                logger.warning("the driver that was kept ready has ended: %s", end)
                self._waiting, self._not_before = "", time.monotonic() + PAUSE_SECONDS
            if not self._waiting and time.monotonic() >= self._not_before:
                self._running = {
                    one for one in self._running if self._inner.status(one) not in ENDED
                }
                if len(self._running) < self._most_running:
                    self._start()
        except (ExecutorUnavailable, OSError) as error:
            self._not_before = time.monotonic() + PAUSE_SECONDS
            logger.warning("no driver can be kept ready: %s", error)

    def _start(self) -> None:
        name, environment = f"standby-{secrets.token_hex(8)}", dict(self._environment())
        folder = self._folder / name
        folder.mkdir()
        self._inner.submit(
            name, [self._python, "-m", "meta_trainer.driver.standby", str(folder)], environment
        )
        self._waiting, self._waiting_environment = name, environment


def _bound(folder: Path) -> dict[str, str]:
    """Which processes are whose, from before a restart; what still waited then is told to end."""
    bound = {}
    for one in folder.glob("standby-*"):
        standby_orders.give_order(one, standby_orders.NOTHING)
        if (
            order := standby_orders.read_order(one)
        ) is not None and order != standby_orders.NOTHING:
            bound[order.process_id] = one.name
    return bound
