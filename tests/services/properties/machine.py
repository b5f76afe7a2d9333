"""Random plays of a whole service: clients, drivers, crashes of the API and of the reconciler, one
after another.

After every step the job store must agree with the model and with what really ran; at the end
everything is brought to rest, and must come out as the model says.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import hypothesis.strategies as some
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from sqlalchemy import select, update

from services.app import create_app
from services.container import Container
from services.database.base import Base, now
from services.jobs.tables import Attempt, Event, Job
from services.projects.tables import Project
from services.reconciler.lease import LeaseLost
from services.reconciler.loop import Reconciler
from services.reconciler.tables import Lease
from services.settings import Settings
from tests.services.properties import model
from tests.services.properties.crashes import Fuse, MortalDatabase, MortalExecutor, MortalRegistry
from tests.services.support import Stage

MAX_RUNNING = 2
NAMES = ("a", "b")
KEYS = ("k1", "k2", "k3")
UNDER_WAY = ("starting", "running")
POINTS = some.none() | some.integers(0, 12)
"""When a process dies: at the n-th point, or not."""


class LifeOfJobs(RuleBasedStateMachine):
    """One service from its first request to its last."""

    jobs = Bundle("jobs")

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.fuse = Fuse()
        self.settings = settings
        self.database = MortalDatabase(settings.database_url, self.fuse)
        self.registry = MortalRegistry(self.fuse)
        self.executor = MortalExecutor(self.fuse)
        self.exits = ExitStack()
        self.exits.callback(self.database.dispose)
        for table in reversed(Base.metadata.sorted_tables):
            if table is not Project.__table__:  # the plays have the one that every service has
                with self.database.write() as session:
                    session.execute(table.delete())
        self.key = self._container().api_keys.create("player", ["admin"]).key
        self.client = self._new_client()
        self.reconciler = self._new_reconciler()
        self.asleep = list[Reconciler]()
        self.stage = Stage(
            client=self.client,
            registry=self.registry,
            executor=self.executor,
            reconciler=self.reconciler,
        )
        self.by_key: dict[str, tuple[str, str | None]] = {}
        """Idempotency key → the name in its body, and the job; None while a crash leaves the client
        without answer."""
        self.deleted: set[str] = set()
        self.seen_events: dict[str, list[tuple[int, str]]] = {}
        """Of each job, their ids and types."""

    # --- clients ----------------------------------------------------------------------------------

    @rule(target=jobs, name=some.sampled_from(NAMES))
    def submit(self, name: str) -> str:
        answer = self.client.post("/v1/jobs", json=_body(name))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    @rule(target=jobs, key=some.sampled_from(KEYS), name=some.sampled_from(NAMES), death=POINTS)
    def submit_with_key(self, key: str, name: str, death: int | None) -> str:
        """Should the API die meanwhile, the client tries again with the same key."""
        first_name, job = self.by_key.setdefault(key, (name, None))
        with self.fuse.lit(death) as died:
            answer = self._post_with_key(key, name)
        if died:
            self.restart_api()
            answer = self._post_with_key(key, first_name)
        elif name != first_name:
            assert answer.status_code == 422, answer.text
            assert answer.json()["type"] == "/problems/idempotency-mismatch"
            answer = self._post_with_key(key, first_name)

        if job in self.deleted:  # the key is free again, or leads to nothing
            assert answer.status_code in (201, 404), answer.text
            del self.by_key[key]
            return str(answer.json()["id"]) if answer.status_code == 201 else str(job)

        expected_statuses = (200,) if job else (200, 201)
        assert answer.status_code in expected_statuses, answer.text
        assert job in (None, answer.json()["id"])
        self.by_key[key] = (first_name, answer.json()["id"])
        return str(answer.json()["id"])

    def _post_with_key(self, key: str, name: str) -> Response:
        return self.client.post("/v1/jobs", json=_body(name), headers={"Idempotency-Key": key})

    @rule(job=jobs, action=some.sampled_from(sorted(model.REQUESTS)), death=POINTS)
    def ask(self, job: str, action: str, death: int | None) -> None:
        if job in self.deleted:
            assert self.client.post(f"/v1/jobs/{job}/{action}").status_code == 404
            return

        before = self.row(job).state
        expected = model.REQUESTS[action].get(before)
        with self.fuse.lit(death) as died:
            answer = self.client.post(f"/v1/jobs/{job}/{action}")

        if died:
            self.restart_api()
            assert self.row(job).state in (before, expected)
        elif expected is None:
            assert (answer.status_code, answer.json()["state"]) == (409, before)
            assert self.row(job).state == before
        else:
            assert (answer.status_code, answer.json()["state"]) == (202, expected), answer.text

    @rule(job=jobs, death=POINTS)
    def delete(self, job: str, death: int | None) -> None:
        ended = job not in self.deleted and self.row(job).state in model.ENDED
        with self.fuse.lit(death) as died:
            answer = self.client.delete(f"/v1/jobs/{job}")

        if died:
            self.restart_api()
            answer = self.client.delete(f"/v1/jobs/{job}")
            assert answer.status_code in ((204, 404) if ended else (404, 409)), answer.text
        elif job in self.deleted:
            assert answer.status_code == 404
        else:
            assert answer.status_code == (204 if ended else 409), answer.text

        if ended:
            self.deleted.add(job)

    # --- the service ------------------------------------------------------------------------------

    @rule()
    def restart_api(self) -> None:
        self.client = self.stage.client = self._new_client()

    @rule(death=POINTS)
    def tick(self, death: int | None) -> None:
        with self.fuse.lit(death) as died:
            assert self.reconciler.tick()
        if died:
            self.succeed_reconciler(sleeps=False)

    @rule(sleeps=some.booleans())
    def succeed_reconciler(self, sleeps: bool) -> None:
        """The reconciler died, or sleeps past its lease; another one takes over."""
        if sleeps:
            self.asleep.append(self.reconciler)
        with self.database.write() as session:
            session.execute(update(Lease).values(expires_at=now() - timedelta(seconds=1)))
        self.reconciler = self.stage.reconciler = self._new_reconciler()
        assert self.reconciler.tick()

    @rule()
    def wake_the_sleepers(self) -> None:
        """They find out that they were succeeded."""
        for sleeper in self.asleep:
            try:
                sleeper.tick()
            except LeaseLost:
                continue

    @rule()
    def pass_time(self) -> None:
        """All pauses before another try are over."""
        with self.database.write() as session:
            session.execute(update(Job).values(retry_at=None))

    # --- drivers ----------------------------------------------------------------------------------

    @rule(job=jobs)
    def begin(self, job: str) -> None:
        if self.fact(job) == "alive":
            self.stage.drive(job, ("started", {"n_updates": 50}), attempt=self.row(job).attempt)

    @rule(job=jobs, share=some.integers(1, 50))
    def make_progress(self, job: str, share: int) -> None:
        if self.fact(job) == "alive":
            progress = ("progress", {"update": share, "n_updates": 50})
            self.stage.drive(job, progress, attempt=self.row(job).attempt)

    @rule(job=jobs, outcome=some.sampled_from(["succeeded", "failed"]))
    def end(self, job: str, outcome: str) -> None:
        if self.fact(job) == "alive":
            more = {"error": {"type": "E", "message": "m"}} if outcome == "failed" else {}
            self.stage.finish(job, outcome, attempt=self.row(job).attempt, **more)

    @rule(job=jobs)
    def obey(self, job: str) -> None:
        """The driver stops, if it was asked to."""
        if self.fact(job) == "alive":
            attempt = self.row(job).attempt
            if self.stage.process(job, attempt).signals:
                self.stage.finish(job, "stopped", attempt=attempt)

    @rule(job=jobs)
    def die(self, job: str) -> None:
        if self.fact(job) == "alive":
            self.stage.process(job, self.row(job).attempt).status = "failed"

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def the_store_agrees_with_the_model(self) -> None:
        with self.database.read() as session:
            rows = list(session.scalars(select(Job)))
            events = list(session.scalars(select(Event).order_by(Event.job_id, Event.id)))
            in_order = select(Attempt).order_by(Attempt.job_id, Attempt.number)
            attempts = list(session.scalars(in_order))

        acknowledged = {job for _, job in self.by_key.values() if job}
        assert acknowledged - self.deleted <= {row.id for row in rows}
        assert sum(row.state in model.ACTIVE for row in rows) <= MAX_RUNNING
        for row in rows:
            self._events_tell_its_life(row, [event for event in events if event.job_id == row.id])
            self._attempts_fit(row, [attempt for attempt in attempts if attempt.job_id == row.id])

    @invariant()
    def nothing_runs_twice(self) -> None:
        jobs = [process_id.rpartition("-a")[0] for process_id in self._running_processes()]
        assert len(set(jobs)) == len(jobs) <= MAX_RUNNING

    def _running_processes(self) -> list[str]:
        processes = self.executor.processes
        return [name for name, process in processes.items() if process.status == "running"]

    def _events_tell_its_life(self, job: Job, events: list[Event]) -> None:
        assert [event.id for event in events] == list(range(1, job.last_event_id + 1))
        seen_before = self.seen_events.get(job.id, [])
        seen = [(event.id, event.type) for event in events]
        assert seen[: len(seen_before)] == seen_before, "an event changed or went away"
        self.seen_events[job.id] = seen

        state = "queued"
        for event in events:
            if event.type != "job.state":
                continue
            step = (event.data["from"], event.data["to"])
            assert step[0] == state
            assert step in model.STEPS
            state = step[1]
        assert state == job.state
        assert (job.ended_at is not None) == (state in model.ENDED)

    def _attempts_fit(self, job: Job, attempts: list[Attempt]) -> None:
        assert [attempt.number for attempt in attempts] == list(range(1, job.attempt + 1))
        under_way = [attempt.number for attempt in attempts if attempt.state in UNDER_WAY]
        expected = [job.attempt] if job.state in model.ACTIVE else []
        assert under_way == expected
        for attempt in attempts:
            if attempt.submitted_at is not None:
                assert attempt.executor_id in self.executor.processes

    def teardown(self) -> None:
        """Whatever happened: with time, everything comes to rest where the model says, and nothing
        is left running."""
        try:
            self._comes_to_rest()
        finally:
            self.exits.close()

    def _comes_to_rest(self) -> None:
        with self.database.read() as session:
            rows = {row.id: (row.state, self.fact(row.id)) for row in session.scalars(select(Job))}
        for _ in range(3):
            assert self.reconciler.tick()
        for job, (state, fact) in rows.items():
            assert self.row(job).state in model.after_rest(state, fact), (job, state, fact)
            assert self.client.get(f"/v1/jobs/{job}").json()["state"] == self.row(job).state

        for _ in range(4 * len(rows)):
            restless = [job for job in rows if self._is_restless(job)]
            if not restless:
                break
            self.pass_time()
            for job in restless:
                self._let_driver_finish(job)
            self.reconciler.tick()
        assert not [job for job in rows if self._is_restless(job)]
        self.the_store_agrees_with_the_model()
        assert not self._running_processes()

    def _is_restless(self, job: str) -> bool:
        return self.row(job).state not in {"paused", *model.ENDED}

    def _let_driver_finish(self, job: str) -> None:
        if self.fact(job) == "alive":
            outcome = "stopped" if self.row(job).state in ("pausing", "cancelling") else "succeeded"
            self.stage.finish(job, outcome, attempt=self.row(job).attempt)

    # --- around -----------------------------------------------------------------------------------

    def row(self, job: str) -> Job:
        with self.database.read() as session:
            row = session.scalar(select(Job).where(Job.id == job))
        assert row is not None, f"{job} is lost"
        return row

    def fact(self, job: str) -> model.Fact:
        if job in self.deleted:
            return "never submitted"
        row = self.row(job)
        process = self.executor.processes.get(f"{job}-a{row.attempt}")
        if process is None:
            return "never submitted"
        if process.status == "running":
            return "alive"
        return self.stage.last_word(job, row.attempt) or "lost"

    def _container(self) -> Container:
        return Container(settings=self.settings, database=self.database, registry=self.registry)

    def _new_client(self) -> TestClient:
        """A new process of the API, as far as anyone can tell: nothing in its memory."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return TestClient(create_app(self._container()), headers=headers)

    def _new_reconciler(self) -> Reconciler:
        return Reconciler(self.settings, self.database, self.registry, self.executor)


def _body(name: str) -> dict[str, Any]:
    return {"kind": "meta-training", "name": name, "spec": {"preset": "quick"}}
