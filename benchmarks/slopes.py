"""Whether meta-gradients promise the slopes that there are, along named directions of Θ.

F is the meta-loss of a whole episode, u a direction of Θ, g a learner's meta-gradient:

    true slope         (F(Θ + h u) − F(Θ − h u)) / 2h      same start, minibatches and h for all
    promised slope     ⟨g, u⟩                              the mean over the episode's periods

Each is a mean over tasks of tiny learners, with the standard error of that mean; so is their
difference, which is paired by task. An estimator lies where the difference is many standard errors.

    python -m benchmarks.gradients --slopes [--quick]

The directions are those that `meta_trainer.training.adjustment` chooses by validation, and the
length of the mixture, which is nearly α:

    scale      W_w, b_w ← (1 + ε) W_w, (1 + ε) b_w
    memory     b_β ← b_β + ε
    tilt       b_w,j ← b_w,j e^(ε x_j)
    response   W_w ← (1 + ε) W_w
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import hyperadam
import torch
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, Rule
from torch import Tensor

from benchmarks.episode_gradients import add_episode_gradients
from benchmarks.measuring import write_json
from benchmarks.slope_table import PromisedSlope, Slope, format_table
from benchmarks.small_tasks import make_small_tasks
from meta_trainer.estimators import Objective, Period, antithetic_pairs
from meta_trainer.seeds import make_generator
from meta_trainer.specs import (
    ACTIVATIONS,
    Activation,
    AdjustmentSpec,
    ESSpec,
    EstimatorSpec,
    MetaLoss,
    TBPTTSpec,
)
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.training.adjustment import adjust_theta
from meta_trainer.training.learner_clip import LearnerClip
from meta_trainer.unrolls.episodes import begin_episode

STEP: Final = 0.05
"""h. At half of it the true slopes were the same within their errors."""
EXACT: Final = "second order, whole episodes"
CLIP: Final = 4.0
"""Medians, of the clipped gradients of second order."""
N_CANDIDATES: Final = 6
"""J of the untrained Θ."""


@dataclass(frozen=True, kw_only=True)
class SlopesEffort:
    """How much is measured."""

    n_tasks: int
    n_learners: int
    """Of each task."""
    horizon: int
    """T."""
    period: int
    """Of the estimator that has periods; divides T."""
    n_pairs: int
    """Of evolution strategies, for each learner."""


FULL: Final = SlopesEffort(n_tasks=40, n_learners=3, horizon=100, period=20, n_pairs=4)
QUICK: Final = SlopesEffort(n_tasks=4, n_learners=2, horizon=20, period=10, n_pairs=1)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where slopes are looked at."""

    theta: Literal["untrained", "hyperadam-v1"]
    """An ensemble of six Adams, or what the first-order gradient made of one of twenty."""
    meta_loss: MetaLoss
    rate_factor: float = 1.0
    """Times the rate α of `hyperadam-v1`, whose schedule, shares and decay hold for all."""
    activations: tuple[Activation, ...] = ACTIVATIONS
    """Of the learners."""

    def __str__(self) -> str:
        activations = ", ".join(self.activations)
        return f"{self.theta} Θ at {self.rate_factor:g} α, {self.meta_loss} loss; {activations}"


