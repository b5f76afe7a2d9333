"""What goes wrong in the numbers: learners that diverge are told of, and a meta-training that has
gone wrong for good is stopped by a stated rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from meta_trainer.recorder import Recorder
from meta_trainer.specs import DivergenceSpec
from meta_trainer.specs.timeline import Place

MAX_LEARNER_EVENTS: Final = 100
"""Events of one attempt about learners that diverged; the series `n_diverged` counts them all."""


class DivergenceWatch:
    """Counts, by a job's rule, what speaks for divergence; its counts are part of every
    checkpoint."""

    def __init__(self, spec: DivergenceSpec) -> None:
        self._spec = spec
        self.bad_updates = 0
        """In a row up to now."""
        self.bad_validations = 0
        """In a row up to now."""

    def note_update(self, n_diverged: int, n_learners: int, *, skipped: bool) -> None:
        """Count an update of Θ, in whose period `n_diverged` of `n_learners` learners diverged.

        Args:
            skipped: its gradient was not finite.
        """
        is_bad = skipped or 2 * n_diverged > n_learners
        self.bad_updates = self.bad_updates + 1 if is_bad else 0

    def note_validation(self, loss: float, initial_loss: float) -> None:
        """Count a validation; both losses may be infinite.

        Args:
            initial_loss: that of the Θ that the job started from.
        """
        if math.isfinite(initial_loss):
            is_bad = not loss <= self._spec.factor * initial_loss
        else:
            is_bad = not math.isfinite(loss)
        self.bad_validations = self.bad_validations + 1 if is_bad else 0

    @property
    def verdict(self) -> str | None:
        """Why the job is to be stopped, for people; None while it is not."""
        spec = self._spec
        if spec.updates and self.bad_updates >= spec.updates:
            return (
                f"in {spec.updates} updates in a row, most learners diverged or the meta-gradient "
                "was not finite"
            )
        if spec.validations and self.bad_validations >= spec.validations:
            return (
                f"{spec.validations} validations in a row gave more than {spec.factor:g} × the "
                "initial loss"
            )
        return None

    def state(self) -> dict[str, int]:
        """For a checkpoint."""
        return {"bad_updates": self.bad_updates, "bad_validations": self.bad_validations}

    def load(self, state: Mapping[str, int]) -> None:
        """Go on from what `state` gave."""
        self.bad_updates = state["bad_updates"]
        self.bad_validations = state["bad_validations"]


class DivergedLearners:
    """The learners that have diverged in the episode under way; each is told of once an episode."""

    def __init__(self, recorder: Recorder, seed: int) -> None:
        self._recorder = recorder
        self._seed = seed
        self._learners: frozenset[int] = frozenset()
        self._n_events = 0

    def note_period(
        self,
        losses: Tensor,  # shape: (n_learners,)
        update: int,
        place: Place,
    ) -> int:
        """Tell of the learners that diverged in this period; returns how many did.

        Args:
            losses: mean scored loss of each learner, not finite where one diverged.
            update: updates done, with that of this period.
        """
        earlier = self._learners if place.period else frozenset[int]()
        diverged = frozenset(torch.nonzero(~losses.isfinite()).flatten().tolist())
        self._learners = earlier | diverged
        self._send_event(sorted(diverged - earlier), update, place.episode)
        return len(diverged)

    def _send_event(self, learners: list[int], update: int, episode: int) -> None:
        if not learners or self._n_events >= MAX_LEARNER_EVENTS:
            return
        self._n_events += 1
        data = {"update": update, "seed": self._seed, "episode": episode, "learners": learners}
        self._recorder.event("learners.diverged", data)
