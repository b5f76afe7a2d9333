"""Meta-gradient estimators side by side, what an update costs and how well it points: python -m benchmarks.gradients

F is the mean loss over episodes of plain learners at the shipped Θ. How well a direction g points is measured without
knowing ∇F: its slope ⟨g/‖g‖, ∇F⟩ is a central difference of F along g, on the same starts and minibatches. ‖∇F‖² is
the mean product of independent unbiased estimates; the cosine is the slope over ‖∇F‖, known no better than that.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import hyperadam
import torch
from torch import Tensor

from meta_trainer.datasets import load
from meta_trainer.episodes import begin, training_optimizee
from meta_trainer.estimators import Objective, Period, antithetic_pairs, estimate, meta_gradient
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import source_of
from meta_trainer.work import make_rule, one_thread

STEP = 0.1
"""Euclidean length of the step along g in the central difference; a perturbation of σ = 0.01 has 0.7."""


@dataclass(frozen=True)
class Row:
    """One estimator."""

    name: str
    spec: MetaTrainingSpec
    n_repeats: int


def rows(base: dict[str, Any], n_pairs: int, n_repeats: int) -> list[Row]:
    """TBPTT by periods and over whole episodes, and the evolution strategies at one cost."""

    def row(name: str, kind: str, period: int | None, repeats: int) -> Row:
        estimator = {"kind": kind} | ({} if kind == "tbptt" else {"n_pairs": n_pairs})
        given = base | {"estimator": estimator, "unroll": {"period": period}}
        return Row(name, MetaTrainingSpec.model_validate(given), repeats)

    return [
        row("tbptt, period 20", "tbptt", 20, 1),
        row("tbptt, whole episode", "tbptt", None, 1),
        row("es", "es", None, n_repeats),
        row("es-single, period 20", "es-single", 20, 1),  # at one Θ, the sum of its periods is ES
        row("pes, period 20", "pes", 20, n_repeats),
    ]


class Problem:
    """The learners of one episode, and F on them."""

    def __init__(self, spec: MetaTrainingSpec, theta: Tensor) -> None:
        source = source_of(load("mnist5k"))
        self.spec, self.theta, self.rule = spec, theta, make_rule(spec.rule)
        self.optimizees = [training_optimizee(spec, source, 0, chunk) for chunk in range(spec.n_chunks)]

    def gradient(self, spec: MetaTrainingSpec, seed: int) -> tuple[Tensor, float]:
        """The mean meta-gradient of an episode's updates by the estimator of `spec`, and seconds of one update."""
        n_steps, horizon = spec.period_of(0), spec.unroll.horizon
        total, began = torch.zeros_like(self.theta), time.perf_counter()
        for learner, optimizee in enumerate(self.optimizees):
            period = Period(
                rule=self.rule,
                theta=self.theta,
                optimizee=optimizee,
                objective=Objective(),
                lr=spec.unroll.lr,
                n_steps=n_steps,
                horizon=horizon,
                seed=seed,
                episode=0,
                learners=[learner],
            )
            state = None
            for _ in range(0, horizon, n_steps):
                result = estimate(spec.estimator, period, state)
                total += meta_gradient(result.gradient, result.slopes, seed=seed, episode=0, learners=[learner])
                state = result.state
        n_updates = horizon // n_steps
        return total / len(self.optimizees) / n_updates, (time.perf_counter() - began) / n_updates

    def slope(self, direction: Tensor) -> float:
        """⟨g/‖g‖, ∇F⟩ by a central difference."""
        unit, total = (direction / direction.norm())[None, None], 0.0
        for optimizee in self.optimizees:
            states, n_steps = [begin(self.rule, optimizee)] * 2, self.spec.unroll.horizon
            fixed = self.rule, self.theta, unit, optimizee, states, Objective()
            total += float(antithetic_pairs(*fixed, sigma=STEP, n_steps=n_steps, lr=self.spec.unroll.lr).slopes)
        return total / len(self.optimizees)


def measure(n_learners: int, hidden: int, n_pairs: int, n_repeats: int) -> dict[str, Any]:
    """Everything, as JSON."""
    theta = hyperadam.pretrained()
    tasks = {"task": {"dataset": "mnist5k", "hidden": [hidden], "activations": ["sigmoid", "relu", "elu", "tanh"]}}
    tricks = {"random_scaling": 0.0, "convex_dimension": 0, "convex_scaling": 0.0}
    base = {**tasks, "tricks": tricks, "n_learners": n_learners, "chunk_size": 1}
    all_rows = rows(base, n_pairs, n_repeats)
    problem = Problem(all_rows[0].spec, theta.rule.pack(theta.tensors))
    found: dict[str, list[Tensor]] = {}
    results = []
    for row in all_rows:
        both = [problem.gradient(row.spec, seed) for seed in range(row.n_repeats)]
        found[row.name] = [gradient for gradient, _ in both]
        seconds = sorted(taken for _, taken in both)[len(both) // 2]
        slope = problem.slope(found[row.name][0])
        results.append({"estimator": row.name, "seconds_per_update": seconds, "slope": slope})
        print(json.dumps(results[-1]), flush=True)
    unbiased = [gradients for row, gradients in zip(all_rows, found.values(), strict=True) if row.n_repeats > 1]
    products = [float(a @ b) for own in unbiased for a, b in combinations(own, 2)]
    square = sum(products) / len(products) if products else math.nan
    for result, gradients in zip(results, found.values(), strict=True):
        own = [float(a @ b) for a, b in combinations(gradients, 2)]
        norms = [float(g @ g) for g in gradients]
        result["norm"] = (sum(norms) / len(norms)) ** 0.5
        if square > 0:
            result["cosine"] = result["slope"] / square**0.5
        if own:
            result["relative_variance"] = (sum(norms) / len(norms) - sum(own) / len(own)) / square
            mean = torch.stack(list(gradients)).mean(0)
            result["slope_of_mean"] = problem.slope(mean)
    return {"squared_norm": square if products else None, "products": products, "rows": results}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args(arguments)
    with one_thread():
        result = measure(given.learners, given.hidden, given.pairs, given.repeats)
    print(json.dumps(result, indent=2))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
