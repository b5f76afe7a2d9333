"""A job keeps the kernel of its first attempt: another one waits, unless the spec allows it."""

from __future__ import annotations

from typing import Any

import pytest

from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.runners import InProcessRunner
from meta_trainer.runs import kernel
from meta_trainer.runs.kernel import KernelMissing, keep_kernel, name_kernel
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.checkpoints import digest_spec
from registry import Registry, connect
from tests.meta_trainer.conftest import TINY
from tests.meta_trainer.driver.jobs import open_job, read_done

SETTINGS = DriverSettings(tracking_uri="memory://", runner="in-process")


@pytest.fixture
def registry() -> Registry:
    return connect("memory://")


def keep(registry: Registry, monkeypatch: pytest.MonkeyPatch, name: str, **spec: Any) -> str:
    monkeypatch.setattr(kernel, "name_kernel", lambda _: name)
    run_id = registry.open_run("job_1", name="job")
    whole = MetaTrainingSpec.model_validate({**TINY, **spec})
    return keep_kernel(whole, registry, run_id, InProcessRunner())


def test_a_kernel_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = MetaTrainingSpec().rule
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


def test_a_kernel_that_is_asked_for(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KernelMissing, match="is to be fused; the workers have plain/AVX512"):
        keep(registry, monkeypatch, "plain/AVX512", kernel="fused")
    assert keep(registry, monkeypatch, "fused/AVX512", kernel="fused") == "fused/AVX512"


def test_an_attempt_that_cannot_have_it_waits_and_says_so(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = open_job(registry)
    monkeypatch.setattr(kernel, "name_kernel", lambda _: "fused/AVX512")
    assert run_attempt(registry, run_id, 1, SETTINGS)
    assert registry.version("hyperadam", "1").manifest["provenance"]["kernel"] == "fused/AVX512"
    monkeypatch.setattr(kernel, "name_kernel", lambda _: "plain/AVX512")
    assert run_attempt(registry, run_id, 2, SETTINGS)
    record = read_done(registry, run_id, attempt=2)
    assert record["outcome"] == "waiting"
    assert "began with the kernel fused/AVX512" in record["reason"]


def test_checkpoints_from_before_go_on() -> None:
    spec = MetaTrainingSpec.model_validate(TINY)
    assert digest_spec(spec) == digest_spec(spec.model_copy(update={"kernel": "any"}))
