"""Whether a job may still do what it is about to do: asked by its driver just before it moves an
alias, and answered by what keys, people, owners and the alias's own policy say at that moment.

Hours lie between a submission and its promotion. The driver leaves a question in the run and waits
for the answer beside it (`meta_trainer.driver.permission`).
"""

from __future__ import annotations

import json
import logging

from meta_trainer.driver.permission import answer_path, question_path
from meta_trainer.specs import MetaTrainingSpec
from registry import ArtifactNotFound, Registry
from services.auth.submitters import find_end, find_submitter
from services.database.base import Database
from services.jobs import queries
from services.jobs.promotion import check_promotion
from services.optimizers.owners import check_owner
from services.problems import Problem
from services.reconciler.snapshots import Snapshot

logger = logging.getLogger(__name__)


class Rights:
    """Answers the questions of drivers."""

    def __init__(self, database: Database, registry: Registry) -> None:
        self._database = database
        self._registry = registry
        self._answered: set[str] = set()

    def answer(self, snapshot: Snapshot, run_id: str) -> None:
        """Answer the attempt's question, if there is one that has no answer."""
        if not snapshot.spec.get("promote") or snapshot.executor_id in self._answered:
            return
        try:
            self._registry.get_artifact(run_id, question_path(snapshot.attempt))
        except ArtifactNotFound:
            return
        objection = self._find_objection(snapshot)
        content = json.dumps({"allowed": objection is None, "why": objection}).encode()
        self._registry.put_artifact(run_id, answer_path(snapshot.attempt), content)
        self._answered.add(snapshot.executor_id)
        if objection is not None:
            logger.warning("%s may not promote: %s", snapshot.executor_id, objection)

    def forget(self, executor_id: str) -> None:
        """The attempt has ended."""
        self._answered.discard(executor_id)

    def _find_objection(self, snapshot: Snapshot) -> str | None:
        """Why the job may not move its alias now; None: it may."""
        with self._database.read() as session:
            job = queries.find_job(session, snapshot.job_id)
            principal = None if job is None else find_submitter(session, job)
            end = None if job is None else find_end(session, job)
        if end is not None:
            return end
        if principal is None:
            return "nobody knows whose job it is"
        spec = MetaTrainingSpec.model_validate(dict(snapshot.spec))
        try:
            check_owner(self._database, self._registry, spec.register_as, principal)
            check_promotion(spec, principal, self._registry)
        except Problem as problem:
            return describe_problem(problem)
        return None


def describe_problem(problem: Problem) -> str:
    """In one line."""
    errors = "; ".join(f"{error.field}: {error.message}" for error in problem.errors)
    return errors or problem.detail
