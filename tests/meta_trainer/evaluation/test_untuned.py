"""Optimizers at their packages' defaults move each learner as they move a model of its own; the
schedule of a run is torch's."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from itertools import pairwise
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta
from prodigyopt import Prodigy
from schedulefree import AdamWScheduleFree
from torch import Tensor
from torch.nn import Parameter
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from meta_trainer.evaluation import EvaluationData, evaluate
from meta_trainer.evaluation.baselines import HandDesigned
from meta_trainer.evaluation.reporting.introduction import write_introduction
from meta_trainer.evaluation.tuning import tune
from meta_trainer.evaluation.untuned import PackageMissing, Untuned, cut, open_optimizers
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.baselines import (
    BASELINES,
    FIELD_BASELINES,
    Baseline,
    UntunedBaseline,
    WarmupCosine,
)
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.rollout import rollouts

SHAPES = [(4, 3), (4,), (2, 2, 3), ()]
N_COORDINATES = 12 + 4 + 12 + 1
UNTUNED = {
    name: baseline for name, baseline in BASELINES.items() if isinstance(baseline, UntunedBaseline)
}
ALONE: dict[str, Any] = {
    "adamw-untuned": lambda p: [torch.optim.AdamW(p)],
    "prodigy": lambda p: [Prodigy(p)],
    "schedule-free": lambda p: [AdamWScheduleFree(p)],
    "muon": lambda p: [torch.optim.Muon(p[:1]), torch.optim.AdamW(p[1:])],
}


class Valley(Optimizee):
    """½ ‖w − t‖² of two learners at steps t."""

    @property
    def shapes(self) -> Any:
        return SHAPES

    def start(self) -> Tensor:
        return torch.linspace(-1, 1, 2 * N_COORDINATES).view(2, -1)

    def losses(self, w: Tensor, step: int) -> Tensor:
        return (w - step).square().sum(1) / 2

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.losses(w, step), w - step


@pytest.mark.parametrize("name", UNTUNED)
def test_each_learner_moves_and_ends_as_a_model_of_its_own(name: str) -> None:
    short, long = rollouts(Untuned(UNTUNED[name]), Valley(), [2, 6])
    for learner in range(2):
        for result, n_steps in ((short, 2), (long, 6)):
            expected = run_alone(name, Valley().start()[learner], n_steps)
            torch.testing.assert_close(result.parameters[learner], expected)
    assert not torch.equal(long.parameters, Valley().start())
    torch.testing.assert_close(long.final_losses, Valley().final_losses(long.parameters, 6))


def run_alone(name: str, w: Tensor, n_steps: int) -> Tensor:
    """As the package's page says: `train`, steps, `eval`."""
    parameters = [Parameter(part.clone()) for part in cut(w, SHAPES)]
    optimizers = ALONE[name](parameters)
    if name == "schedule-free":
        optimizers[0].train()
    for step in range(n_steps):
        for parameter in parameters:
            parameter.grad = parameter.detach() - step
        for optimizer in optimizers:
            optimizer.step()
    if name == "schedule-free":
        optimizers[0].eval()
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


