"""The same numbers from this process and from Ray."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hyperadam.theta import Theta

from meta_trainer.evaluation import EvaluationData, evaluate
from meta_trainer.evaluation.reporting import report_to_json
from meta_trainer.runners import InProcessRunner
from meta_trainer.runners.ray_runner import RayRunner
from meta_trainer.specs import EvaluationSpec
from tests.meta_trainer.ray_here import ray_here

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def runner() -> Iterator[RayRunner]:
    with ray_here(2):
        yield RayRunner()


def test_same_result_as_in_process(
    runner: RayRunner, tiny_spec: EvaluationSpec, theta: Theta, recorder: Any
) -> None:
    data, thetas = EvaluationData.load(tiny_spec), {"hyperadam@1": theta}
    expected = evaluate(tiny_spec, thetas, data, InProcessRunner(), type(recorder)())
    report = evaluate(tiny_spec, thetas, data, runner, recorder)
    assert report_to_json(report) == report_to_json(expected)
    cells = [data for kind, data in recorder.events if kind == "cell"]
    assert len(cells) == cells[-1]["done"] == cells[-1]["total"]
