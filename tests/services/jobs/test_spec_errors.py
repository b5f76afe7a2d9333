"""The fields that a refused spec names: those that its validators blame, and each is in the
schema."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, model_validator

from meta_trainer.specs.base import Spec
from meta_trainer.specs.problems import FieldProblem
from services.jobs.spec_errors import field_errors
from services.jobs.specs import SPECS

RATES = {"meta_optimizer.rate": {"kind": "choice", "options": [0.1, 0.2]}}
POPULATION = {"space": RATES, "searcher": {"kind": "pbt"}, "limits": {"parallel_trials": 4}}
ONE = {"optimizers": ["mine@1"]}
JOB = {"job": "job_a", "checkpoint": 3}


class Inner(Spec):
    """An object with a rule about two of its fields."""

    low: int
    high: int

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise FieldProblem("high", "low lies above it")
        return self


class Outer(Spec):
    inner: Inner


def refusals(model: type[BaseModel], content: Any) -> dict[str, str]:
    """Field → message."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate(content)
    return {error.field: error.message for error in field_errors(model, refused.value)}


def test_a_message_may_begin_with_any_word() -> None:
    assert refusals(Outer, {"inner": {"low": 2, "high": 1}}) == {
        "spec.inner.high": "low lies above it"
    }
    assert refusals(Inner, {"low": 2, "high": 1}) == {"spec.high": "low lies above it"}


def uniform(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"unroll.lr": {"kind": "uniform", "low": low, "high": high, **more}}


def choice(path: str, *options: Any, **more: Any) -> dict[str, Any]:
    return {path: {"kind": "choice", "options": list(options), **more}}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"preset": "slow"}, "preset"),
        ({"preset": "paper", "rule": {"kind": "dm"}}, "rule"),
        ({"rule": {"n_candidates": 65}}, "rule.n_candidates"),
        ({"rule": {"squash": "cube"}}, "rule.squash"),
        ({"unroll": {"horizon": 50, "period": 20}}, "unroll.horizon"),
        ({"unroll": {"meta_loss": "last", "final_weight": 0.5}}, "unroll.final_weight"),
        ({"unroll": {"meta_loss": "log", "loss_scaling": "initial"}}, "unroll.loss_scaling"),
        ({"unroll": {"curriculum": {"initial": 3}}}, "unroll.curriculum"),
        ({"task": None}, "tasks"),
        ({"tasks": {"mlp": {}}, "task": {}}, "tasks"),
        ({"tasks": {"mlp": {}, "horizon": [10, 40]}}, "tasks"),
        ({"tasks": {}}, "tasks"),
        ({"tasks": {"preset": "slow"}}, "tasks"),
        ({"parent": "mine@1", "continue_from": JOB}, "continue_from"),
        ({"adjustment": {"memory": 1}, "rule": {"kind": "dm"}}, "adjustment"),
        ({"adjustment": {"memory": 1}, "continue_from": JOB}, "adjustment"),
        ({"estimator": {"kind": "es"}, "unroll": {"period": 10}}, "estimator"),
        ({"estimator": {"kind": "tbptt", "truncation": 7}}, "estimator"),
        ({"estimator": {"kind": "pes", "tensors": ["x"]}}, "estimator.tensors"),
        ({"meta_optimizer": {"tensors": ["x"]}}, "meta_optimizer.tensors"),
        ({"rule": {"kind": "rnnprop"}, "init": "adam-ensemble"}, "init"),
        ({"n_learners": 5, "chunk_size": 2}, "n_learners"),
    ],
)
def test_every_rule_of_a_meta_training_names_its_field(spec: dict[str, Any], field: str) -> None:
    assert list(refusals(SPECS["meta-training"], spec)) == [f"spec.{field}"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"optimizers": ["mine@1", "mine@1"]}, "optimizers"),
        ({"baselines": ["adam", "adam"]}, "baselines"),
        ({"learners": ["mlp", "mlp"]}, "learners"),
        ({"learners": ["nobody"]}, "learners"),
        ({"suite": "table3", "dataset": "mnist5k"}, "dataset"),
        ({"suite": "timing", "tune_learned": True}, "tune_learned"),
        ({"suite": "timing", "baselines": []}, "baselines"),
        ({"suite": "ablation-j"}, "optimizers"),
        ({"suite": "all", "horizon": 7}, "horizon"),
    ],
)
def test_every_rule_of_an_evaluation_names_its_field(spec: dict[str, Any], field: str) -> None:
    assert list(refusals(SPECS["evaluation"], {**ONE, **spec})) == [f"spec.{field}"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"preset": "slow"}, "preset"),
        ({"space": RATES, "base": {"preset": "slow"}}, "base"),
        ({"space": RATES, "base": {"promote": {}}}, "base.promote"),
        ({"space": RATES, "base": {"continue_from": JOB}}, "base.continue_from"),
        ({"space": RATES, "seeds": [1, 1]}, "seeds"),
        ({"space": choice("bogus", 1, 2)}, "space.bogus"),
        ({"space": choice("seed", 1, 2)}, "space.seed"),
        ({"space": choice("unroll.horizon", 7, 20)}, "space.unroll.horizon"),
        ({"space": choice("n_learners", 2, 2)}, "space.n_learners.options"),
        ({"space": choice("n_learners", 2, 4, labels=["a"])}, "space.n_learners.labels"),
        ({"space": choice("n_learners", 2, 4, labels=["a", "a"])}, "space.n_learners.labels"),
        ({"space": uniform(0.3, 0.1)}, "space.unroll.lr.high"),
        ({"space": uniform(0.1, 0.3, step=1)}, "space.unroll.lr.step"),
        (
            {"space": {"n_episodes": {"kind": "int", "low": 0, "high": 2, "log": True}}},
            "space.n_episodes.log",
        ),
        ({"space": uniform(0.1, 0.3), "searcher": {"kind": "grid"}}, "space.unroll.lr"),
        (
            {
                "space": {"n_episodes": {"kind": "int", "low": 1, "high": 5000}},
                "searcher": {"kind": "grid"},
            },
            "space",
        ),
        ({**POPULATION, "space": choice("n_learners", 2, 4)}, "space.n_learners"),
        ({**POPULATION, "scheduler": {"kind": "asha"}}, "scheduler"),
        ({**POPULATION, "objective": {"kind": "suite"}}, "objective"),
        ({**POPULATION, "limits": {"parallel_trials": 2}}, "limits"),
        (
            {"space": RATES, "objective": {"kind": "suite", "suite": "table3"}},
            "objective.dataset",
        ),
        ({"space": RATES, "objective": {"kind": "suite", "suite": "ablation-j"}}, "objective"),
    ],
)
def test_every_rule_of_a_study_names_its_field(spec: dict[str, Any], field: str) -> None:
    if spec.get("objective", {}).get("suite") == "table3":
        spec["objective"]["quick"] = False
    assert list(refusals(SPECS["study"], spec)) == [f"spec.{field}"]