def test_schedule_free_is_measured_at_its_average() -> None:
    optimizer = Untuned(UNTUNED["schedule-free"])
    w = Valley().start()
    state = optimizer.init(w, SHAPES)
    for step in range(3):
        w, state = optimizer.step(w, w - 5 - step, state)
    assert not torch.allclose(optimizer.final_weights(w, state), w, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", UNTUNED)
def test_rates_are_the_packages_defaults(name: str) -> None:
    optimizers = open_optimizers(UNTUNED[name].optimizer, [Parameter(torch.ones(2, 2))])
    assert [optimizer.param_groups[0]["lr"] for optimizer in optimizers] == [UNTUNED[name].rate]
    assert metadata.version(UNTUNED[name].package)


def test_a_missing_package_is_named_with_the_way_to_get_it() -> None:
    missing = UntunedBaseline("Prodigy", "no-such-package", 1.0)
    with pytest.raises(PackageMissing, match=r"no-such-package: pip install 'hyperadam-server\["):
        Untuned(missing)


@pytest.mark.parametrize("n_steps", [40, 300])
def test_warmup_and_cosine_are_those_of_torch(n_steps: int) -> None:
    n_warmup = n_steps // 20
    optimizer = torch.optim.SGD([Parameter(torch.ones(1))], lr=1.0)
    warmup = LinearLR(optimizer, 1 / n_warmup, 1.0, total_iters=n_warmup - 1)
    cosine = CosineAnnealingLR(optimizer, n_steps - n_warmup)
    scheduler = SequentialLR(optimizer, [warmup, cosine], [n_warmup])
    for step in range(n_steps):
        rate = optimizer.param_groups[0]["lr"]
        assert WarmupCosine().at(step, n_steps) == pytest.approx(rate, abs=1e-9)
        optimizer.step()
        scheduler.step()


def walk(optimizer: HandDesigned, n_steps: int) -> list[float]:
    """Where a number stands after each step, from 0 on, against gradients of −1."""
    w = torch.zeros(1, 1)
    state = optimizer.init(w)
    positions = []
    for _ in range(n_steps):
        w, state = optimizer.step(w, -torch.ones(1, 1), state)
        positions.append(float(w))
    return positions


def test_a_course_is_over_the_steps_of_its_run() -> None:
    baseline = Baseline(torch.optim.SGD, (0, 1), course=WarmupCosine(warmup=0.5))
    assert walk(HandDesigned(baseline, [2.0], 4), 4) == pytest.approx([1, 3, 5, 6])
    with pytest.raises(ValueError, match="must know how long its run is"):
        HandDesigned(baseline, [2.0])


def test_a_baseline_with_the_schedule_of_a_theta_comes_to_rest_with_it() -> None:
    beside = replace(BASELINES["adam-scheduled"], optimizer=torch.optim.SGD, arguments={}).beside(
        Rate(lr=0.1, rest=0.5)
    )
    assert beside.knows_length
    assert walk(HandDesigned(beside, [3.0], 4), 4) == pytest.approx([4, 8, 12, 14])
    with pytest.raises(ValueError, match="must know how long its run is"):
        HandDesigned(beside, [3.0])


def test_tuning_with_a_stride_tries_rates_that_far_apart() -> None:
    def make_optimizer(rates: Any, n_steps: int) -> HandDesigned:
        return HandDesigned(Baseline(torch.optim.SGD, (-16, -10)), rates, n_steps)

    tuned = tune((-16, -10), make_optimizer, lambda n, _: Slope(n), [3], 3)[3]
    tried = [rate for rate, _ in tuned.trials]
    ratios = [after / before for before, after in pairwise(tried)]
    assert ratios == pytest.approx([2**1.5] * len(ratios))
    assert min(tried) < tuned.rate < max(tried)


class Slope(Optimizee):
    """(w − 1)² of n learners that begin at 0."""

    def __init__(self, n_learners: int) -> None:
        self._n_learners = n_learners

    def start(self) -> Tensor:
        return torch.zeros(self._n_learners, 1)

    def losses(self, w: Tensor, step: int) -> Tensor:
        return (w - 1).square().sum(1)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.losses(w, step), 2 * (w - 1)


def test_all_of_them_stand_in_a_report_and_the_best_tuned_is_a_tuned_one(theta: Theta) -> None:
    spec = EvaluationSpec.model_validate(
        {
            "optimizers": ["a@1"],
            "suite": "field",
            "quick": True,
            "learners": ["mlp-16"],
            "baselines": FIELD_BASELINES,
        }
    )
    data = EvaluationData.load(spec)
    report = evaluate(spec, {"a@1": theta}, data, InProcessRunner(), LogRecorder())
    assert report.optimizers == ["a@1", *FIELD_BASELINES]
    assert all(row.n_diverged == 0 for row in report.rows)
    assert all(torch.equal(row.curves[0], report.rows[0].curves[0]) for row in report.rows)
    best = report.best_baseline("mlp-16-5")
    assert best is not None
    assert best.optimizer in ("adam", "adamw-warmup-cosine")
    text = " ".join(write_introduction(report))
    assert "The rate of adamw-warmup-cosine rises over 5 % of a run" in text
    assert "at their defaults: adamw-untuned, prodigy, schedule-free, muon." in text
