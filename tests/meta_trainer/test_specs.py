"""Specs: bounded, complete when stored, and clear about what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hyperadam.rules import HyperAdamSpec
from pydantic import ValidationError

from meta_trainer.specs import PRESETS, EvaluationSpec, MetaTrainingSpec, merge


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_and_complete_when_stored(preset: str) -> None:
    spec = MetaTrainingSpec.model_validate({"preset": preset, "seed": 3})
    assert spec.seed == 3
    stored = spec.model_dump(mode="json")
    assert MetaTrainingSpec.model_validate(stored) == spec
    assert "preset" not in stored


def test_the_paper_preset_is_the_paper() -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "paper"})
    assert spec.rule == HyperAdamSpec()
    assert (spec.init, spec.unroll.horizon, spec.unroll.period, spec.unroll.lr) == ("paper", 100, 20, 0.005)
    assert (spec.task.dataset, spec.task.hidden, spec.task.activations) == ("mnist", (20,), ("sigmoid",))
    assert (spec.n_learners, spec.tricks.random_scaling, spec.tricks.convex_dimension) == (1, 3, 20)


def test_a_rule_is_laid_over_the_recommended_one() -> None:
    spec = MetaTrainingSpec.model_validate({"rule": {"n_candidates": 5}})
    assert (spec.rule.n_candidates, spec.rule.normalization, spec.rule.squash) == (5, "rms", "asinh")


def test_counts() -> None:
    spec = MetaTrainingSpec.model_validate({"n_learners": 6, "chunk_size": 3, "n_episodes": 7})
    assert (spec.n_chunks, spec.periods_per_episode, spec.n_updates) == (2, 5, 35)


@pytest.mark.parametrize(
    ("given", "where", "message"),
    [
        ({"preset": "big"}, (), "preset must be one of"),
        ({"n_episodes": 0}, ("n_episodes",), "greater than or equal to 1"),
        ({"bogus": 1}, ("bogus",), "not permitted"),
        ({"unroll": {"horizon": 7}}, ("unroll",), "horizon must be a multiple of period"),
        ({"n_learners": 3}, (), "n_learners must be a multiple of chunk_size"),
        ({"rule": {"n_candidates": 100}}, ("rule",), "n_candidates must be between 1 and 64"),
        ({"rule": {"bogus": 1}}, ("rule", "bogus"), "Unexpected keyword"),
        ({"register_as": "../up"}, ("register_as",), "pattern"),
        ({"register_as": "a..b"}, ("register_as",), "must be 1–64"),
        ({"meta_optimizer": {"rate": float("nan")}}, ("meta_optimizer", "rate"), ""),
        ({"task": {"activations": []}}, ("task", "activations"), "at least 1"),
        ({"task": {"dataset": "/etc/passwd"}}, ("task", "dataset"), "Input should be 'mnist5k'"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], where: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        MetaTrainingSpec.model_validate(given)
    (problem,) = error.value.errors()
    assert problem["loc"] == where
    assert message in problem["msg"]


def test_evaluations_check_their_references() -> None:
    assert EvaluationSpec.model_validate({"optimizers": ["hyperadam@3", "other"]}).n_starts == 20
    for bad in (["../x@1"], ["a@b@c"], []):
        with pytest.raises(ValidationError):
            EvaluationSpec.model_validate({"optimizers": bad})


def test_merge_goes_into_objects_only() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert merge(base, {"a": {"c": [3]}, "e": 5}) == {"a": {"b": 1, "c": [3]}, "d": 4, "e": 5}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 4}
