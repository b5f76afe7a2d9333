"""When a meta-training has gone wrong for good: a stated rule instead of hours of updates that lead
nowhere."""

from __future__ import annotations

import math
from collections.abc import Mapping

from meta_trainer.specs import DivergenceSpec


class DivergenceWatch:
    """Counts, by a job's rule, what speaks for divergence; its counts are part of every
    checkpoint."""

    def __init__(self, spec: DivergenceSpec) -> None:
        self._spec = spec
        self.bad_updates = 0
        """In a row up to now."""
        self.bad_validations = 0

    def update(self, n_diverged: int, n_learners: int, *, skipped: bool) -> None:
        """Note an update of Θ, of `n_learners` of whom so many diverged; `skipped`: its gradient
        was not finite."""
        self.bad_updates = self.bad_updates + 1 if skipped or 2 * n_diverged > n_learners else 0

    def validation(self, loss: float, initial: float) -> None:
        """Note a validation loss, and that of the Θ that the job started from; both may be
        infinite."""
        bad = (
            not loss <= self._spec.factor * initial
            if math.isfinite(initial)
            else not math.isfinite(loss)
        )
        self.bad_validations = self.bad_validations + 1 if bad else 0

    @property
    def verdict(self) -> str | None:
        """Why the job is to be stopped, for people; None while it is not."""
        spec = self._spec
        if spec.updates and self.bad_updates >= spec.updates:
            return f"in {spec.updates} updates in a row, most learners diverged or the meta-gradient was not finite"
        if spec.validations and self.bad_validations >= spec.validations:
            return f"{spec.validations} validations in a row gave more than {spec.factor:g} × the initial loss"
        return None

    def state(self) -> dict[str, int]:
        """For a checkpoint."""
        return {"bad_updates": self.bad_updates, "bad_validations": self.bad_validations}

    def load(self, state: Mapping[str, int]) -> None:
        """Go on from what `state` gave."""
        self.bad_updates, self.bad_validations = state["bad_updates"], state["bad_validations"]
