"""The meta-training loop: periods of learners in, updates of Θ out.

An update is one period of every chunk of learners, run wherever the runner likes, and one step of
the meta-optimizer on the mean of their gradients, summed in chunk order. After some episodes Θ is
validated on plain tasks; the best is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch
from hyperadam.theta import Theta
from torch import Tensor

from meta_trainer.datasets import Data, Dataset
from meta_trainer.recorder import Recorder
from meta_trainer.runners import Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import TaskSource, as_task_source
from meta_trainer.training.checkpoints import (
    BEST_CHECKPOINT,
    Checkpoint,
    CheckpointError,
    digest_spec,
)
from meta_trainer.training.divergence import DivergedLearners, DivergenceWatch
from meta_trainer.training.gradients import GradientAdder
from meta_trainer.training.handles import JobHandles
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.meta_optimizer import MetaOptimizer, find_moved
from meta_trainer.training.progress import ProgressReporter
from meta_trainer.training.result import Stopped, Trained
from meta_trainer.training.stopwatch import Stopwatch
from meta_trainer.training.units import make_rule
from meta_trainer.training.validation import BestTheta, Validation
from meta_trainer.training.ways import choose_way


class MetaTraining:
    """One meta-training job.

    Example:
        >>> trained = MetaTraining(spec, dataset, InProcessRunner(), LogRecorder()).run()
    """

    def __init__(
        self,
        spec: MetaTrainingSpec,
        data: TaskSource | Mapping[str, Data] | Dataset,
        runner: Runner,
        recorder: Recorder,
        *,
        parent: Theta | None = None,
        start: bytes | None = None,
        kernel: str | None = None,
        log: Tensor | None = None,
    ) -> None:
        """
        Args:
            data: the data that the spec names, one set or several by name; or a source that takes
                the place of what the spec says about tasks.
            parent: the Θ that the spec's `parent` refers to.
            start: what the spec's `continue_from` refers to (`meta_trainer.runs.continuation`).
            kernel: that of the job, which workers must have unless the spec's `kernel` is `any`;
                None: they may have any.
            log: of a training with `staleness` that is to be repeated bit for bit: the `staleness`
                of its last checkpoint.

        Raises:
            ValueError: the spec names a parent, or a start, but none was given, or the reverse; or
                the parent's rule is not the spec's.
            CheckpointError: the start is not this job's.
        """
        _check_start(spec, start)
        source = as_task_source(data)
        self._spec = spec
        self._recorder = recorder
        self._rule = make_rule(spec.rule)
        self._initial_theta = make_initial_theta(spec, parent)
        moved = find_moved(self._rule, spec.meta_optimizer)
        self._meta_optimizer = MetaOptimizer(
            spec.meta_optimizer, self._initial_theta, spec.n_updates, moved
        )

        job = JobHandles.put(runner, spec, source, kernel)
        self._episodes = choose_way(runner, job, spec, log)
        self._gradient_adder = GradientAdder(spec, moved)
        self._validation = Validation(spec, source, runner, job)
        self._best = BestTheta(theta=self._initial_theta, update=0, loss=math.inf)
        self._initial_loss: float | None = None
        """The first validation loss of the job; None before it."""

        self._divergence_watch = DivergenceWatch(spec.divergence)
        self._diverged_learners = DivergedLearners(recorder, spec.seed)
        self._progress = ProgressReporter(spec, runner, recorder)
        self._stopwatch = Stopwatch()

        if start is not None:
            self.restore(start)
            self._initial_theta = self._meta_optimizer.mean

    def restore(self, data: bytes) -> None:
        """Continue from a checkpoint of the same spec.

        Raises:
            CheckpointError: damaged, or of another job.
        """
        checkpoint = Checkpoint.from_bytes(data, self._rule)
        if checkpoint.spec_sha256 != digest_spec(self._spec):
            raise CheckpointError("belongs to a job with another spec")
        self._meta_optimizer.load(dict(checkpoint.meta_optimizer), checkpoint.update)
        self._best = BestTheta(
            theta=checkpoint.best_theta,
            update=checkpoint.best_update,
            loss=checkpoint.best_loss,
        )
        self._initial_loss = checkpoint.initial_loss
        self._divergence_watch.load(checkpoint.watch)
        self._stopwatch.seconds_before = checkpoint.seconds
        self._gradient_adder.load(checkpoint.learner_norms)
        self._episodes.restore(checkpoint.update, checkpoint.states, checkpoint.staleness)

    @property
    def update(self) -> int:
        """Updates of Θ done so far."""
        return self._meta_optimizer.update_count

    @property
    def theta(self) -> Tensor:
        """Θ now, shape (n_theta,)."""
        return self._meta_optimizer.theta

    @property
    def whereabouts(self) -> dict[str, int]:
        """What the next update is drawn from, besides Θ and the spec."""
        place = self._spec.timeline.locate(self.update)
        return {
            "update": self.update,
            "episode": place.episode,
            "period": place.period,
            "seed": self._spec.seed,
        }

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Trained:
        """Train to the end.

        Args:
            should_stop: asked at the end of every period but the last.

        Raises:
            Stopped: `should_stop` said so.
            KernelMissing: no worker has the job's kernel.
        """
        resumed_from = self.update or None
        self._recorder.event(
            "started", {"n_updates": self._spec.n_updates, "resumed_from": resumed_from}
        )
        continues_another_job = self._initial_loss is None and self.update > 0
        if continues_another_job:
            self._validate(self._meta_optimizer.mean, self.update)

        self._progress.start(self.update)
        while not self._is_over:
            self._run_update()
            if self._initial_loss is None:  # not before: followers soon see Θ move
                self._validate(self._initial_theta, 0)
            if self._is_validation_due:
                self._validate(self._meta_optimizer.mean, self.update)

            stop = not self._is_over and should_stop()
            if stop or self._is_checkpoint_due:
                self.checkpoint()
            if stop:
                self._recorder.event("stopped", {"update": self.update})
                raise Stopped

        self._tell_verdict()
        return self._make_result()

    def checkpoint(self) -> None:
        """Hand everything that the future depends on to the recorder; `restore` takes it."""
        self._recorder.checkpoint(self.update, self._make_checkpoint().to_bytes())
        self._recorder.event("checkpoint", {"update": self.update})

    @property
    def _is_over(self) -> bool:
        all_done = self.update >= self._spec.n_updates
        return all_done or self._divergence_watch.verdict is not None

    @property
    def _is_validation_due(self) -> bool:
        """Between two episodes: after every few of them, and after the last one."""
        n_episodes, periods_under_way = self._spec.timeline.locate(self.update)
        if periods_under_way:
            return False
        is_last = self.update == self._spec.n_updates
        return is_last or n_episodes % self._spec.validation.every_episodes == 0

    @property
    def _is_checkpoint_due(self) -> bool:
        return self._is_over or self.update % self._spec.checkpoint_every_updates == 0

    def _run_update(self) -> None:
        """One period of every chunk of learners, one step of the meta-optimizer."""
        began = time.monotonic()
        place = self._spec.timeline.locate(self.update)
        outcomes = self._episodes.run_period(self._meta_optimizer.theta, place)
        gradient, n_clipped = self._gradient_adder.add(place.episode, outcomes)
        meta_update = self._meta_optimizer.step(gradient)
        losses = torch.cat([outcome.losses for outcome in outcomes])

        n_diverged = self._diverged_learners.note_period(losses, self.update, place)
        self._divergence_watch.note_update(n_diverged, len(losses), skipped=meta_update.skipped)
        self._progress.report_update(
            self.update,
            losses,
            meta_update,
            period_steps=self._spec.period_of(place.episode),
            period_seconds=time.monotonic() - began,
            n_clipped=n_clipped,
        )

    def _validate(
        self,
        theta: Tensor,  # shape: (n_theta,)
        update: int,
    ) -> None:
        """Measure Θ as it was after so many updates, and keep it if it is the best so far."""
        measured = self._validation.measure(theta)
        loss = measured.loss
        if self._initial_loss is None:
            self._initial_loss = loss
        is_best = loss < self._best.loss
        if is_best:
            self._best = BestTheta(theta=measured.theta, update=update, loss=loss)

        self._divergence_watch.note_validation(loss, self._initial_loss)
        self._progress.report_validation(update, measured, is_best=is_best)
        if is_best and update:
            self._recorder.artifact(BEST_CHECKPOINT, self._make_checkpoint().to_bytes())

    def _tell_verdict(self) -> None:
        reason = self._divergence_watch.verdict
        if reason is not None:
            data = {"update": self.update, "why": reason, "best_update": self._best.update}
            self._recorder.event("diverged", data)

    def _make_result(self) -> Trained:
        assert self._initial_loss is not None
        return Trained(
            theta=self._best.theta,
            initial_theta=self._initial_theta,
            final_theta=self._meta_optimizer.theta,
            best_update=self._best.update,
            best_loss=self._best.loss,
            initial_loss=self._initial_loss,
            n_updates=self.update,
            seconds=self._stopwatch.seconds,
            diverged=self._divergence_watch.verdict,
        )

    def _make_checkpoint(self) -> Checkpoint:
        is_under_way = self._spec.timeline.locate(self.update).period != 0
        return Checkpoint(
            update=self.update,
            spec_sha256=digest_spec(self._spec),
            meta_optimizer=self._meta_optimizer.state(),
            best_theta=self._best.theta,
            best_update=self._best.update,
            best_loss=self._best.loss,
            initial_loss=self._initial_loss,
            seconds=self._stopwatch.seconds,
            watch=self._divergence_watch.state(),
            learner_norms=self._gradient_adder.state(),
            staleness=self._episodes.staleness,
            states=self._episodes.fetch_states() if is_under_way else (),
        )


def _check_start(spec: MetaTrainingSpec, start: bytes | None) -> None:
    if (start is None) == (spec.continue_from is None):
        return
    number = "no" if start is None else "a"
    raise ValueError(
        f"continue_from is {spec.continue_from!r} in the spec, but {number} checkpoint was given"
    )
