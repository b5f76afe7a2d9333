"""The meta-training loop: periods of learners in, updates of Θ out.

An update is one period of every chunk of learners, run wherever the runner likes, and one step of
the meta-optimizer on the mean of their gradients, summed in chunk order. After some episodes Θ is
validated on plain tasks; the best is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from hyperadam.theta import Theta
from torch import Tensor

from meta_trainer.datasets import Data, Dataset
from meta_trainer.recorder import Recorder, finite_or_none
from meta_trainer.runners import Handle, Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import TaskSource, as_task_source
from meta_trainer.training.checkpoints import (
    BEST_CHECKPOINT,
    Checkpoint,
    CheckpointError,
    digest_spec,
)
from meta_trainer.training.divergence import DivergenceWatch
from meta_trainer.training.initial_theta import initial_theta
from meta_trainer.training.meta_optimizer import MetaOptimizer, MetaUpdate
from meta_trainer.training.units import (
    PeriodOutcome,
    ValidationOutcome,
    compute_chunk_gradient,
    make_rule,
    run_period,
    run_validation,
)

MOST_TOLD: Final = 100
"""Events of one attempt about learners that diverged; the series `n_diverged` counts them all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What a finished meta-training gives."""

    theta: Tensor
    """The best Θ by validation, shape (n_theta,), float32."""
    initial_theta: Tensor
    """Where it started."""
    final_theta: Tensor
    """Where it ended, best or not, before averaging."""
    best_update: int
    best_loss: float
    initial_loss: float
    n_updates: int
    """That were done."""
    seconds: float
    diverged: str | None = None
    """Why the training was stopped early, if it was."""


class Stopped(Exception):
    """The job was asked to stop; its checkpoint has been handed to the recorder."""


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
    ) -> None:
        """
        Args:
            data: the data that the spec names, one set or several by name; or a source that takes
                the place of what the spec says about tasks.
            parent: the Θ that the spec's `parent` refers to.
            start: what the spec's `continue_from` refers to (`meta_trainer.runs.continuation`).

        Raises:
            ValueError: there is a parent, or a start, in only one of the two, or its rule is not
                the spec's.
            CheckpointError: the start is not this job's.
        """
        if (start is None) != (spec.continue_from is None):
            given = "no" if start is None else "a"
            raise ValueError(
                f"continue_from is {spec.continue_from!r} in the spec, but {given} checkpoint was given"
            )
        self._source, self._timeline = as_task_source(data), spec.timeline
        self._spec, self._runner, self._recorder = spec, runner, recorder
        self._rule = make_rule(spec.rule)
        self._initial_theta = initial_theta(spec, parent)
        self._meta = MetaOptimizer(spec.meta_optimizer, self._initial_theta, spec.n_updates)
        self._spec_handle, self._source_handle = runner.put(spec), runner.put(self._source)
        self._states: list[Handle] = [None] * spec.n_chunks
        self._thetas: list[
            Handle
        ] = []  # of the whole episode: a lost state is made again from them
        self._best_theta, self._best_update, self._best_loss = self._initial_theta, 0, math.inf
        self._initial_loss = math.nan
        self._watch, self._diverged_learners, self._n_told = (
            DivergenceWatch(spec.divergence),
            frozenset[int](),
            0,
        )
        self._seconds_before, self._started = 0.0, time.monotonic()
        self._updates_began, self._first_update, self._last_progress = self._started, 0, -math.inf
        if start is not None:
            self.restore(start)
            self._initial_theta = self._meta.mean

    def restore(self, data: bytes) -> None:
        """Continue from a checkpoint of the same spec.

        Raises:
            CheckpointError: damaged, or of another job.
        """
        checkpoint = Checkpoint.from_bytes(data, self._rule)
        if checkpoint.spec_sha256 != digest_spec(self._spec):
            raise CheckpointError("belongs to a job with another spec")
        self._meta.load(dict(checkpoint.meta_optimizer), checkpoint.update)
        self._best_theta, self._best_update = checkpoint.best_theta, checkpoint.best_update
        self._best_loss, self._initial_loss = checkpoint.best_loss, checkpoint.initial_loss
        self._seconds_before, self._first_update = checkpoint.seconds, checkpoint.update
        self._watch.load(checkpoint.watch)
        if checkpoint.states:
            self._states = [self._runner.put(state) for state in checkpoint.states]

    @property
    def update(self) -> int:
        """Updates of Θ done so far."""
        return self._meta.update_count

    @property
    def theta(self) -> Tensor:
        """Θ now, shape (n_theta,)."""
        return self._meta.theta

    @property
    def whereabouts(self) -> dict[str, int]:
        """What the next update is drawn from, besides Θ and the spec."""
        episode, period = self._timeline.locate(self.update)
        return {
            "update": self.update,
            "episode": episode,
            "period": period,
            "seed": self._spec.seed,
        }

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Trained:
        """Train to the end.

        Raises:
            Stopped: `should_stop` said so at the end of a period.
        """
        spec = self._spec
        self._recorder.event(
            "started", {"n_updates": spec.n_updates, "resumed_from": self.update or None}
        )
        if math.isnan(self._initial_loss) and self.update:  # of a job that continues another
            self._validate(self._meta.mean, self.update)
        self._updates_began = time.monotonic()
        while self.update < spec.n_updates and not self._watch.verdict:
            self._one_update()
            if math.isnan(
                self._initial_loss
            ):  # after the first update, so that a follower soon sees Θ move
                self._validate(self._initial_theta, 0)
            episodes, within = self._timeline.locate(self.update)
            last = self.update == spec.n_updates
            if not within and (last or episodes % spec.validation.every_episodes == 0):
                self._validate(self._meta.mean, self.update)
            over = last or self._watch.verdict is not None
            stop = not over and should_stop()
            if stop or over or self.update % spec.checkpoint_every_updates == 0:
                self.checkpoint()
            if stop:
                self._recorder.event("stopped", {"update": self.update})
                raise Stopped
        if (reason := self._watch.verdict) is not None:
            self._recorder.event(
                "diverged", {"update": self.update, "why": reason, "best_update": self._best_update}
            )
        return Trained(
            theta=self._best_theta,
            initial_theta=self._initial_theta,
            final_theta=self._meta.theta,
            best_update=self._best_update,
            best_loss=self._best_loss,
            initial_loss=self._initial_loss,
            n_updates=self.update,
            seconds=self._seconds(),
            diverged=self._watch.verdict,
        )

    def _one_update(self) -> None:
        began, spec = time.monotonic(), self._spec
        episode, period = self._timeline.locate(self.update)
        if not period:
            self._states, self._thetas = [None] * spec.n_chunks, []
        self._thetas.append(self._runner.put(self._meta.theta))
        outcomes, states = [], []
        for chunk, state in enumerate(self._states):
            outcome, state_after = self._runner.call(
                run_period,
                self._spec_handle,
                self._source_handle,
                self._thetas[-1],
                episode,
                chunk,
                state,
                n_returns=2,
            )
            outcomes.append(outcome)
            states.append(state_after)
        results = [_without_poison(outcome) for outcome in self._runner.get(outcomes)]
        self._states = states  # only now: should a call fail, those before it make a checkpoint to see it fail again
        total = torch.zeros_like(self._initial_theta)
        for chunk, result in enumerate(results):
            total += compute_chunk_gradient(spec, episode, chunk, result)
        done = self._meta.step(total / spec.n_learners)
        losses = torch.cat([result.losses for result in results])
        self._note_divergence(losses, done, episode, period)
        self._report(losses, done, time.monotonic() - began)

    def _note_divergence(self, losses: Tensor, done: MetaUpdate, episode: int, period: int) -> None:
        """Count the learners that diverged, and tell of those that did so in this period."""
        before = self._diverged_learners if period else frozenset[int]()
        now = frozenset(torch.nonzero(~losses.isfinite()).flatten().tolist())
        self._watch.update(len(now), len(losses), skipped=done.skipped)
        self._diverged_learners = before | now
        if now - before and self._n_told < MOST_TOLD:
            self._n_told += 1
            where = {"update": self.update, "seed": self._spec.seed, "episode": episode}
            self._recorder.event("learners.diverged", {**where, "learners": sorted(now - before)})

    def _report(self, losses: Tensor, done: MetaUpdate, seconds: float) -> None:
        spec, update = self._spec, self.update
        finite = losses[losses.isfinite()]
        meta_loss = float(finite.mean()) if len(finite) else math.nan
        episode = self._timeline.locate(update - 1).episode
        steps_per_second = spec.n_learners * spec.period_of(episode) / seconds
        self._recorder.metrics(
            update,
            {
                "meta_loss": meta_loss,
                "gradient_norm": done.gradient_norm,
                "meta_rate": done.rate,
                "learner_steps_per_second": steps_per_second,
                "n_diverged": float(len(losses) - len(finite)),
                "progress": update / spec.n_updates,
            },
        )
        now = time.monotonic()
        if now - self._last_progress >= 1 or update == spec.n_updates:
            self._last_progress = now
            per_update = (now - self._updates_began) / (update - self._first_update)
            eta_seconds = round(per_update * (spec.n_updates - update), 1)
            place = {
                "update": update,
                "n_updates": spec.n_updates,
                "meta_loss": finite_or_none(meta_loss),
            }
            speed = {
                "period_seconds": round(seconds, 3),
                "learner_steps_per_second": round(steps_per_second, 1),
            }
            data = {
                **place,
                **speed,
                "n_workers": self._runner.n_workers,
                "eta_seconds": eta_seconds,
            }
            self._recorder.event("progress", data)
            self._recorder.flush()

    def _validate(
        self,
        candidate: Tensor,  # shape: (n_theta,)
        update: int,
    ) -> None:
        """Measure Θ as it was after so many updates, and keep it if it is the best so far."""
        handles = self._spec_handle, self._source_handle
        loss = validation_loss(self._spec, self._source, self._runner, *handles, candidate)
        best = loss < self._best_loss
        if best:
            self._best_theta, self._best_update, self._best_loss = candidate, update, loss
        if math.isnan(self._initial_loss):
            self._initial_loss = loss
        self._watch.validation(loss, self._initial_loss)
        self._recorder.metrics(update, {"validation_loss": loss})
        self._recorder.event(
            "validation", {"update": update, "loss": finite_or_none(loss), "best": best}
        )
        if best and update:
            self._recorder.artifact(BEST_CHECKPOINT, self._state().to_bytes())

    def checkpoint(self) -> None:
        """Hand everything that the future depends on to the recorder; `restore` takes it."""
        self._recorder.checkpoint(self.update, self._state().to_bytes())
        self._recorder.event("checkpoint", {"update": self.update})

    def _state(self) -> Checkpoint:
        under_way = self._timeline.locate(self.update).period != 0
        return Checkpoint(
            update=self.update,
            spec_sha256=digest_spec(self._spec),
            meta_optimizer=self._meta.state(),
            best_theta=self._best_theta,
            best_update=self._best_update,
            best_loss=self._best_loss,
            initial_loss=self._initial_loss,
            seconds=self._seconds(),
            watch=self._watch.state(),
            states=tuple(self._runner.get(self._states)) if under_way else (),
        )

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started


def validation_loss(
    spec: MetaTrainingSpec,
    source: TaskSource,
    runner: Runner,
    spec_handle: Handle,
    source_handle: Handle,
    theta: Tensor,  # shape: (n_theta,)
) -> float:
    """Final loss of plain episodes, infinite if any learner diverged.

    It is the mean over the activations of a `task`; over the tasks of a distribution, whose losses
    may have different units, the geometric mean of their means. Over several horizons it is the
    geometric mean too.
    """
    theta_handle, n = runner.put(theta), spec.validation.n_learners
    tasks, chunks = range(source.count_validation_tasks(spec)), _chunks(n, spec.chunk_size)
    calls = [
        runner.call(run_validation, spec_handle, source_handle, theta_handle, task, first, last)[0]
        for task in tasks
        for first, last in chunks
    ]
    results: list[ValidationOutcome] = runner.get(calls)
    losses = torch.cat([result.final_losses for result in results], dim=1)
    n_means = 1 if spec.tasks is None else len(tasks)
    means = losses.view(len(losses), n_means, -1).mean(2).flatten().tolist()
    mean = means[0] if len(means) == 1 else math.prod(means) ** (1 / len(means))
    return mean if math.isfinite(mean) else math.inf


def _without_poison(outcome: PeriodOutcome) -> PeriodOutcome:
    """The outcome; one whose gradient is not finite counts as a chunk of learners that diverged,
    and adds nothing."""
    if outcome.gradient.isfinite().all():
        return outcome
    return outcome._replace(
        gradient=torch.zeros_like(outcome.gradient),
        losses=torch.full_like(outcome.losses, torch.nan),
        slopes=(),
    )


def _chunks(n: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(first + size, n)) for first in range(0, n, size)]
