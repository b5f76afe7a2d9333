"""What only evaluations may run: no job is trained, validated or tuned on it, or decides by it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec
from meta_trainer.specs.promotion import PromotionSpec
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.specs.suites import SUITES

TASKS = {
    suite: learner.model_dump(mode="json")
    for suite in ("unseen", "field")
    for learner in list(SUITES[suite].learners.values())[-1:]
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_no_job_is_validated_on_one(task: dict[str, Any]) -> None:
    tasks = {"mlp": {}, "validation": [task]}
    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        MetaTrainingSpec.model_validate({"tasks": tasks})


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_no_job_is_trained_on_one(task: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"task\.kind"):
        MetaTrainingSpec.model_validate({"task": task})
    with pytest.raises(ValidationError, match="tasks"):
        MetaTrainingSpec.model_validate({"tasks": {task["kind"]: {}}})


def test_no_study_and_no_promotion_decides_by_the_suite_field() -> None:
    EvaluationSpec(optimizers=("a@1",), suite="field")
    with pytest.raises(ValidationError, match=r"suite must be one of .*, got 'field'"):
        SuiteObjective(suite="field")
    with pytest.raises(ValidationError, match=r"suite must be one of .*, got 'field'"):
        PromotionSpec(if_better_on="field")
