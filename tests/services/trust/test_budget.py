"""Validation has a budget: no field of any spec, at its extremes, costs time or memory."""

from __future__ import annotations

import contextlib
import copy
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec
from meta_trainer.specs.study import StudySpec

MAX_SECONDS = 0.05
MAX_BYTES = 8 * 2**20
RATE = "unroll.rate.lr"
PLAIN = {"kind": "uniform", "low": 1e-4, "high": 1e-2}
SPECS: list[tuple[type[Any], dict[str, Any]]] = [
    (MetaTrainingSpec, {}),
    (EvaluationSpec, {"optimizers": ["a@1"]}),
    (StudySpec, {"space": {RATE: PLAIN}}),
]
EXTREMES: list[Any] = [
    0,
    -1,
    1,
    10**6,
    2**63 - 1,
    10**300,
    10**400,
    1e308,
    -1e308,
    5e-324,
    1e-300,
    float("inf"),
    True,
    "x" * 100_000,
    list(range(10_000)),
]
DOMAINS: list[dict[str, Any]] = [
    {"kind": "uniform", "low": 1e-4, "high": 1e-2, "step": 1e-10},
    {"kind": "uniform", "low": 1e-4, "high": 1e-2, "step": 1e-5},
    {"kind": "uniform", "low": 0, "high": 1e-2, "step": 5e-324},
    {"kind": "uniform", "low": -1e308, "high": 1e308},
    {"kind": "uniform", "low": -1e308, "high": 1e308, "step": 1e307},
    {"kind": "uniform", "low": -1e308, "high": 1e308, "step": 5e-324},
    {"kind": "log-uniform", "low": 5e-324, "high": 1e308},
    {"kind": "int", "low": 1, "high": 10**400},
    {"kind": "int", "low": -(10**400), "high": 10**400},
    {"kind": "int", "low": -(2**53), "high": 2**53},
    {"kind": "int", "low": 1, "high": 2, "step": 10**400},
    {"kind": "int", "low": 1, "high": 2**53, "log": True},
    {"kind": "choice", "options": [1e-4 * i for i in range(1, 65)]},
    {"kind": "choice", "options": ["x" * 10_000 + str(i) for i in range(64)]},
]


def list_leaves(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values that are neither an object nor a list of something."""
    if isinstance(content, dict):
        for name, member in content.items():
            yield from list_leaves(member, (*path, name))
    elif isinstance(content, list) and content:
        yield from list_leaves(content[0], (*path, 0))
    else:
        yield path


def replace_leaf(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(content)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return changed


def measure(model: type[Any], content: Any) -> float:
    """Seconds of a validation, which may refuse."""
    begin = time.thread_time()
    with contextlib.suppress(ValidationError):
        model.model_validate(content)
    return time.thread_time() - begin


def is_within_budget(model: type[Any], content: Any) -> bool:
    """Whether one of three tries is: a crowded machine makes others slower."""
    return any(measure(model, content) < MAX_SECONDS for _ in range(3))


@pytest.mark.parametrize(
    ("model", "content"), SPECS, ids=lambda part: getattr(part, "__name__", "")
)
def test_every_field_at_its_extremes(model: type[Any], content: dict[str, Any]) -> None:
    whole = model.model_validate(content).model_dump(mode="json")
    for path in list_leaves(whole):
        for value in EXTREMES:
            changed = replace_leaf(whole, path, value)
            assert is_within_budget(model, changed), (path, str(value)[:20])


@pytest.mark.parametrize("searcher", ["tpe", "grid"])
@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: str(domain)[:70])
def test_every_domain_at_its_extremes(domain: dict[str, Any], searcher: str) -> None:
    content = {"space": {RATE: domain}, "searcher": {"kind": searcher}}
    is_checked_by_points = searcher == "grid" and domain.get("step") == 1e-5
    assert is_checked_by_points or is_within_budget(StudySpec, content)

    tracemalloc.start()
    measure(StudySpec, content)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < MAX_BYTES


def test_the_smallest_request_that_hung_the_service(client: TestClient) -> None:
    domain = {"kind": "uniform", "low": 1e-4, "high": 1e-2, "step": 1e-10}
    spec = {"space": {RATE: domain}, "resources": {"cpus": 256}}
    begin = time.process_time()
    answer = client.post("/v1/jobs", json={"kind": "study", "spec": spec})
    assert answer.status_code == 201, answer.text
    assert time.process_time() - begin < 1
    assert client.get(f"/v1/jobs/{answer.json()['id']}").status_code == 200


def test_steps_are_counted_and_made_when_they_are_asked_for() -> None:
    content = {"space": {RATE: {**PLAIN, "low": 0.125, "high": 0.5, "step": 0.125}}}
    domain = StudySpec.model_validate(content).space[RATE]
    assert list(domain.values or ()) == [0.125, 0.25, 0.375, 0.5]
    assert domain.n_values == 4
    assert list(domain.probes) == [0.125, 0.25, 0.375, 0.5, 0.5]


def test_a_step_between_whole_numbers_is_still_found() -> None:
    domain = {"kind": "uniform", "low": 1, "high": 1000, "step": 0.5}
    with pytest.raises(ValidationError, match=r"warmup_steps = 1.5"):
        StudySpec.model_validate({"space": {"unroll.rate.warmup_steps": domain}})
