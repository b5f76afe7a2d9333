"""Typed results: tolerant of what is new, strict about what is known; and the public names."""

from __future__ import annotations

import inspect
import math
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import hyperadam
import pytest
from hyperadam import api
from hyperadam.api.decode import decode
from hyperadam.api.errors import PROBLEMS, make_problem_error
from hyperadam.api.jobs import AsyncJobs, Jobs
from hyperadam.api.keys import AsyncKeys, Keys
from hyperadam.api.optimizers import AsyncOptimizers, Optimizers
from hyperadam.api.specs import AsyncSpecs, Specs
from hyperadam.api.studies import AsyncStudies, Studies

JOB = {
    "id": "job_1",
    "kind": "meta-training",
    "name": None,
    "labels": {"team": "a"},
    "state": "succeeded",
    "spec": {"seed": 3},
    "created_at": "2026-01-02T03:04:05Z",
    "started_at": "2026-01-02T04:04:05+01:00",
    "ended_at": None,
    "attempt": 1,
    "run_id": "r",
    "progress": 1,
    "eta_seconds": None,
    "error": {"type": "ValueError", "message": "no"},
    "version": {"optimizer": "hyperadam", "number": 2, "sha256": "ab" * 32},
    "queue_position": None,
    "actor": "first",
}


def test_a_job() -> None:
    job = decode(api.Job, {**JOB, "brand_new": [1]})
    assert job.ended
    assert str(job.version) == "hyperadam@2"
    assert job.started_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (job.progress, type(job.progress)) == (1.0, float)
    assert job.error == api.JobError(type="ValueError", message="no")
    assert job.raw["brand_new"] == [1]
    assert "raw" not in repr(job)


def test_fields_of_a_later_server_or_an_earlier_one_may_be_missing() -> None:
    required = ("id", "kind", "state", "spec", "created_at")
    job = decode(api.Job, {name: JOB[name] for name in required})
    assert (job.progress, job.version, dict(job.labels)) == (None, None, {})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"id": 3}, r"answer\.id should be str"),
        ({"attempt": True}, r"answer\.attempt should be int"),
        ({"attempt": 1.5}, r"answer\.attempt should be int"),
        ({"progress": "half"}, r"answer\.progress should be int or float"),
        ({"labels": {"a": 1}}, r"answer\.labels\.a should be str"),
        ({"version": {"optimizer": "x"}}, r"answer\.version\.number is missing"),
        (
            {"created_at": "2026-01-02T03:04:05"},
            r"answer\.created_at should be a time with its zone",
        ),
        ({"spec": []}, r"answer\.spec should be Mapping"),
    ],
)
def test_a_wrong_type_is_named(change: dict[str, object], path: str) -> None:
    with pytest.raises(api.BadAnswer, match=path):
        decode(api.Job, {**JOB, **change})


def test_results_that_are_not_finite_are_none() -> None:
    row = {
        "task": "relu",
        "optimizer": "adam",
        "kind": "baseline",
        "mean": None,
        "finals": [0.5, None],
        "n_diverged": 1,
    }
    result = decode(
        api.EvaluationResult,
        {"suite": "activations", "dataset": "mnist5k", "rows": [row], "artifacts": []},
    )
    assert result.rows[0].finals == (0.5, None)
    series = api.MetricSeries(
        name="x", points=(api.MetricPoint(step=1, value=None), api.MetricPoint(step=2, value=3.0))
    )
    assert series.steps == [1, 2]
    assert math.isnan(series.values[0])


def test_records_are_frozen() -> None:
    with pytest.raises(AttributeError):
        decode(api.Job, JOB).state = "failed"  # type: ignore[misc]


def test_problem_names_are_those_of_the_documentation() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "rest.md"
    if not page.is_file():
        pytest.skip("the client is tested without the project around it")
    section = page.read_text("utf-8").partition("\n## Errors\n")[2].partition("\n## ")[0]
    documented = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", section, re.MULTILINE))
    assert set(documented) == set(PROBLEMS)
    for name, status in documented.items():
        error = make_problem_error(
            int(status), {"type": f"/problems/{name}", "detail": "why"}, {"x-request-id": "r"}
        )
        assert type(error) is PROBLEMS[name]
        assert isinstance(error, api.HyperAdamError)
        assert (error.problem, error.request_id, str(error)) == (name, "r", "why")


def test_a_new_problem_name_is_a_plain_error() -> None:
    error = make_problem_error(418, {"type": "/problems/teapot", "detail": "short and stout"}, {})
    assert type(error) is api.ApiError
    assert (error.problem, error.status) == ("teapot", 418)


def test_validation_lists_its_fields() -> None:
    document = {
        "type": "/problems/validation",
        "detail": "the spec is not valid",
        "errors": [{"field": "spec.seed", "message": "too small"}, "odd"],
    }
    error = make_problem_error(422, document, {})
    assert error.errors == (api.FieldError(field="spec.seed", message="too small"),)
    assert str(error) == "the spec is not valid\n  spec.seed: too small"


@pytest.mark.parametrize(
    ("blocking", "asynchronous"),
    [
        (Jobs, AsyncJobs),
        (Keys, AsyncKeys),
        (Optimizers, AsyncOptimizers),
        (Specs, AsyncSpecs),
        (Studies, AsyncStudies),
    ],
)
def test_both_clients_have_the_same_methods(blocking: type, asynchronous: type) -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        public = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(f).parameters)
            for name, f in public
            if not name.startswith("_")
        }

    assert methods(blocking) == methods(asynchronous)
    assert all(getattr(blocking, name).__doc__ for name in methods(blocking))


def test_public_names_are_lazy_and_complete() -> None:
    assert {
        "Client",
        "AsyncClient",
        "pull",
        "HyperAdamError",
        *(kind.__name__ for kind in PROBLEMS.values()),
    } <= set(hyperadam.__all__)
    loaded = "print('torch' in sys.modules, 'httpx2' in sys.modules)"
    code = f"import hyperadam, sys; {loaded}; hyperadam.Client; {loaded}"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert process.stdout.split() == ["False", "False", "False", "True"]


def test_the_fields_of_an_error_are_said_once() -> None:
    fields = [
        {"field": "spec.seed", "message": "too small"},
        {"field": "spec.rule", "message": "unknown"},
    ]
    named = make_problem_error(
        422, {"type": "x", "detail": "spec.seed: too small", "errors": fields}, {}
    )
    assert str(named) == "spec.seed: too small\n  spec.rule: unknown"
