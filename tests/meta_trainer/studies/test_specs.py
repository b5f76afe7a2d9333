"""Studies as they are asked for: spaces over any field, refused with the field named."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_presets import STUDY_PRESETS

RATE = {"meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-2}}


def choice(*options: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "choice", "options": list(options), **more}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "space"),
        ({"space": {}}, "space"),
        ({"space": {"no.such": choice(1, 2)}}, "space.no.such is no field"),
        (
            {"space": {"unroll.perod": choice(1, 2)}},
            r"space.unroll.perod is no field .*: did you mean unroll.period\?",
        ),
        ({"space": {"unroll.lr": {"kind": "uniform", "low": 0, "high": 0.5}}}, "unroll.lr = 0.0"),
        ({"space": {"unroll.lr": {"kind": "uniform", "low": 0.1, "high": 5}}}, "unroll.lr = 5"),
        (
            {"space": {"unroll.period": choice(10, 30)}},
            "unroll.period = 30: unroll: .*horizon must be a multiple",
        ),
        (
            {"space": {"rule.n_candidates": {"kind": "int", "low": 1, "high": 65}}},
            "n_candidates = 65",
        ),
        (
            {"space": {"task.activations": choice(["relu"], ["soft"])}},
            r'task.activations = \["soft"\]',
        ),
        ({"space": {"seed": choice(1, 2)}}, "space.seed cannot be varied; seeds does"),
        (
            {"space": {"unroll.lr": {"kind": "uniform", "low": 0.2, "high": 0.1}}},
            "high must be above low",
        ),
        (
            {"space": {"unroll.lr": {"kind": "uniform", "low": 0.1, "high": 0.2, "step": 1}}},
            "step must fit",
        ),
        ({"space": {"unroll.period": choice(10, 10)}}, "options must differ"),
        ({"space": {"unroll.period": choice(10, 20, labels=["a"])}}, "labels must be one for each"),
        ({"space": RATE, "searcher": {"kind": "grid"}}, "space.meta_optimizer.rate has no end"),
        (
            {
                "space": {"n_learners": choice(4, 6), "chunk_size": choice(2, 4)},
                "searcher": {"kind": "grid"},
            },
            "n_learners = 6, chunk_size = 4",
        ),
        (
            {"space": RATE, "searcher": {"kind": "pbt"}, "limits": {"parallel_trials": 2}},
            "limits must have parallel",
        ),
        (
            {"space": {"unroll.period": choice(10, 20)}, "searcher": {"kind": "pbt"}},
            "space.unroll.period cannot change",
        ),
        (
            {
                "space": RATE,
                "searcher": {"kind": "pbt"},
                "scheduler": {"kind": "asha"},
                "limits": {"parallel_trials": 4},
            },
            "scheduler must be none",
        ),
        (
            {"space": RATE, "objective": {"kind": "suite", "suite": "timing"}},
            "suite must be one of",
        ),
        ({"space": RATE, "seeds": [1, 1]}, "seeds must differ"),
        ({"space": RATE, "base": {"promote": {"alias": "champion"}}}, "base.promote must be null"),
        ({"space": RATE, "limits": {"trials": 0}}, "limits.trials"),
        ({"preset": "nothing"}, "preset must be one of rates|preset must be one of ablation"),
    ],
)
def test_a_wrong_study_is_refused_with_its_field(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StudySpec.model_validate(spec)


@pytest.mark.parametrize("name", STUDY_PRESETS)
def test_ready_studies_are_complete_and_stay_the_same_when_stored(name: str) -> None:
    spec = StudySpec.model_validate({"preset": name})
    assert StudySpec.model_validate(spec.model_dump(mode="json")) == spec


def test_the_ablations_are_the_papers() -> None:
    spec = StudySpec.model_validate({"preset": "ablation-j-full"})
    assert [point["rule.n_candidates"] for point in spec.grid()] == [1, 5, 10, 15, 20, 25, 35]
    assert len(spec.all_seeds) >= 3
    assert spec.base.task is not None
    assert spec.base.task.dataset == "mnist"
    state = StudySpec.model_validate({"preset": "ablation-state"})
    assert {(p["rule.lstm"], p["rule.preprocessing"]) for p in state.grid()} == {
        (True, True),
        (True, False),
        (False, True),
        (False, False),
    }
    assert StudySpec.model_validate({"preset": "ablation-tricks"}).n_grid_points == 4


def test_what_is_given_lies_over_the_preset() -> None:
    spec = StudySpec.model_validate(
        {
            "preset": "rates",
            "searcher": {"kind": "random"},
            "space": RATE,
            "base": {"seed": 5},
            "seeds": [3],
        }
    )
    assert spec.searcher.kind == "random"
    assert list(spec.space) == ["meta_optimizer.rate"]
    assert (spec.base.seed, spec.base.n_episodes, spec.all_seeds) == (5, 4, (3,))


def test_a_point_is_the_base_with_other_values() -> None:
    spec = StudySpec.model_validate({"space": RATE, "base": {"preset": "quick"}})
    trial = spec.trial_spec({"meta_optimizer.rate": 0.003}, seed=9)
    assert trial.meta_optimizer.rate == 0.003
    assert trial.seed == 9
    assert (
        trial.model_copy(update={"seed": 0, "meta_optimizer": spec.base.meta_optimizer})
        == spec.base
    )


def test_a_rule_of_another_kind_brings_its_recommendations() -> None:
    spec = StudySpec.model_validate(
        {"space": {"rule": choice({"kind": "hyperadam"}, {"kind": "rnnprop"})}}
    )
    trial = spec.trial_spec({"rule": {"kind": "rnnprop"}}, seed=0)
    assert (trial.register_as, trial.init, trial.unroll.rate.lr) == ("rnnprop", "paper", 1.0)
    assert (
        spec.trial_spec({"rule": {"kind": "hyperadam"}}, seed=0).unroll.rate.lr
        == spec.base.unroll.rate.lr
    )


def test_a_name_that_was_given_stays_with_a_rule_of_another_kind() -> None:
    spec = StudySpec.model_validate(
        {
            "base": {"register_as": "mine"},
            "space": {"rule": choice({"kind": "hyperadam"}, {"kind": "rnnprop"})},
        }
    )
    assert spec.trial_spec({"rule": {"kind": "rnnprop"}}, seed=0).register_as == "mine"


@pytest.mark.parametrize("name", STUDY_PRESETS)
def test_a_ready_study_takes_no_latest_of_others(name: str) -> None:
    assert StudySpec.model_validate({"preset": name}).base.register_as == f"study-{name}"
    given = StudySpec.model_validate({"preset": name, "base": {"register_as": "mine"}})
    assert given.base.register_as == "mine"


def test_a_path_may_have_digits() -> None:
    rule = {"kind": "rnnprop"}
    domain = {"kind": "uniform", "low": 0.8, "high": 0.99}
    spec = StudySpec.model_validate({"base": {"rule": rule}, "space": {"rule.beta1": domain}})
    assert spec.trial_spec({"rule.beta1": 0.9}, seed=0).rule.beta1 == 0.9  # type: ignore[union-attr]


def test_steps_end_inside_the_domain() -> None:
    spec = StudySpec.model_validate(
        {"space": {"tricks.random_scaling": {"kind": "uniform", "low": 0, "high": 1, "step": 0.3}}}
    )
    assert spec.space["tricks.random_scaling"].values == pytest.approx([0, 0.3, 0.6, 0.9])