SMOOTH: Final[tuple[Activation, ...]] = ("sigmoid", "elu", "tanh")
SETTINGS: Final = (
    Setting(theta="untrained", meta_loss="log", activations=SMOOTH),
    Setting(theta="untrained", meta_loss="log"),
    Setting(theta="untrained", meta_loss="mean"),
    Setting(theta="untrained", meta_loss="log", rate_factor=2.0),
    Setting(theta="hyperadam-v1", meta_loss="log"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is looked at: a Θ, how it is run, and by what meta-loss."""

    rule: Rule[Any]
    theta: Tensor
    """Shape (n_theta,)."""
    rate: Rate
    objective: Objective
    activations: tuple[Activation, ...]
    """Of the learners."""

    @classmethod
    def of(cls, setting: Setting) -> Subject:
        trained = hyperadam.pretrained("hyperadam-v1")
        rule = trained.rule
        theta = trained.vector
        if setting.theta == "untrained":
            rule = HyperAdamRule(replace(rule.spec, n_candidates=N_CANDIDATES))
            theta = rule.pack(rule.init_theta(make_generator(0, "benchmarks/theta"))).float()
        return cls(
            rule=rule,
            theta=theta,
            rate=replace(trained.rate, lr=setting.rate_factor * trained.rate.lr),
            objective=Objective(meta_loss=setting.meta_loss),
            activations=setting.activations,
        )


def name_directions(rule: Rule[Any], theta: Tensor) -> dict[str, Tensor]:
    """u by name, shape (n_theta,)."""
    tensors = rule.unpack(theta)
    small = 1e-3

    def differ(ahead: AdjustmentSpec, behind: AdjustmentSpec) -> Tensor:
        change = rule.pack(adjust_theta(tensors, ahead)) - rule.pack(adjust_theta(tensors, behind))
        return change / (2 * small)

    scale = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    for name in ("weight_cell.weight", "weight_cell.bias"):
        scale[name] = tensors[name]
    return {
        "scale": rule.pack(scale),
        "memory": differ(AdjustmentSpec(memory=small), AdjustmentSpec(memory=-small)),
        "tilt": differ(AdjustmentSpec(tilt=small), AdjustmentSpec(tilt=-small)),
        "response": differ(AdjustmentSpec(response=1 + small), AdjustmentSpec(response=1 - small)),
    }


def make_estimators(effort: SlopesEffort) -> dict[str, tuple[EstimatorSpec, int]]:
    """Estimators by name, with the length of their periods."""
    whole = effort.horizon
    return {
        f"first order, periods of {effort.period}": (TBPTTSpec(), effort.period),
        "first order, whole episodes": (TBPTTSpec(), whole),
        f"second order, periods of {effort.period}": (TBPTTSpec(order=2), effort.period),
        EXACT: (TBPTTSpec(order=2), whole),
        f"es, {effort.n_pairs} pairs": (ESSpec(n_pairs=effort.n_pairs), whole),
    }


def measure_true_slopes(
    subject: Subject, optimizee: Optimizee, directions: Sequence[Tensor], horizon: int
) -> Tensor:
    """Of each direction, the mean over the learners of one task; shape (n_directions,)."""
    state = begin_episode(subject.rule, optimizee)
    n_learners = len(state.w)
    pairs = antithetic_pairs(
        subject.rule,
        subject.theta,
        torch.stack(list(directions)).expand(n_learners, -1, -1),
        optimizee,
        [state] * (2 * len(directions)),
        subject.objective,
        sigma=STEP,
        n_steps=horizon,
        rate=subject.rate,
        keep_states=False,
    )
    return pairs.slopes.mean(0)


def estimate_gradients(
    subject: Subject,
    optimizee: Optimizee,
    spec: EstimatorSpec,
    *,
    n_steps: int,
    horizon: int,
    task: int,
) -> Tensor:
    """The gradient of each learner of a task: the mean over the periods of an episode.

    Its shape is (L, n_theta).
    """
    n_learners = len(optimizee.start())
    period = Period(
        rule=subject.rule,
        theta=subject.theta,
        optimizee=optimizee,
        objective=subject.objective,
        rate=subject.rate,
        n_steps=n_steps,
        horizon=horizon,
        seed=1,
        episode=task,
        learners=range(n_learners),
        by_learner=True,
    )
    total = torch.zeros(n_learners, len(subject.theta))
    add_episode_gradients(total, spec, period)
    return total / (horizon // n_steps)


def compare_slopes(subject: Subject, effort: SlopesEffort) -> list[PromisedSlope]:
    """Every estimator along every direction."""
    directions = name_directions(subject.rule, subject.theta)
    estimators = make_estimators(effort)
    true_slopes: list[Tensor] = []
    gradients: dict[str, list[Tensor]] = {name: [] for name in estimators}
    tasks = make_small_tasks(effort.n_tasks, effort.n_learners, subject.activations)
    for task, optimizee in enumerate(tasks):
        ways = list(directions.values())
        true_slopes.append(measure_true_slopes(subject, optimizee, ways, effort.horizon))
        for name, (spec, n_steps) in estimators.items():
            rows = estimate_gradients(
                subject, optimizee, spec, n_steps=n_steps, horizon=effort.horizon, task=task
            )
            gradients[name].append(rows)

    gradients[f"{EXACT}, clipped"] = clip_gradients(gradients[EXACT])
    return [
        _compare(estimator, name, direction, tasks, [float(s[number]) for s in true_slopes])
        for number, (name, direction) in enumerate(directions.items())
        for estimator, tasks in gradients.items()
    ]


def clip_gradients(gradients: Sequence[Tensor]) -> list[Tensor]:
    """Those of all tasks, clipped as `meta_optimizer.clip_learners` does it."""
    sizes = [len(rows) for rows in gradients]
    clip = LearnerClip(CLIP, n_learners=sum(sizes))
    return list(clip.clip(torch.cat(list(gradients))).gradients.split(sizes))


def _compare(
    estimator: str,
    name: str,
    direction: Tensor,  # shape: (n_theta,)
    gradients: Sequence[Tensor],  # shapes: (L, n_theta)
    true: Sequence[float],
) -> PromisedSlope:
    promised = [float((rows @ direction).mean()) for rows in gradients]
    differences = [each - other for each, other in zip(promised, true, strict=True)]
    return PromisedSlope(
        estimator,
        name,
        true=Slope.over_tasks(true),
        promised=Slope.over_tasks(promised),
        difference=Slope.over_tasks(differences),
    )


def report_slopes(*, quick: bool, target: Path | None = None) -> None:
    """Print a table for each setting, and write all of them."""
    effort = QUICK if quick else FULL
    settings = SETTINGS[:1] if quick else SETTINGS
    tables: list[dict[str, Any]] = []
    for setting in settings:
        began = time.process_time()
        slopes = compare_slopes(Subject.of(setting), effort)
        seconds = time.process_time() - began
        print(f"{setting} ({seconds:.0f} s):\n\n{format_table(slopes)}\n", flush=True)
        rows = [row.to_json() for row in slopes]
        tables.append({"setting": asdict(setting), "seconds": seconds, "rows": rows})
    if target:
        write_json(target, {"effort": asdict(effort), "tables": tables})
