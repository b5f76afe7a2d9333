"""Meta-gradient estimators side by side, what an update costs and how well it points: python -m
benchmarks.gradients

F is the mean loss over episodes of plain learners at the shipped Θ. How well a direction g points
is measured without knowing ∇F: its slope ⟨g/‖g‖, ∇F⟩ is a central difference of F along g, on the
same starts and minibatches. ‖∇F‖² is n_theta times the mean square of the slopes along K random
directions, known to a part of √(2/K). An estimate whose mean is ∇F has the variance E‖g‖² − ‖∇F‖².
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hyperadam
import torch
from torch import Tensor

from meta_trainer.datasets import load
from meta_trainer.estimators import (
    Objective,
    Period,
    antithetic_pairs,
    estimate_gradient,
    meta_gradient,
)
from meta_trainer.seeds import make_generator
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import as_task_source, build_training_optimizee
from meta_trainer.training.units import make_rule, one_thread
from meta_trainer.unrolls.episodes import begin_episode

STEP = 0.1
"""Euclidean length of the step along g in the central difference; a perturbation of σ = 0.01 has
0.7."""


def specs(base: dict[str, Any], n_pairs: int) -> dict[str, MetaTrainingSpec]:
    """TBPTT by periods and over whole episodes, and the evolution strategies at one cost."""

    def spec(kind: str, period: int | None, **estimator: int) -> MetaTrainingSpec:
        given = base | {"estimator": {"kind": kind, **estimator}, "unroll": {"period": period}}
        return MetaTrainingSpec.model_validate(given)

    return {
        "tbptt, period 20": spec("tbptt", 20),
        "tbptt, whole episode": spec("tbptt", None),
        "es, whole episode": spec("es", None, n_pairs=n_pairs),
        "es-single, period 20": spec("es-single", 20, n_pairs=n_pairs),
        "pes, period 20": spec("pes", 20, n_pairs=n_pairs),
    }


class Problem:
    """The learners of one episode, and F on them."""

    def __init__(self, spec: MetaTrainingSpec, theta: Tensor) -> None:
        source = as_task_source(load("mnist5k"))
        self.spec, self.theta, self.rule = spec, theta, make_rule(spec.rule)
        self.optimizees = [
            build_training_optimizee(spec, source, 0, chunk) for chunk in range(spec.n_chunks)
        ]

    def gradient(self, spec: MetaTrainingSpec, seed: int) -> tuple[Tensor, float]:
        """The mean meta-gradient of an episode's updates by the estimator of `spec`, and seconds of
        one update."""
        n_steps, horizon = spec.period_of(0), spec.unroll.horizon
        total, began = torch.zeros_like(self.theta), time.perf_counter()
        for learner, optimizee in enumerate(self.optimizees):
            period = Period(
                rule=self.rule,
                theta=self.theta,
                optimizee=optimizee,
                objective=Objective(),
                rate=spec.unroll.rate,
                n_steps=n_steps,
                horizon=horizon,
                seed=seed,
                episode=0,
                learners=[learner],
            )
            state = None
            for _ in range(0, horizon, n_steps):
                result = estimate_gradient(spec.estimator, period, state)
                total += meta_gradient(
                    spec.estimator,
                    self.rule,
                    result.gradient,
                    result.slopes,
                    seed=seed,
                    episode=0,
                    learners=[learner],
                )
                state = result.state
        n_updates = horizon // n_steps
        return total / len(self.optimizees) / n_updates, (time.perf_counter() - began) / n_updates

    def slope(self, direction: Tensor) -> float:
        """⟨g/‖g‖, ∇F⟩ by a central difference."""
        unit, total = (direction / direction.norm())[None, None], 0.0
        for optimizee in self.optimizees:
            states, n_steps = [begin_episode(self.rule, optimizee)] * 2, self.spec.unroll.horizon
            fixed = self.rule, self.theta, unit, optimizee, states, Objective()
            total += float(
                antithetic_pairs(
                    *fixed, sigma=STEP, n_steps=n_steps, rate=self.spec.unroll.rate
                ).slopes
            )
        return total / len(self.optimizees)


def measure(n_learners: int, hidden: int, n_pairs: int, n_directions: int) -> dict[str, Any]:
    """Everything, as JSON."""
    shipped = hyperadam.pretrained()
    tasks = {
        "task": {
            "dataset": "mnist5k",
            "hidden": [hidden],
            "activations": ["sigmoid", "relu", "elu", "tanh"],
        }
    }
    tricks = {"random_scaling": 0.0, "convex_dimension": 0, "convex_scaling": 0.0}
    compared = specs(
        {**tasks, "tricks": tricks, "n_learners": n_learners, "chunk_size": 1}, n_pairs
    )
    problem = Problem(compared["tbptt, whole episode"], shipped.rule.pack(shipped.tensors))
    n_theta, g = len(problem.theta), make_generator(0, "benchmarks/directions")
    slopes = [problem.slope(torch.randn(n_theta, generator=g)) for _ in range(n_directions)]
    square = n_theta * sum(slope**2 for slope in slopes) / n_directions
    rows = []
    for name, spec in compared.items():
        gradient, seconds = problem.gradient(spec, seed=1)
        slope, norm = problem.slope(gradient), float(gradient.norm())
        row = {"estimator": name, "seconds_per_update": seconds, "norm": norm, "slope": slope}
        row["cosine"] = slope / square**0.5
        if spec.estimator.kind != "tbptt":
            row["relative_variance"] = norm**2 / square - 1
        rows.append(row)
    return {
        "gradient_norm": square**0.5,
        "relative_error_of_square": (2 / n_directions) ** 0.5,
        "rows": rows,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--learners", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--directions", type=int, default=64)
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args(arguments)
    with one_thread():
        result = measure(given.learners, given.hidden, given.pairs, given.directions)
    print(json.dumps(result, indent=2))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
