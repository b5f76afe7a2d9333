"""What CONTRIBUTING says of adding a suite, a baseline and a learner: after one line each they are
evaluated."""

from __future__ import annotations

from typing import Any, Literal, cast

import pytest
import torch
from hyperadam.theta import Theta
from torch import Tensor

from meta_trainer.evaluation import EvaluationData, evaluate
from meta_trainer.evaluation.cells import Setting
from meta_trainer.learners import Classifier, Shapes
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import DatasetName, EvaluationSpec, Spec
from meta_trainer.specs.baselines import BASELINES, Baseline
from meta_trainer.specs.suites import SUITES, Suite
from meta_trainer.tasks.build import LEARNERS


class LinearTaskSpec(Spec):
    kind: Literal["linear"] = "linear"
    dataset: DatasetName = "mnist5k"
    batch_size: int = 128
    init_std: float = 0.1


class Linear(Classifier):
    """Logits = inputs W, with W (n_features, n_classes) as the flat vector."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        self._shape = (n_features, n_classes)

    @property
    def n_coordinates(self) -> int:
        return self._shape[0] * self._shape[1]

    @property
    def shapes(self) -> Shapes:
        return [self._shape[::-1]]

    def logits(self, w: Tensor, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        return inputs @ w.view(-1, *self._shape)


LINEAR = Suite(
    name="linear", title="Softmax regression", learners={"softmax": cast("Any", LinearTaskSpec())}
)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three lines."""
    monkeypatch.setitem(SUITES, "linear", LINEAR)
    monkeypatch.setitem(BASELINES, "adamax", Baseline(torch.optim.Adamax, (-14, -6)))
    monkeypatch.setitem(
        LEARNERS, "linear", lambda _, images: Linear(images.n_features, images.n_classes)
    )


@pytest.mark.usefixtures("added")
def test_one_line_each_and_they_are_evaluated(theta: Theta) -> None:
    fields = {
        "optimizers": ["a@1"],
        "suite": "linear",
        "quick": True,
        "baselines": ["adamax"],
        "horizon": 2,
    }
    spec = EvaluationSpec.model_validate(fields)
    data = EvaluationData.load(spec)
    report = evaluate(spec, {"a@1": theta}, data, InProcessRunner(), LogRecorder())
    learned, adamax = report.rows
    assert [(row.task, row.optimizer, row.kind) for row in report.rows] == [
        ("softmax", "a@1", "learned"),
        ("softmax", "adamax", "baseline"),
    ]
    assert torch.equal(learned.curves[0], adamax.curves[0])
    torch.testing.assert_close(adamax.curves, trained_alone(spec, data, adamax.rate.lr))


def trained_alone(spec: EvaluationSpec, data: EvaluationData, rate: float) -> Tensor:
    """Losses (T, L) of `torch.optim.Adamax` on one start after the other."""
    (task,) = spec.tasks
    setting, curves = (
        Setting(task.learner, task.stream, spec.seed),
        torch.zeros(spec.horizon, spec.n_starts),
    )
    for i in range(spec.n_starts):
        optimizee = setting.optimizee(data.train, range(i, i + 1))
        weights = torch.nn.Parameter(optimizee.start())
        optimizer = torch.optim.Adamax([weights], lr=rate)
        for step in range(spec.horizon):
            curves[step, i], weights.grad = optimizee.losses_and_gradients(weights.detach(), step)
            optimizer.step()
    return curves.double()
