"""Learner-steps a second of tiny learners, beside the paper's basic MLP, in one run.

    python -m benchmarks.learner_steps [--steps 50] [--rounds 3] [--json FILE]

A learner-step is what a step of one learner costs a meta-training, derivative of second order
included: three learners side by side as in the preset `default`, by its rule and estimator, on one
thread. It is compared with 784-20-10 at batches of 128, by the same and by HyperAdam (J = 20) in
periods of 20 as in the preset `mlps-784`. What counts are the ratios: times are processor times,
taken in turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import torch

from benchmarks.episode_gradients import add_episode_gradients
from benchmarks.measuring import Spread, divide, measure_in_turn, write_json
from meta_trainer.datasets import load
from meta_trainer.estimators import Period
from meta_trainer.seeds import make_generator
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.plain_tasks import NetworkName
from meta_trainer.tasks import as_task_source, build_training_optimizee
from meta_trainer.training.objectives import make_objective
from meta_trainer.training.units import make_rule

N_LEARNERS: Final = 3
BASIC: Final = "784-20-10"
_BASIC_TASK: Final = {"mlp": {"activations": ["sigmoid"]}}
_COLUMNS = "| {:32} | {:>12} | {:>20} | {:>24} | {:>26} |"
_HEAD = ("learner", "coordinates", "learner-steps a second", f"÷ {BASIC}", "÷ HyperAdam on it")


class Learner(NamedTuple):
    """One row of the table."""

    name: str
    spec: MetaTrainingSpec


class Rate(NamedTuple):
    """What was measured of one learner."""

    name: str
    n_coordinates: int
    seconds: list[float]
    """Of a learner-step, one for each round."""


def list_learners(n_steps: int) -> list[Learner]:
    """The two to compare with, then tiny ones: MLPs with two hidden layers of 16, networks of width
    8, all at batches of 32."""
    learners = [
        _make_learner(f"{BASIC}, HyperAdam (J = 20)", _BASIC_TASK, n_steps, "mlps-784"),
        _make_learner(BASIC, _BASIC_TASK, n_steps),
    ]
    for side in (7, 14):
        shape = {"depth": [2, 2], "width": [16, 16], "activations": ["relu"], "batch_sizes": [32]}
        tasks = {"mlp": {**shape, "sides": [side]}}
        learners.append(_make_learner(f"MLP, {side} × {side}", tasks, n_steps))
    for network in get_args(NetworkName):
        tasks = {"network": {"networks": [network], "batch_sizes": [32]}}
        learners.append(_make_learner(network, tasks, n_steps))
    return learners


def _make_learner(
    name: str, family: dict[str, Any], n_steps: int, preset: str = "default"
) -> Learner:
    """A preset's rule and estimator on one family alone, without tricks."""
    tasks = {"preset": "paper", "mlp": None, "horizon": [n_steps, n_steps], **family}
    spec = MetaTrainingSpec.model_validate(
        {
            "preset": preset,
            "n_learners": N_LEARNERS,
            "chunk_size": N_LEARNERS,
            "tricks": {"random_scaling": 0.0, "convex_dimension": 0},
            "tasks": tasks,
        }
    )
    return Learner(name, spec)


class Work:
    """The meta-gradient of one episode of three learners."""

    def __init__(self, learner: Learner) -> None:
        spec = learner.spec
        source = as_task_source(load("mnist5k"))
        self._spec = spec
        self._rule = make_rule(spec.rule)
        tensors = self._rule.init_theta(make_generator(0, "benchmarks/theta"), spec.init)
        self._theta = self._rule.pack(tensors).float()
        self._optimizee = build_training_optimizee(spec, source, 0, 0)
        self.n_coordinates = self._optimizee.start().shape[1]

    def run(self) -> None:
        spec = self._spec
        horizon = spec.horizon_of(0)
        n_steps = spec.period_of(0)
        period = Period(
            rule=self._rule,
            theta=self._theta,
            optimizee=self._optimizee,
            objective=make_objective(spec.unroll, self._optimizee, 0, n_steps, horizon),
            rate=spec.unroll.rate,
            n_steps=n_steps,
            horizon=horizon,
            seed=0,
            episode=0,
            learners=range(N_LEARNERS),
        )
        add_episode_gradients(torch.zeros_like(self._theta), spec.estimator, period)


def measure_rates(n_steps: int, rounds: int) -> list[Rate]:
    """All learners, in turn."""
    learners = list_learners(n_steps)
    works = [Work(learner) for learner in learners]
    seconds = measure_in_turn(rounds, *[partial(work.run) for work in works])
    n_learner_steps = n_steps * N_LEARNERS
    return [
        Rate(learner.name, work.n_coordinates, [second / n_learner_steps for second in times])
        for learner, work, times in zip(learners, works, seconds, strict=True)
    ]


def describe_rate(rate: Rate, hyperadam: Rate, basic: Rate) -> dict[str, Any]:
    """A row, as it goes into JSON: ratios are of speeds, so more is better."""
    return {
        "learner": rate.name,
        "coordinates": rate.n_coordinates,
        "learner_steps_a_second": 1 / Spread.of(rate.seconds).median,
        "ratios_to_basic": divide(basic.seconds, rate.seconds),
        "ratios_to_hyperadam": divide(hyperadam.seconds, rate.seconds),
    }


def format_row(row: dict[str, Any]) -> str:
    ratios = []
    for key in ("ratios_to_basic", "ratios_to_hyperadam"):
        spread = Spread.of(row[key])
        ratios.append(f"{spread.median:.2f} ({spread.least:.2f}–{spread.most:.2f})")
    speed = f"{row['learner_steps_a_second']:.0f}"
    return _COLUMNS.format(row["learner"], row["coordinates"], speed, *ratios)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Learner-steps a second, on one thread.")
    parser.add_argument("--steps", type=int, default=60, help="of an episode: a multiple of 20")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)

    hyperadam, basic, *others = measure_rates(options.steps, options.rounds)
    rows = [describe_rate(rate, hyperadam, basic) for rate in (hyperadam, basic, *others)]
    print(_COLUMNS.format(*_HEAD))
    print("|" + "---|" * len(_HEAD))
    for row in rows:
        print(format_row(row))
    if options.json:
        write_json(options.json, {"n_steps": options.steps, "rows": rows})


if __name__ == "__main__":
    main()
