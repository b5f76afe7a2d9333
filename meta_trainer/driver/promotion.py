"""A promotion: a job's new version takes an alias over if it beats the version that has it.

Who is better is decided in `meta_trainer.driver.decision`. Where nobody has the alias, the new
version takes it.

Whatever is cut off can be repeated: the decision is an artifact of the run before the alias moves,
and the registry makes the same job's move at most once. If somebody else has moved the alias while
the versions were running, the rule is asked again, against the new holder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Final

from meta_trainer.driver.context import Job, JobContext
from meta_trainer.driver.decision import Decision, judge_versions
from meta_trainer.driver.evaluation import evaluate_versions
from meta_trainer.driver.permission import ask_for_promotion
from meta_trainer.evaluation.report import Report
from meta_trainer.recorder import PartRecorder, Recorder
from meta_trainer.specs import PromotionSpec
from registry import AliasMoved, ArtifactNotFound, Registry, Version
from registry.alias_log import resolve_aliases

DECISION: Final = "result/promotion.json"
"""The artifact that holds the decision."""


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """The rule, about to be carried out for a version that a job made."""

    rule: PromotionSpec
    version: Version
    job_id: str
    registry: Registry
    recorder: Recorder
    compare: Callable[[int], Report]
    """Runs the version, and after it the one with the given number, on the rule's suite."""
    find_objection: Callable[[], str | None] = lambda: None
    """Says why the job may no longer move the alias, if it may not."""

    def carry_out(self) -> Decision:
        """Decide, and move the alias if that is the decision; the event `promotion` tells of
        it."""
        while True:
            decision = self._check_rights(self._decide())
            if not decision.promoted or self._move_alias(decision):
                self.recorder.event("promotion", asdict(decision))
                return decision

    def _check_rights(self, decision: Decision) -> Decision:
        """The decision, unless the job may no longer carry it out."""
        if not decision.promoted or self._has_moved_alias():
            return decision
        objection = self.find_objection()
        if objection is None:
            return decision
        refused = replace(decision, promoted=False, why=f"not allowed: {objection}")
        self.recorder.artifact(DECISION, refused.to_json())
        return refused

    def _decide(self) -> Decision:
        champion = self._find_champion()
        earlier_decision = self._load_decision()
        if earlier_decision is not None:
            is_current = earlier_decision.champion == champion
            if is_current or self._has_moved_alias():
                return earlier_decision

        decision = self._make_decision(champion)
        self.recorder.artifact(DECISION, decision.to_json())
        return decision

    def _make_decision(self, champion: int | None) -> Decision:
        if champion is None:
            return self._decide_alone(champion, promoted=True, why="no version had the alias")
        if champion == self.version.number:
            return self._decide_alone(
                champion, promoted=False, why="the version has the alias already"
            )
        report = self.compare(champion)
        return judge_versions(self.rule, self.version.number, champion, report)

    def _decide_alone(self, champion: int | None, *, promoted: bool, why: str) -> Decision:
        """A decision that needs no comparison."""
        return Decision(
            alias=self.rule.alias,
            candidate=self.version.number,
            champion=champion,
            promoted=promoted,
            why=why,
        )

    def _move_alias(self, decision: Decision) -> bool:
        """False if somebody else has moved it since the decision."""
        try:
            self.registry.promote(
                self.version.optimizer,
                decision.alias,
                self.version.number,
                expected=decision.champion,
                actor=self.job_id,
                reason=decision.why,
            )
        except AliasMoved:
            return False
        return True

    def _find_champion(self) -> int | None:
        """Number of the version that has the alias now."""
        history = self.registry.alias_history(self.version.optimizer)
        return resolve_aliases(history).get(self.rule.alias)

    def _load_decision(self) -> Decision | None:
        """What this job decided before it was cut off."""
        try:
            data = self.registry.get_artifact(str(self.version.run_id), DECISION)
        except ArtifactNotFound:
            return None
        return Decision.from_json(data)

    def _has_moved_alias(self) -> bool:
        """Whether this job gave the alias to the version before it was cut off."""
        own_move = (self.rule.alias, self.version.number, self.job_id)
        history = self.registry.alias_history(self.version.optimizer)
        moves = [(change.alias, change.new_version, change.actor) for change in history]
        return own_move in moves


def make_promotion(
    rule: PromotionSpec, version: Version, job: Job, context: JobContext
) -> Promotion:
    """The rule with its evaluation, whose files go to `result/promotion/`."""

    def compare(champion: int) -> Report:
        references = tuple(f"{version.optimizer}@{number}" for number in (version.number, champion))
        spec = rule.evaluation(references)
        recorder = PartRecorder(context.recorder, "promotion")
        return evaluate_versions(spec, job.job_id, context, recorder, "result/promotion").report

    def find_objection() -> str | None:
        if not job.asks:
            return None
        attempt = context.recorder.attempt
        return ask_for_promotion(context.registry, context.run_id, attempt, context.should_stop)

    return Promotion(
        rule=rule,
        version=version,
        job_id=job.job_id,
        find_objection=find_objection,
        registry=context.registry,
        recorder=context.recorder,
        compare=compare,
    )
