"""Small evaluations: real data, few steps, few starts."""

from __future__ import annotations

from typing import Any

import pytest
from hyperadam.theta import Theta

from meta_trainer.evaluation import Report
from meta_trainer.evaluation.reporting import build_report_files, draw_report
from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule


@pytest.fixture(scope="session")
def theta() -> Theta:
    """An untrained Θ of three candidates: an ensemble of Adams."""
    spec = MetaTrainingSpec.model_validate({"rule": {"n_candidates": 3}})
    return Theta.from_vector(make_rule(spec.rule), make_initial_theta(spec), rate=spec.unroll.rate)


def evaluation_spec(**fields: Any) -> EvaluationSpec:
    small = {"n_starts": 5, "n_tuning_starts": 1, "horizon": 3, "baselines": ["adam", "sgd"]}
    return EvaluationSpec.model_validate({"optimizers": ["hyperadam@1"], **small, **fields})


def files_of(report: Report) -> dict[str, bytes]:
    return build_report_files(draw_report(report))


@pytest.fixture(scope="session")
def tiny_spec() -> EvaluationSpec:
    return evaluation_spec()
