"""A job keeps the kernel of its first attempt: another one waits, unless the spec allows it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hyperadam.rules import DMRule, Rule

from meta_trainer.datasets import load
from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.runs.kernel import keep_kernel, keep_kernels
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training import kernel
from meta_trainer.training.checkpoints import digest_spec
from meta_trainer.training.kernel import KernelMissing, demand_kernel, name_kernel
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.units import make_rule
from registry import Registry, connect
from tests.meta_trainer.conftest import TINY
from tests.meta_trainer.driver.jobs import open_job, read_done

SETTINGS = DriverSettings(tracking_uri="memory://", runner="in-process")


@pytest.fixture
def registry() -> Registry:
    return connect("memory://")


def have(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Workers have these kernels, one call after the other, and then the last of them."""
    answers = itertools.chain(names, itertools.repeat(names[-1]))
    monkeypatch.setattr(kernel, "name_kernel", lambda _: next(answers))


def keep(registry: Registry, monkeypatch: pytest.MonkeyPatch, *names: str, **spec: Any) -> str:
    have(monkeypatch, *names)
    run_id = registry.open_run("job_1", name="job")
    whole = MetaTrainingSpec.model_validate({**TINY, **spec})
    runner = InProcessRunner()
    monkeypatch.setattr(InProcessRunner, "n_workers", len(names))
    return keep_kernel(whole, registry, run_id, runner)


@pytest.mark.parametrize(
    "rule", [make_rule(MetaTrainingSpec().rule), DMRule()], ids=["hyperadam", "dm"]
)
def test_a_kernel_has_a_name(rule: Rule[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERADAM_KERNEL", "off")
    plain, _, width = name_kernel(rule).partition("/")
    assert plain == "plain"
    assert width


def test_another_kernel_does_not_go_on(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keep(registry, monkeypatch, "fused/AVX512") == "fused/AVX512"
    assert keep(registry, monkeypatch, "fused/AVX512") == "fused/AVX512"
    for other in ("plain/AVX512", "fused/AVX2"):
        with pytest.raises(KernelMissing, match=f"began with .* fused/AVX512, .* have {other}"):
            keep(registry, monkeypatch, other)
        assert keep(registry, monkeypatch, other, kernel="any") == other


def test_later_attempts_need_one_worker_with_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KernelMissing, match="different kernels: fused/AVX2, fused/AVX512"):
        keep(registry, monkeypatch, "fused/AVX512", "fused/AVX2")
    assert keep(registry, monkeypatch, "fused/AVX512") == "fused/AVX512"
    assert keep(registry, monkeypatch, "plain/AVX512", "fused/AVX512") == "fused/AVX512"


def test_a_kernel_that_is_asked_for(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KernelMissing, match="is to be fused; the workers have plain/AVX512"):
        keep(registry, monkeypatch, "plain/AVX512", kernel="fused")
    assert keep(registry, monkeypatch, "fused/AVX512", kernel="fused") == "fused/AVX512"


def test_an_attempt_that_cannot_have_it_waits_and_says_so(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = open_job(registry)
    have(monkeypatch, "fused/AVX512")
    assert run_attempt(registry, run_id, 1, SETTINGS)
    assert registry.version("hyperadam", "1").manifest["provenance"]["kernel"] == "fused/AVX512"
    have(monkeypatch, "plain/AVX512")
    assert run_attempt(registry, run_id, 2, SETTINGS)
    record = read_done(registry, run_id, attempt=2)
    assert record["outcome"] == "waiting"
    assert "began with the kernel fused/AVX512" in record["reason"]


@pytest.mark.parametrize("n_calls", [1, 3], ids=["within a period", "at a validation"])
def test_a_worker_that_comes_later_without_it_does_not_begin(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, n_calls: int
) -> None:
    run_id = open_job(registry)
    have(monkeypatch, *["fused/AVX512"] * n_calls, "plain/AVX512")
    assert run_attempt(registry, run_id, 1, SETTINGS)
    record = read_done(registry, run_id, attempt=1)
    assert record["outcome"] == "waiting"
    assert "began with the kernel fused/AVX512" in record["reason"]

    have(monkeypatch, "fused/AVX512")
    assert run_attempt(registry, run_id, 2, SETTINGS)
    assert read_done(registry, run_id, attempt=2)["outcome"] == "succeeded"


def test_a_spec_that_takes_any_demands_none(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, "plain/AVX512")
    spec = MetaTrainingSpec.model_validate({**TINY, "kernel": "any"})
    data = load("mnist5k")
    training = MetaTraining(spec, data, InProcessRunner(), LogRecorder(), kernel="fused/AVX512")
    assert training.run().n_updates == spec.n_updates


def test_a_compiler_that_is_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr(kernel, "forget_libraries", lambda: forgotten.append(True))
    rule = make_rule(MetaTrainingSpec().rule)
    here = name_kernel(rule)
    demand_kernel(rule, here)
    demand_kernel(rule, None)
    assert not forgotten
    with pytest.raises(KernelMissing):
        demand_kernel(rule, "another")
    assert forgotten


def test_an_evaluation_keeps_those_of_its_first_attempt(registry: Registry) -> None:
    run_id = registry.open_run("job_1", name="job")
    first = {"hyperadam@1": "fused/AVX512", "baselines": "plain/AVX512"}
    assert keep_kernels(lambda: first, registry, run_id) == first
    assert keep_kernels(lambda: {"baselines": "plain/AVX2"}, registry, run_id) == first


def test_checkpoints_from_before_go_on() -> None:
    spec = MetaTrainingSpec.model_validate(TINY)
    assert digest_spec(spec) == digest_spec(spec.model_copy(update={"kernel": "any"}))
