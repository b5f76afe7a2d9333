"""The rule of promotion: whether a job's new version beats the version that has an alias.

Both are run on the same suite, from the same starts and on the same minibatches. With L the final
losses and s a start,

    r_s = mean over tasks of log(L_new / L_old)
    d   = mean of r_s,   e = its standard error over starts.

The new version is better if it diverged on fewer starts; or on as many, and d + k e < 0, where k is
the rule's `by_standard_errors`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

import torch

from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.statistics import MeanWithError, mean_with_error
from meta_trainer.recorder import finite_or_none
from meta_trainer.specs import PromotionSpec


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


def judge_versions(rule: PromotionSpec, candidate: int, champion: int, report: Report) -> Decision:
    """The rule's word on two versions; the report's first learned optimizer is the candidate, its
    second the champion.

    Args:
        candidate: number of the new version.
        champion: number of the version that has the alias.
    """
    new_name, old_name = report.optimizers[:2]
    new_rows = [row for row in report.rows if row.optimizer == new_name]
    old_rows = [row for row in report.rows if row.optimizer == old_name]
    n_new = sum(row.n_diverged for row in new_rows)
    n_old = sum(row.n_diverged for row in old_rows)

    ratio = compute_log_ratio(new_rows, old_rows)
    upper_bound = ratio.mean + rule.by_standard_errors * ratio.stderr
    is_better = n_new < n_old or (n_new == n_old and upper_bound < 0)
    return Decision(
        alias=rule.alias,
        candidate=candidate,
        champion=champion,
        promoted=is_better,
        why=_explain(rule, champion, ratio, n_new, n_old, is_better=is_better),
        suite=rule.if_better_on,
        log_ratio=finite_or_none(ratio.mean),
        standard_error=finite_or_none(ratio.stderr),
        n_diverged=n_new,
        n_diverged_champion=n_old,
    )


def compute_log_ratio(new_rows: Sequence[Row], old_rows: Sequence[Row]) -> MeanWithError:
    """d and e, over the starts on which neither diverged on any task; the rows are those of the
    same tasks in order."""
    ratios = [
        torch.log(new.finals) - torch.log(old.finals)
        for new, old in zip(new_rows, old_rows, strict=True)
    ]
    return mean_with_error(torch.stack(ratios).mean(0))


def _explain(
    rule: PromotionSpec,
    champion: int,
    ratio: MeanWithError,
    n_new: int,
    n_old: int,
    *,
    is_better: bool,
) -> str:
    """The decision in one line, for people."""
    verdict = "better" if is_better else "not better"
    size = " (quick)" if rule.quick else ""
    if n_new != n_old:
        figures = f"diverged {n_new} times, it {n_old} times"
    elif math.isnan(ratio.mean):
        figures = "no start without divergence"
    else:
        change = f"{math.expm1(ratio.mean):+.2%} ± {ratio.stderr:.2%}"
        figures = f"final loss {change} over {ratio.n} paired starts"
    needed = f"below 0 by {rule.by_standard_errors:g} standard errors needed"
    return f"{verdict} than version {champion} on {rule.if_better_on}{size}: {figures}; {needed}"