STARTS: list[tuple[str, dict[str, Any]]] = [
    ("meta-training", SPECS["meta-training"]().model_dump(mode="json")),
    (
        "meta-training",
        SPECS["meta-training"]
        .model_validate({"tasks": {"preset": "mixed"}})
        .model_dump(mode="json"),
    ),
    ("evaluation", SPECS["evaluation"].model_validate(ONE).model_dump(mode="json")),
    ("study", SPECS["study"].model_validate({"space": RATES}).model_dump(mode="json")),
]
SCHEMAS = {kind: model.model_json_schema() for kind, model in SPECS.items()}
VALUES = [0, 1, 3, -1, 0.5, 1e9, None, "x", "mnist5k", "all", "timing", "log", True, [], {}, [2, 1]]


def paths(content: Any) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each value in a JSON value."""
    keys = content if isinstance(content, dict) else range(len(content))
    for key in keys:
        yield (key,)
        if isinstance(content[key], dict | list):
            yield from ((key, *rest) for rest in paths(content[key]))


PLACES = [(kind, start, path) for kind, start in STARTS for path in paths(start)]


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a path."""
    copied = copy.deepcopy(content)
    place = copied
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copied


def member_schemas(schema: Mapping[str, Any], key: str, root: Mapping[str, Any]) -> Iterator[Any]:
    """What a JSON schema says of a key, in each of its alternatives."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from member_schemas(alternative, key, root)
    if key in schema.get("properties", {}):
        yield schema["properties"][key]
    if key.isdigit():
        yield schema.get("items", {})
        yield from schema.get("prefixItems", ())


def is_in_schema(field: str, schema: Mapping[str, Any]) -> bool:
    """Whether a dotted path below `spec` leads somewhere; the keys of a study's space are free."""
    keys = field.split(".")[1:]
    if keys[0] == "space":
        return "space" in schema["properties"]
    level: list[Any] = [schema]
    for key in keys:
        level = list(itertools.chain(*(member_schemas(place, key, schema) for place in level)))
    return bool(level)


@given(st.sampled_from(PLACES), st.sampled_from(VALUES))
@settings(max_examples=100)
def test_whatever_a_validator_blames_is_in_the_schema(place: Any, value: Any) -> None:
    kind, start, path = place
    try:
        SPECS[kind].model_validate(changed(start, path, value))
    except ValidationError as error:
        details = error.errors(include_url=False)
        for item, refusal in zip(details, field_errors(SPECS[kind], error), strict=True):
            if item["type"] == "value_error":
                assert is_in_schema(refusal.field, SCHEMAS[kind]), refusal
