"""An executor that keeps a driver ready on this machine: the next job begins to train at once.

It stands before another executor, which runs all processes, those that wait included. While fewer
drivers run than may, one `meta_trainer.driver.standby` waits in a folder of its own for an order.

A submission becomes such an order where a driver waits and has the same environment; else it
becomes a process of the other executor. Either way one id is run at most once. An order is given by
one step that happens or not (`meta_trainer.driver.standby_orders`), and says which id it is for, so
that a service knows it after a restart. A driver that dies with its order is lost like any other,
and its job goes on with another attempt.

This is only for one service on one machine (`hyperadam-server up`, whose home is locked): no other
submits to these folders.
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
"""Wait so long after a driver that was kept ready ended by itself; nobody knows why."""


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
        self._inner = inner
        self._folder = folder
        self._python = python
        self._environment = environment
        self._most_running = most_running

        self._driver_names = _collect_driver_names(folder)
        """Process id → the driver that carries it out."""
        self._running: set[str] = set()
        self._waiting = ""
        """The driver that waits; empty: none does."""
        self._waiting_environment: dict[str, str] = {}
        self._not_before = float("-inf")
        self._is_retired = False

    def check(self) -> None:
        self._inner.check()
        if not self._is_retired:
            self._keep_ready()

    def submit(self, process_id: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        if process_id in self._driver_names:
            return

        order = self._make_order(process_id, argv, environment)
        # an id that the other executor knows was submitted before a restart: it must not run again
        was_handed_over = (
            order is not None
            and self._inner.status(process_id) == "unknown"
            and self._hand_over(order)
        )
        if was_handed_over:
            return

        self._inner.submit(process_id, argv, environment)
        self._running.add(process_id)

    def status(self, process_id: str) -> ProcessStatus:
        return self._inner.status(self._find_name(process_id))

    def stop(self, process_id: str) -> None:
        self._inner.stop(self._find_name(process_id))

    def kill(self, process_id: str) -> None:
        self._inner.kill(self._find_name(process_id))

    def log(self, process_id: str, after: int = 0) -> bytes:
        return self._inner.log(self._find_name(process_id), after)

    def list_nodes(self) -> Sequence[Mapping[str, float]]:
        return self._inner.list_nodes()

    def retire(self) -> None:
        """Keep none ready from now on, and let the one that waits end."""
        self._is_retired = True
        if self._waiting:
            standby_orders.give_order(self._folder / self._waiting, standby_orders.NOTHING)
            self._waiting = ""

    def close(self) -> None:
        self.retire()
        self._inner.close()

    def _find_name(self, process_id: str) -> str:
        """What the other executor calls the process."""
        return self._driver_names.get(process_id, process_id)

    def _make_order(
        self, process_id: str, argv: Sequence[str], environment: Mapping[str, str]
    ) -> standby_orders.Order | None:
        """The submission as an order for the driver that waits.

        None if no driver waits, or the submission is none that it could carry out.
        """
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
        """Give the order to the driver that waits; False if it did not take it."""
        driver = self._waiting
        self._waiting = ""
        if self._inner.status(driver) in ENDED:
            return False
        if not standby_orders.give_order(self._folder / driver, order):
            return False

        self._driver_names[order.process_id] = driver
        self._running.add(driver)
        logger.info("%s is carried out by %s, which was ready", order.process_id, driver)
        return True

    def _keep_ready(self) -> None:
        """Start a driver that waits, if one is needed.

        Trouble with it is no trouble of the executor.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._folder / standby_orders.ALIVE).touch()
            self._check_waiting()
            if not self._waiting and time.monotonic() >= self._not_before:
                self._start_if_needed()
        except (ExecutorUnavailable, OSError) as error:
            self._not_before = time.monotonic() + PAUSE_SECONDS
            logger.warning("no driver can be kept ready: %s", error)

    def _check_waiting(self) -> None:
        """Let go of the driver that waits, if it has ended by itself."""
        if self._waiting and self._inner.status(self._waiting) in ENDED:
            end = self._inner.log(self._waiting)[-500:].decode("utf-8", "replace")
            logger.warning("the driver that was kept ready has ended: %s", end)
            self._waiting = ""
            self._not_before = time.monotonic() + PAUSE_SECONDS

    def _start_if_needed(self) -> None:
        self._running = {
            process_id
            for process_id in self._running
            if self._inner.status(process_id) not in ENDED
        }
        if len(self._running) < self._most_running:
            self._start()

    def _start(self) -> None:
        name = f"standby-{secrets.token_hex(8)}"
        folder = self._folder / name
        folder.mkdir()

        command = [self._python, "-m", "meta_trainer.driver.standby", str(folder)]
        environment = dict(self._environment())
        self._inner.submit(name, command, environment)
        self._waiting = name
        self._waiting_environment = environment


def _collect_driver_names(folder: Path) -> dict[str, str]:
    """Process id → driver, of the orders that were given before a restart.

    What still waited then is told to end.
    """
    names = {}
    for order_folder in folder.glob("standby-*"):
        standby_orders.give_order(order_folder, standby_orders.NOTHING)
        order = standby_orders.read_order(order_folder)
        if order is not None and order != standby_orders.NOTHING:
            names[order.process_id] = order_folder.name
    return names
