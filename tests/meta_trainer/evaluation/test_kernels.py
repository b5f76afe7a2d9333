"""What ran an evaluation's optimizers is a part of what its outcomes are kept by, and said beside
them; a worker that has something else does not run them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hyperadam.theta import Theta

from meta_trainer.evaluation import EvaluationData, evaluate
from meta_trainer.evaluation.contestants import list_contestants
from meta_trainer.evaluation.kernels import OF_BASELINES, find_kernels
from meta_trainer.evaluation.reporting.origin import Origin, describe_origin
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.training import kernel
from meta_trainer.training.kernel import KernelMissing, name_kernel

NAME = "hyperadam@1"


@pytest.mark.parametrize("named", [NAME, OF_BASELINES])
def test_a_worker_with_another_kernel_runs_nothing(
    tiny_spec: EvaluationSpec, theta: Theta, named: str
) -> None:
    kernels = {NAME: name_kernel(theta.rule), OF_BASELINES: name_kernel(None), named: "fused/other"}
    data = EvaluationData.load(tiny_spec)
    with pytest.raises(KernelMissing, match="began with the kernel fused/other"):
        evaluate(tiny_spec, {NAME: theta}, data, InProcessRunner(), LogRecorder(), kernels=kernels)


def test_outcomes_of_another_kernel_are_others_and_tuned_rates_of_baselines_are_not(
    tiny_spec: EvaluationSpec, theta: Theta
) -> None:
    def describe(width: str) -> list[dict[str, Any]]:
        kernels = {NAME: f"fused/{width}", OF_BASELINES: f"plain/{width}"}
        contestants = list_contestants(tiny_spec, {NAME: theta}, {}, InProcessRunner(), kernels)
        outcomes = [contestant.content() for contestant in contestants]
        rates = [contestant.tuning_content() for contestant in contestants[1:]]
        return [{"outcomes": outcome} for outcome in outcomes] + rates

    narrow = describe("AVX2")
    wide = describe("AVX512")
    assert [one == other for one, other in zip(narrow, wide, strict=True)] == [
        *[False] * 3,
        *[True] * 2,
    ]


def test_of_workers_with_different_kernels_the_fused_and_widest_is_taken(
    theta: Theta, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["plain/AVX512", "fused/AVX2", "fused/AVX512"]
    answers = itertools.cycle(names)
    monkeypatch.setattr(kernel, "name_kernel", lambda _: next(answers))
    monkeypatch.setattr(InProcessRunner, "n_workers", len(names))
    found = find_kernels({NAME: theta}, InProcessRunner())
    assert found == {NAME: "fused/AVX512", OF_BASELINES: "fused/AVX512"}


def test_a_report_says_its_kernels_and_one_from_before_is_read() -> None:
    origin = describe_origin("hyperadam evaluate", {}, {NAME: "fused/AVX2"})
    assert dict(origin.list_facts())["kernels"] == f"{NAME} fused/AVX2"
    before = origin.to_json()
    del before["kernels"]
    assert Origin.from_json(before).list_facts() == origin.list_facts()[:-1]
