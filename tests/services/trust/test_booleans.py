"""`true` is no number: not in any spec, not in any body."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel, ValidationError

from meta_trainer.specs import MetaTrainingSpec
from services.jobs.schemas import CloneRequest, EditRequest, JobRequest
from services.optimizers.schemas import AliasRequest
from services.studies.schemas import StudyLimits
from tests.services.trust.test_budget import SPECS, list_leaves, replace_leaf

JOB = {"kind": "study", "priority": 1, "labels": {"a": "b"}}
BODIES: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (JobRequest, JOB),
    (CloneRequest, {"priority": 1}),
    (EditRequest, {"priority": 1}),
    (AliasRequest, {"version": 1}),
    (StudyLimits, {"trials": 1, "parallel_trials": 1}),
]
ONE_OF_EACH_RULE = [
    (MetaTrainingSpec, {"rule": {"kind": kind}})
    for kind in ("hyperadam", "rnnprop", "dm", "hyperadam-tensor")
]


def is_number(content: Any, path: tuple[Any, ...]) -> bool:
    for key in path:
        content = content[key]
    return isinstance(content, (int, float)) and not isinstance(content, bool)


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(("model", "content"), [*SPECS, *BODIES, *ONE_OF_EACH_RULE])
def test_no_number_is_a_truth_value(
    model: type[BaseModel], content: dict[str, Any], value: bool
) -> None:
    whole = {**model.model_validate(content).model_dump(mode="json"), **content}
    numbers = [path for path in list_leaves(whole) if is_number(whole, path)]
    assert numbers
    for path in numbers:
        with pytest.raises(ValidationError, match="a truth value"):
            model.model_validate(replace_leaf(whole, path, value))


def test_the_answer_names_the_field(client: TestClient) -> None:
    spec = {"preset": "quick", "unroll": {"rate": {"lr": True}}}
    answer = client.post("/v1/jobs", json={"kind": "meta-training", "spec": spec})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "spec.unroll.rate.lr"
    assert "must not be true, a truth value" in error["message"]

    answer = client.post("/v1/jobs", json={"kind": "meta-training", "priority": True})
    assert [error["field"] for error in answer.json()["errors"]] == ["priority"]
