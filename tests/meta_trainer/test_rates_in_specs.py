"""The rate in specs: one object, which specs from before it say field by field."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hyperadam.rates import Rate
from pydantic import ValidationError

from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec
from meta_trainer.specs.rates import RATE_FIELDS, RateChanges, path_of_today, spec_of_today
from meta_trainer.training.checkpoints import digest_spec

BESIDE = {"lr": 0.01, "warmup_steps": 3, "decay_after": 40, "weight_decay": 0.5}


def test_fields_beside_the_others_are_those_of_the_rate() -> None:
    old = MetaTrainingSpec.model_validate({"unroll": {"horizon": 40, **BESIDE}})
    new = MetaTrainingSpec.model_validate({"unroll": {"horizon": 40, "rate": BESIDE}})
    assert old == new
    assert old.unroll.rate == Rate(**BESIDE)  # type: ignore[arg-type]
    assert MetaTrainingSpec.model_validate_json(new.model_dump_json()) == new


@pytest.mark.parametrize("unroll", [{"lr": 0.25}, {"rate": {"lr": 0.25}}])
@pytest.mark.parametrize("base", [{"preset": "mlps-784"}, {"rule": {"kind": "rnnprop"}}])
def test_what_is_given_lies_over_a_preset(base: dict[str, Any], unroll: dict[str, Any]) -> None:
    preset = MetaTrainingSpec.model_validate(base).unroll.rate
    spec = MetaTrainingSpec.model_validate({**base, "unroll": unroll})
    assert spec.unroll.rate == Rate(**{**preset.to_fields(), "lr": 0.25})  # type: ignore[arg-type]


def test_an_evaluation_changes_what_it_says_alone() -> None:
    beside = EvaluationSpec.model_validate({"optimizers": ["x@1"], "decay_after": 0})
    inside = EvaluationSpec.model_validate({"optimizers": ["x@1"], "rate": {"decay_after": 0}})
    assert beside == inside
    rate = Rate(lr=0.1, warmup_steps=5, decay_after=7)
    assert inside.rate.apply_to(rate) == Rate(lr=0.1, warmup_steps=5)
    told = Rate(lr=0.1, warmup_steps=5, warmup_share=0.5)
    in_steps = EvaluationSpec.model_validate({"optimizers": ["x@1"], "rate": {"warmup_steps": 7}})
    assert in_steps.rate.apply_to(told) == Rate(lr=0.1, warmup_steps=7)


@pytest.mark.parametrize(
    ("unroll", "place"),
    [
        ({"rate": {"warmup_steps": -1}}, ("unroll", "rate", "warmup_steps")),
        ({"warmup_steps": 10**9}, ("unroll", "rate", "warmup_steps")),
        ({"rate": {"colour": 1}}, ("unroll", "rate", "colour")),
        ({"rate": {"lr": 0}}, ("unroll",)),
        ({"lr": 2}, ("unroll",)),
        ({"rate": 5}, ("unroll", "rate")),
    ],
)
def test_what_is_no_rate_is_refused_at_its_field(
    unroll: dict[str, Any], place: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as refusal:
        MetaTrainingSpec.model_validate({"unroll": unroll})
    assert refusal.value.errors()[0]["loc"][: len(place)] == place


def test_specs_know_every_field_of_a_rate() -> None:
    names = tuple(knob.name for knob in fields(Rate))
    assert names == RATE_FIELDS == tuple(RateChanges.model_fields)
    schema = MetaTrainingSpec.model_json_schema()["$defs"]["Rate"]["properties"]
    assert set(schema) == set(names)
    assert all(schema[name]["description"] for name in names)


def test_paths_and_stored_specs_of_before() -> None:
    assert path_of_today("unroll.lr") == "unroll.rate.lr"
    assert path_of_today("unroll.rate.lr") == "unroll.rate.lr"
    assert path_of_today("unroll.horizon") == "unroll.horizon"
    assert spec_of_today("meta-training", {"seed": 1, "unroll": {"lr": None}}) == {
        "seed": 1,
        "unroll": {"rate": {"lr": None}},
    }
    assert spec_of_today("study", {"base": {"unroll": {"lr": 1}}}) == {
        "base": {"unroll": {"rate": {"lr": 1}}}
    }


@pytest.mark.parametrize(
    ("spec", "digest"),
    [
        ({}, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        (
            {"preset": "mlps-784"},
            "8e237bc518fb7535d634d6f3043a3d344df800e40dbfbdb30b0efea9ce637c42",
        ),
        (
            {"preset": "quick", "unroll": {"lr": 1e-5, "warmup_steps": 3, "weight_decay": 0.25}},
            "5e72aee4314b8984c736558e2597a977102a2618823094d323b36686610a3017",
        ),
        (
            {"rule": {"kind": "rnnprop"}},
            "843f65baa00f755fa08a1af48d928ac9aeb5f99b848d09c4d4fa3396796c6795",
        ),
    ],
)
def test_checkpoints_from_before_belong_to_the_same_specs(
    spec: dict[str, Any], digest: str
) -> None:
    """The digests are those that the code before `rate` computed."""
    assert digest_spec(MetaTrainingSpec.model_validate(spec)) == digest
