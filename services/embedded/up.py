"""`hyperadam-server up`: the whole service in one command, on nothing but a folder.

Beside the API run the reconciler, in a thread, and a local Ray cluster, in a process that ends with
this one. A stop asks the running jobs for a checkpoint first; the next start goes on with them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from rich.console import Console

from services.container import Container
from services.embedded.banner import greet, show_ignored, show_key
from services.embedded.home import Home, UnusableHome
from services.embedded.ray_cluster import EmbeddedRay
from services.executors.contract import Executor
from services.executors.make import make_executor
from services.executors.standby import StandbyExecutor
from services.health.proof import Prover
from services.oidc.groups import check_groups
from services.reconciler.environment import driver_environment
from services.reconciler.loop import Reconciler
from services.serving import ApiServer, format_url, listen
from services.settings import Settings
from services.stop_limit import AROUND_DRAIN_SECONDS, StopLimit
from services.stores import open_stores

FIRST_KEY_NAME = "admin"


def up(settings: Settings, home: Home, console: Console, ignored: Sequence[str] = ()) -> None:
    """Run until SIGTERM or SIGINT. The home is locked by the caller.

    Args:
        ignored: variables of other programs that were there, to be told.

    Raises:
        CannotListen: the address is taken.
        UnknownProject: groups have rights in a project that is not there.
        UnusableHome: its job store has lost what it held.
    """
    with listen(settings.host, settings.port) as listener, _open_executor(settings) as executor:
        with console.status("Opening the job store and the registry …"):
            database, registry = open_stores(settings)
            check_groups(settings, database)

        services = Container(
            settings=settings,
            database=database,
            registry=registry,
            prover=Prover(home.load_proof_key(), format_url(listener)),
        )
        new_key = ensure_key(services, home)
        reconciler = Reconciler(settings, database, registry, executor)
        stop_limit = StopLimit(AROUND_DRAIN_SECONDS + settings.cancel_grace_seconds)
        loop = threading.Thread(target=reconciler.run, args=[services.stopping], name="reconciler")

        def on_ready() -> None:
            home.announce(format_url(listener))
            loop.start()
            greet(console, format_url(listener), settings)
            show_key(console, home.key_file, new_key)
            show_ignored(console, ignored)

        try:
            server = ApiServer(services, on_ready, settles=True, stop_limit=stop_limit)
            server.run(sockets=[listener])
        finally:
            services.stopping.set()
            if loop.ident is not None:
                loop.join()
                if isinstance(executor, StandbyExecutor):
                    executor.retire()
                with console.status("Asking running jobs for a checkpoint …"):
                    reconciler.drain()
            database.dispose()
    console.print("Stopped.")


@contextmanager
def _open_executor(settings: Settings) -> Iterator[Executor]:
    """The executor of the settings, with a driver that is ready.

    Where the settings name no Ray cluster but need one, a local one runs as long as the executor.
    """
    if settings.ray_address:  # its drivers may be on another machine
        yield make_executor(settings)
        return
    if settings.executor == "process":
        yield _keep_driver_ready(settings, make_executor(settings))
        return

    from services.executors.ray_jobs import RayJobsExecutor  # Ray takes a second to import

    cluster = EmbeddedRay(settings.home)
    cluster.start()
    ray = RayJobsExecutor(
        cluster.address, grace_seconds=settings.cancel_grace_seconds, headers=cluster.headers
    )
    try:
        yield _keep_driver_ready(settings, ray)
    finally:
        cluster.stop()


def _keep_driver_ready(settings: Settings, executor: Executor) -> Executor:
    if not settings.standby:
        return executor
    return StandbyExecutor(
        executor,
        settings.home / "standby",
        python=settings.python,
        environment=partial(driver_environment, settings),
        most_running=settings.max_running_jobs,
    )


def ensure_key(services: Container, home: Home) -> str | None:
    """A new key that may do everything, if there never was one.

    Raises:
        UnusableHome: there was one, and the job store does not know it any more.
    """
    if any("admin" in key.scopes for key in services.api_keys.list()):
        return None
    if home.key_file.exists():
        raise UnusableHome(
            f"{home.key_file} was made before, but the job store has no admin's key: it has lost "
            "what it held, or is another's. Restore it from a backup, or remove the key's file "
            "to begin anew"
        )
    key = services.api_keys.create(FIRST_KEY_NAME, ["admin"]).key
    home.keep_key(key)
    return key
