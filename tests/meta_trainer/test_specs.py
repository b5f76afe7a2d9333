"""Specs: bounded, complete when stored, and clear about what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hyperadam.rules import DMSpec, HyperAdamSpec, RNNpropSpec
from pydantic import ValidationError

from meta_trainer.specs import PRESETS, EvaluationSpec, MetaTrainingSpec, merge
from meta_trainer.specs.schema import build_schemas


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_and_complete_when_stored(preset: str) -> None:
    spec = MetaTrainingSpec.model_validate({"preset": preset, "seed": 3})
    assert spec.seed == 3
    stored = spec.model_dump(mode="json")
    assert MetaTrainingSpec.model_validate(stored) == spec
    assert "preset" not in stored


def test_a_jobs_validation_lies_over_that_of_its_preset() -> None:
    """What it does not name stays, and an empty list takes a list away: so says the schema."""
    preset = MetaTrainingSpec.model_validate({"preset": "default"}).validation
    assert preset.horizons
    assert preset.lengths
    fewer = MetaTrainingSpec.model_validate({"preset": "default", "validation": {"n_learners": 2}})
    assert fewer.validation == preset.model_copy(update={"n_learners": 2})
    given = {"horizons": [50], "lengths": []}
    other = MetaTrainingSpec.model_validate({"preset": "default", "validation": given})
    assert other.validation == preset.model_copy(update={"horizons": (50,), "lengths": ()})
    said = build_schemas()["MetaTrainingSpec"]["properties"]["preset"]["description"]
    assert "object by object" in said
    assert "a list" in said


def test_the_paper_preset_is_the_paper() -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "paper"})
    assert spec.rule == HyperAdamSpec()
    assert (spec.init, spec.unroll.horizon, spec.unroll.period, spec.unroll.rate.lr) == (
        "paper",
        100,
        20,
        0.005,
    )
    assert (spec.task.dataset, spec.task.hidden, spec.task.activations) == (
        "mnist",
        (20,),
        ("sigmoid",),
    )
    assert (spec.n_learners, spec.tricks.random_scaling, spec.tricks.convex_dimension) == (1, 3, 20)
    assert (spec.unroll.score, spec.meta_optimizer.clip_norm) == ("pre", 1e6)  # no clipping
    assert (spec.validation.every_episodes, spec.validation.n_learners) == (100, 10)


def test_a_rule_is_laid_over_the_recommended_one() -> None:
    spec = MetaTrainingSpec.model_validate({"rule": {"n_candidates": 5}})
    assert (spec.rule.n_candidates, spec.rule.normalization, spec.rule.squash) == (
        5,
        "rms",
        "asinh",
    )


@pytest.mark.parametrize(("kind", "rule"), [("rnnprop", RNNpropSpec()), ("dm", DMSpec())])
def test_other_rules_come_with_recommendations_of_their_own(kind: str, rule: Any) -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "quick", "rule": {"kind": kind}})
    assert spec.rule == rule
    assert (spec.init, spec.unroll.rate.lr) == ("paper", 1.0)
    assert (spec.n_episodes, spec.register_as) == (12, "quick")  # of the preset
    recommended = MetaTrainingSpec(rule=rule)
    assert (recommended.rule, recommended.register_as) == (rule, kind)
    given = {"rule": {"kind": kind, "n_hidden": 7}, "unroll": {"lr": 0.5}, "register_as": "mine"}
    spec = MetaTrainingSpec.model_validate(given)
    assert (spec.rule.n_hidden, spec.unroll.rate.lr, spec.register_as) == (7, 0.5, "mine")  # type: ignore[union-attr]


def test_the_presets_of_the_other_rules() -> None:
    rnnprop = MetaTrainingSpec.model_validate({"preset": "rnnprop-paper"})
    assert (rnnprop.rule, rnnprop.unroll.meta_loss, rnnprop.tricks.random_scaling) == (
        RNNpropSpec(),
        "last",
        3.0,
    )
    dm = MetaTrainingSpec.model_validate({"preset": "dm-paper"})
    assert (dm.rule, dm.unroll.meta_loss, dm.tricks.random_scaling) == (DMSpec(), "mean", 0.0)
    for spec in (rnnprop, dm):
        assert (spec.unroll.rate.lr, spec.unroll.horizon, spec.unroll.period, spec.n_learners) == (
            1.0,
            100,
            20,
            1,
        )
        assert (spec.task.dataset, spec.register_as) == ("mnist", spec.rule.kind)
    wider = MetaTrainingSpec.model_validate({"preset": "rnnprop-paper", "rule": {"beta2": 0.99}})
    assert wider.rule == RNNpropSpec(beta2=0.99)


def test_validation_horizons_rise_and_are_those_of_the_unroll_if_not_given() -> None:
    assert MetaTrainingSpec().validation_horizons == (100,)
    assert MetaTrainingSpec.model_validate(
        {"validation": {"horizons": [100, 1000]}}
    ).validation_horizons == (100, 1000)
    for wrong in ([100, 100], [1000, 100]):
        with pytest.raises(ValidationError, match=r"validation.horizons\n.*horizons must rise"):
            MetaTrainingSpec.model_validate({"validation": {"horizons": wrong}})


def test_counts() -> None:
    spec = MetaTrainingSpec.model_validate({"n_learners": 6, "chunk_size": 3, "n_episodes": 7})
    assert (spec.n_chunks, spec.n_updates) == (2, 35)


@pytest.mark.parametrize(
    ("given", "where", "message"),
    [
        ({"preset": "big"}, (), "preset must be one of"),
        ({"n_episodes": 0}, ("n_episodes",), "greater than or equal to 1"),
        ({"bogus": 1}, ("bogus",), "not permitted"),
        ({"unroll": {"horizon": 7}}, ("unroll",), "horizon must be a multiple of period"),
        ({"n_learners": 3}, (), "n_learners must be a multiple of chunk_size"),
        (
            {"rule": {"n_candidates": 100}},
            ("rule", "hyperadam"),
            "n_candidates must be between 1 and 64",
        ),
        ({"rule": {"bogus": 1}}, ("rule", "hyperadam", "bogus"), "Unexpected keyword"),
        (
            {"rule": {"kind": "dm", "squash": "none"}},
            ("rule", "dm", "squash"),
            "Unexpected keyword",
        ),
        (
            {"rule": {"kind": "rnnprop", "beta1": 2}},
            ("rule", "rnnprop"),
            "beta1 must be between 0 and 0.9999",
        ),
        ({"rule": {"kind": "adam"}}, ("rule",), "expected tags: 'hyperadam', 'rnnprop', 'dm'"),
        ({"rule": {"kind": ["dm"]}}, ("rule",), "expected tags: 'hyperadam', 'rnnprop', 'dm'"),
        ({"rule": 5}, ("rule",), "valid dictionary"),
        (
            {"rule": {"kind": "dm"}, "init": "adam-ensemble"},
            (),
            "init must be one of paper for rule 'dm'",
        ),
        (
            {"rule": {"lstm": False}, "init": "warm-ensemble"},
            (),
            "init must be one of adam-ensemble, paper for rule",
        ),
        (
            {"estimator": {"kind": "pes", "tensors": ["lstm"]}},
            (),
            "estimator.tensors must be some of preprocess.weight",
        ),
        (
            {"estimator": {"kind": "pes", "tensors": []}},
            ("estimator", "pes", "tensors"),
            "at least 1",
        ),
        (
            {"estimator": {"kind": "pes", "tensors": ["a", "a"]}},
            ("estimator", "pes", "tensors"),
            "must be different",
        ),
        (
            {"preset": "dm-paper", "rule": {"kind": "rnnprop"}},
            (),
            "rule must be of kind 'dm' with preset 'dm-paper'",
        ),
        ({"register_as": "../up"}, ("register_as",), "pattern"),
        ({"register_as": "a..b"}, ("register_as",), "must be 1–64"),
        ({"meta_optimizer": {"rate": float("nan")}}, ("meta_optimizer", "rate"), ""),
        ({"task": {"activations": []}}, ("task", "activations"), "at least 1"),
        ({"task": {"dataset": "/etc/passwd"}}, ("task", "dataset"), "must be one of mnist5k"),
    ],
)
def test_what_is_wrong_is_named(
    given: dict[str, Any], where: tuple[str, ...], message: str
) -> None:
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
