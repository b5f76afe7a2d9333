"""Meta-gradient estimators side by side: what an update costs, and how well it points.

    python -m benchmarks.gradients
    python -m benchmarks.gradients --slopes [--quick]      whether they lie: see `benchmarks.slopes`

F is the mean loss over episodes of plain learners at `hyperadam-v1`. How well a direction g points
is measured without knowing ∇F:

    ⟨g/‖g‖, ∇F⟩    the slope along g: a central difference of F on the same starts and minibatches
    ‖∇F‖²          n_theta times the mean square of the slopes along K random directions; its
                   relative error is √(2/K)
    E‖g‖² − ‖∇F‖²  the variance of an estimate g whose mean is ∇F
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

from benchmarks.episode_gradients import add_episode_gradients
from benchmarks.measuring import write_json
from benchmarks.slopes import report_slopes
from meta_trainer.datasets import load
from meta_trainer.estimators import Objective, Period, antithetic_pairs
from meta_trainer.seeds import make_generator
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import as_task_source, build_training_optimizee
from meta_trainer.training.units import make_rule, one_thread
from meta_trainer.unrolls.episodes import begin_episode

STEP = 0.1
"""Euclidean length of the step along g in the central difference.

A perturbation of σ = 0.01 has 0.7.
"""


def make_specs(base: dict[str, Any], n_pairs: int) -> dict[str, MetaTrainingSpec]:
    """TBPTT by periods and over whole episodes, and the evolution strategies at one cost."""

    def make_spec(kind: str, period: int | None, **fields: int) -> MetaTrainingSpec:
        estimator = {"kind": kind, **fields}
        document = {**base, "estimator": estimator, "unroll": {"period": period}}
        return MetaTrainingSpec.model_validate(document)

    return {
        "tbptt, period 20": make_spec("tbptt", 20),
        "tbptt, whole episode": make_spec("tbptt", None),
        "es, whole episode": make_spec("es", None, n_pairs=n_pairs),
        "es-single, period 20": make_spec("es-single", 20, n_pairs=n_pairs),
        "pes, period 20": make_spec("pes", 20, n_pairs=n_pairs),
    }


class MetaLoss:
    """F, the mean loss over the learners of one episode."""

    def __init__(self, spec: MetaTrainingSpec, theta: Tensor) -> None:
        source = as_task_source(load("mnist5k"))
        self.spec = spec
        self.theta = theta
        self.rule = make_rule(spec.rule)
        self.optimizees = [
            build_training_optimizee(spec, source, 0, chunk) for chunk in range(spec.n_chunks)
        ]

    def estimate_gradient(self, spec: MetaTrainingSpec, seed: int) -> tuple[Tensor, float]:
        """The mean meta-gradient of an episode's updates, and seconds of one update.

        The estimator is that of `spec`.
        """
        began = time.perf_counter()
        total = torch.zeros_like(self.theta)
        for learner in range(len(self.optimizees)):
            self._add_gradients(total, spec, learner, seed)
        n_updates = spec.unroll.horizon // spec.period_of(0)
        seconds = (time.perf_counter() - began) / n_updates
        return total / len(self.optimizees) / n_updates, seconds

    def _add_gradients(
        self, total: Tensor, spec: MetaTrainingSpec, learner: int, seed: int
    ) -> None:
        """Add the meta-gradients of all periods of one learner."""
        period = Period(
            rule=self.rule,
            theta=self.theta,
            optimizee=self.optimizees[learner],
            objective=Objective(),
            rate=spec.unroll.rate,
            n_steps=spec.period_of(0),
            horizon=spec.unroll.horizon,
            seed=seed,
            episode=0,
            learners=[learner],
        )
        add_episode_gradients(total, spec.estimator, period)

    def measure_slope(self, direction: Tensor) -> float:
        """⟨g/‖g‖, ∇F⟩ by a central difference."""
        unit = (direction / direction.norm())[None, None]
        total = 0.0
        for optimizee in self.optimizees:
            pairs = antithetic_pairs(
                self.rule,
                self.theta,
                unit,
                optimizee,
                [begin_episode(self.rule, optimizee)] * 2,
                Objective(),
                sigma=STEP,
                n_steps=self.spec.unroll.horizon,
                rate=self.spec.unroll.rate,
            )
            total += float(pairs.slopes)
        return total / len(self.optimizees)

    def measure_square(self, n_directions: int) -> float:
        """‖∇F‖², from the slopes along random directions."""
        n_theta = len(self.theta)
        generator = make_generator(0, "benchmarks/directions")
        slopes = [
            self.measure_slope(torch.randn(n_theta, generator=generator))
            for _ in range(n_directions)
        ]
        return n_theta * sum(slope**2 for slope in slopes) / n_directions


def measure(n_learners: int, hidden: int, n_pairs: int, n_directions: int) -> dict[str, Any]:
    """Everything, as JSON."""
    base = {
        "task": {
            "dataset": "mnist5k",
            "hidden": [hidden],
            "activations": ["sigmoid", "relu", "elu", "tanh"],
        },
        "tricks": {"random_scaling": 0.0, "convex_dimension": 0, "convex_scaling": 0.0},
        "n_learners": n_learners,
        "chunk_size": 1,
    }
    specs = make_specs(base, n_pairs)
    trained = hyperadam.pretrained("hyperadam-v1")
    meta_loss = MetaLoss(specs["tbptt, whole episode"], trained.vector)

    square = meta_loss.measure_square(n_directions)
    return {
        "gradient_norm": square**0.5,
        "relative_error_of_square": (2 / n_directions) ** 0.5,
        "rows": [measure_estimator(name, spec, meta_loss, square) for name, spec in specs.items()],
    }


def measure_estimator(
    name: str, spec: MetaTrainingSpec, meta_loss: MetaLoss, square: float
) -> dict[str, Any]:
    """What an update costs by this estimator, and how well it points; `square` is ‖∇F‖²."""
    gradient, seconds = meta_loss.estimate_gradient(spec, seed=1)
    slope = meta_loss.measure_slope(gradient)
    norm = float(gradient.norm())
    row: dict[str, Any] = {
        "estimator": name,
        "seconds_per_update": seconds,
        "norm": norm,
        "slope": slope,
        "cosine": slope / square**0.5,
    }
    if spec.estimator.kind != "tbptt":
        row["relative_variance"] = norm**2 / square - 1
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--learners", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--directions", type=int, default=64)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--slopes", action="store_true", help="slopes that are promised, and true")
    parser.add_argument("--quick", action="store_true", help="of --slopes: few and small learners")
    options = parser.parse_args(arguments)
    if options.slopes:
        with one_thread():
            report_slopes(quick=options.quick, target=options.json)
        return
    with one_thread():
        figures = measure(options.learners, options.hidden, options.pairs, options.directions)
    print(json.dumps(figures, indent=2))
    if options.json:
        write_json(options.json, figures)


if __name__ == "__main__":
    main()
