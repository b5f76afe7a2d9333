"""The promotion rule: a job's new version takes an alias over if it beats the version that has it.

Both are run on the same suite, from the same starts and on the same minibatches. With L the final
losses and s a start,

    r_s = mean over tasks of log(L_new / L_old),     d = mean of r_s,     e = its standard error over starts,

the new one beats the old one if it diverged on fewer starts, or on as many and d + k e < 0, where k
is the rule's `by_standard_errors`. Where nobody has the alias, the new version takes it.

Whatever is cut off can be repeated: the decision is an artifact of the run before the alias moves,
and the registry makes the same job's move at most once. If somebody else has moved the alias while
the versions were running, the rule is asked again, against the new holder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Self

import torch

from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.statistics import Estimate, estimate
from meta_trainer.recorder import Recorder, finite_or_none
from meta_trainer.specs import PromotionSpec
from registry import AliasMoved, ArtifactNotFound, Registry, Version
from registry.alias_log import targets

DECISION: Final = "result/promotion.json"
"""The artifact that holds the decision."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether the alias is to move, and why."""

    alias: str
    candidate: int
    """Number of the new version."""
    champion: int | None
    """Number of the version that has the alias; None if nobody has."""
    promoted: bool
    why: str
    """For the alias's history."""
    suite: str | None = None
    log_ratio: float | None = None
    """d; None where nothing was compared, or no start was without divergence."""
    standard_error: float | None = None
    """e."""
    n_diverged: int | None = None
    """How many starts, over all tasks, the new version diverged on."""
    n_diverged_champion: int | None = None

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), allow_nan=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return cls(**json.loads(data))


def judge(rule: PromotionSpec, candidate: int, champion: int, report: Report) -> Decision:
    """The rule's word on two versions; the report's first learned optimizer is the candidate, its
    second the champion.

    Args:
        candidate: number of the new version.
        champion: number of the version that has the alias.
    """
    new, old = (
        [row for row in report.rows if row.optimizer == name] for name in report.optimizers[:2]
    )
    ratio = log_ratio(new, old)
    n_new, n_old = (sum(row.n_diverged for row in rows) for rows in (new, old))
    bound = ratio.mean + rule.by_standard_errors * ratio.stderr
    better = n_new < n_old or (n_new == n_old and bound < 0)
    return Decision(
        alias=rule.alias,
        candidate=candidate,
        champion=champion,
        promoted=better,
        why=_reason(rule, champion, ratio, n_new, n_old, better=better),
        suite=rule.if_better_on,
        log_ratio=finite_or_none(ratio.mean),
        standard_error=finite_or_none(ratio.stderr),
        n_diverged=n_new,
        n_diverged_champion=n_old,
    )


def log_ratio(new: Sequence[Row], old: Sequence[Row]) -> Estimate:
    """d and e, over the starts on which neither diverged on any task; the rows are those of the
    same tasks in order."""
    ratios = [
        torch.log(mine.finals) - torch.log(other.finals)
        for mine, other in zip(new, old, strict=True)
    ]
    return estimate(torch.stack(ratios).mean(0))


def _reason(
    rule: PromotionSpec, champion: int, ratio: Estimate, n_new: int, n_old: int, *, better: bool
) -> str:
    verdict = "better" if better else "not better"
    if n_new != n_old:
        figures = f"diverged {n_new} times, it {n_old} times"
    elif math.isnan(ratio.mean):
        figures = "no start without divergence"
    else:
        figures = f"final loss {math.expm1(ratio.mean):+.2%} ± {ratio.stderr:.2%} over {ratio.n} paired starts"
    size = " (quick)" if rule.quick else ""
    needed = f"below 0 by {rule.by_standard_errors:g} standard errors needed"
    return f"{verdict} than version {champion} on {rule.if_better_on}{size}: {figures}; {needed}"


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

    def carry_out(self) -> Decision:
        """Decide, and move the alias if that is the decision; tells of it in the event
        `promotion`."""
        while True:
            decision = self._decide()
            if not decision.promoted or self._take(decision):
                self.recorder.event("promotion", asdict(decision))
                return decision

    def _decide(self) -> Decision:
        champion, earlier = self._holder(), self._earlier()
        if earlier is not None and (earlier.champion == champion or self._moved_before()):
            return earlier
        if champion is None:
            decision = self._plain(champion, promoted=True, why="no version had the alias")
        elif champion == self.version.number:
            decision = self._plain(
                champion, promoted=False, why="the version has the alias already"
            )
        else:
            decision = judge(self.rule, self.version.number, champion, self.compare(champion))
        self.recorder.artifact(DECISION, decision.to_json())
        return decision

    def _take(self, decision: Decision) -> bool:
        """Move the alias; False if somebody else was faster."""
        name, number = self.version.optimizer, self.version.number
        expected, why = decision.champion, decision.why
        try:
            self.registry.promote(
                name, decision.alias, number, expected=expected, actor=self.job_id, reason=why
            )
        except AliasMoved:
            return False
        return True

    def _holder(self) -> int | None:
        return targets(self.registry.alias_history(self.version.optimizer)).get(self.rule.alias)

    def _earlier(self) -> Decision | None:
        """What this job decided before it was cut off."""
        try:
            return Decision.from_json(
                self.registry.get_artifact(str(self.version.run_id), DECISION)
            )
        except ArtifactNotFound:
            return None

    def _moved_before(self) -> bool:
        mine = (self.rule.alias, self.version.number, self.job_id)
        history = self.registry.alias_history(self.version.optimizer)
        return any((change.alias, change.new_version, change.actor) == mine for change in history)

    def _plain(self, champion: int | None, *, promoted: bool, why: str) -> Decision:
        candidate, alias = self.version.number, self.rule.alias
        return Decision(
            alias=alias, candidate=candidate, champion=champion, promoted=promoted, why=why
        )
