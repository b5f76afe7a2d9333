"""What a meta-training tells its followers: metrics of every update, and its progress now and
then."""

from __future__ import annotations

import math
import time
from typing import Final

from torch import Tensor

from meta_trainer.recorder import Recorder, finite_or_none
from meta_trainer.runners import Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.meta_optimizer import MetaUpdate
from meta_trainer.training.validation import Measured

EVENT_INTERVAL_SECONDS: Final = 1.0
"""Between two events `progress`, at least; the metrics are of every update."""


class ProgressReporter:
    """Tells the recorder of updates and validations."""

    def __init__(self, spec: MetaTrainingSpec, runner: Runner, recorder: Recorder) -> None:
        self._spec = spec
        self._runner = runner
        self._recorder = recorder
        self._last_event = -math.inf
        self._first_update = 0
        self._started = time.monotonic()

    def start(self, update: int) -> None:
        """Updates begin now, after so many of earlier attempts: the time left follows from these
        alone."""
        self._first_update = update
        self._started = time.monotonic()

    def report_update(
        self,
        update: int,
        losses: Tensor,  # shape: (n_learners,)
        meta_update: MetaUpdate,
        *,
        period_steps: int,
        period_seconds: float,
        n_clipped: int | None = None,
    ) -> None:
        """Metrics of one update; from time to time an event for people too.

        Args:
            update: updates done, with this one.
            losses: mean scored loss of each learner, not finite where one diverged.
            n_clipped: learners whose gradient was clipped; None: none would be.
        """
        finite = losses[losses.isfinite()]
        meta_loss = float(finite.mean()) if len(finite) else math.nan
        steps_per_second = self._spec.n_learners * period_steps / period_seconds
        metrics = {
            "meta_loss": meta_loss,
            "gradient_norm": meta_update.gradient_norm,
            "meta_rate": meta_update.rate,
            "learner_steps_per_second": steps_per_second,
            "n_diverged": float(len(losses) - len(finite)),
            "progress": update / self._spec.n_updates,
        }
        if n_clipped is not None:
            metrics["n_clipped"] = float(n_clipped)
        self._recorder.metrics(update, metrics)
        if self._is_event_due(update):
            self._send_event(update, meta_loss, period_seconds, steps_per_second)

    def report_validation(self, update: int, measured: Measured, *, is_best: bool) -> None:
        """The loss of Θ as it was after so many updates; of a line search, the length too."""
        metrics = {"validation_loss": measured.loss}
        data = {"update": update, "loss": finite_or_none(measured.loss), "best": is_best}
        if self._spec.validation.lengths:
            metrics["validation_length"] = measured.length
            data["length"] = measured.length
        self._recorder.metrics(update, metrics)
        self._recorder.event("validation", data)

    def _is_event_due(self, update: int) -> bool:
        silence = time.monotonic() - self._last_event
        return silence >= EVENT_INTERVAL_SECONDS or update == self._spec.n_updates

    def _send_event(
        self, update: int, meta_loss: float, period_seconds: float, steps_per_second: float
    ) -> None:
        now = time.monotonic()
        self._last_event = now
        seconds_per_update = (now - self._started) / (update - self._first_update)
        n_updates_left = self._spec.n_updates - update
        data = {
            "update": update,
            "n_updates": self._spec.n_updates,
            "meta_loss": finite_or_none(meta_loss),
            "period_seconds": round(period_seconds, 3),
            "learner_steps_per_second": round(steps_per_second, 1),
            "n_workers": self._runner.n_workers,
            "eta_seconds": round(seconds_per_update * n_updates_left, 1),
        }
        self._recorder.event("progress", data)
        self._recorder.flush()
