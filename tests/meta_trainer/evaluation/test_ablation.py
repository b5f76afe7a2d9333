"""Ablations: versions are labelled and ordered by what they were trained with, or refused by the
name of the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.evaluation.ablation import NotAnAblation, Variant, read_variants
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec
from meta_trainer.specs.suites import SUITES
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule
from tests.meta_trainer.evaluation.conftest import files_of

STATE, TRICKS, J = (SUITES[f"ablation-{name}"] for name in ("state", "tricks", "j"))


def trained_with(**fields: Any) -> Theta:
    """An untrained Θ whose file says that it was made by a job with these fields."""
    spec = MetaTrainingSpec.model_validate({"rule": {"n_candidates": 2}, **fields})
    made = {"spec": spec.model_dump(mode="json")}
    return Theta.from_vector(
        make_rule(spec.rule), make_initial_theta(spec), rate=Rate(lr=0.005), provenance=made
    )


def labels(suite: Any, thetas: dict[str, Theta]) -> list[tuple[str, str]]:
    return [
        (reference, variant.label) for reference, variant in read_variants(suite, thetas).items()
    ]


def test_state_goes_from_full_to_neither() -> None:
    cells = {"a@1": (False, False), "a@2": (False, True), "a@3": (True, True), "a@4": (True, False)}
    thetas = {
        reference: trained_with(
            rule={"n_candidates": 2, "lstm": lstm, "preprocessing": preprocessing}
        )
        for reference, (lstm, preprocessing) in cells.items()
    }
    assert labels(STATE, thetas) == [
        ("a@3", "full"),
        ("a@2", "no LSTM"),
        ("a@4", "no preprocessing"),
        ("a@1", "no LSTM and preprocessing"),
    ]


def test_tricks_come_from_the_job_that_made_the_theta() -> None:
    thetas = {
        "a@1": trained_with(tricks={"random_scaling": 0, "convex_dimension": 0}),
        "a@2": trained_with(tricks={"random_scaling": 0}),
        "a@3": trained_with(tricks={"convex_dimension": 0}),
        "a@4": trained_with(),
    }
    assert labels(TRICKS, thetas) == [
        ("a@4", "RS and CC"),
        ("a@3", "RS"),
        ("a@2", "CC"),
        ("a@1", "neither RS nor CC"),
    ]


def test_candidates_lie_along_their_number() -> None:
    thetas = {f"a@{j}": trained_with(rule={"n_candidates": j}) for j in (10, 1, 5)}
    assert list(read_variants(J, thetas).values()) == [
        Variant(1, "J = 1"),
        Variant(5, "J = 5"),
        Variant(10, "J = 10"),
    ]


def test_other_suites_vary_nothing() -> None:
    assert read_variants(SUITES["table1"], {"a@1": trained_with()}) == {}


@pytest.mark.parametrize(
    ("suite", "field"),
    [(STATE, "rule.lstm and rule.preprocessing"), (TRICKS, "tricks"), (J, "rule.n_candidates")],
)
def test_versions_that_do_not_differ_are_refused(suite: Any, field: str) -> None:
    same = trained_with()
    with pytest.raises(
        NotAnAblation, match=f"optimizers must differ in {field} .*: a@1 and b@2 are both"
    ):
        read_variants(suite, {"a@1": same, "b@2": same})


def test_a_rule_without_the_field_is_refused() -> None:
    other = trained_with(rule={"kind": "rnnprop"})
    with pytest.raises(
        NotAnAblation, match=r"of kind hyperadam to differ in rule\.n_candidates: b@1"
    ):
        read_variants(J, {"a@1": trained_with(), "b@1": other})


@pytest.mark.parametrize(
    "provenance", [{}, {"spec": None}, {"spec": {"tricks": 3}}, {"spec": {"tricks": {}}}]
)
def test_a_file_that_does_not_say_its_tricks_is_refused(provenance: dict[str, Any]) -> None:
    known = trained_with()
    silent = Theta(known.rule, known.tensors, known.rate, provenance)
    with pytest.raises(
        NotAnAblation, match="optimizers must say their tricks: the file of b@1 does not"
    ):
        read_variants(TRICKS, {"a@1": known, "b@1": silent})


def test_one_version_is_no_ablation() -> None:
    with pytest.raises(ValueError, match="optimizers must be at least two in the suite ablation-j"):
        EvaluationSpec(optimizers=("a@1",), suite="ablation-j")


@pytest.mark.slow
def test_the_report_is_drawn_along_what_was_varied() -> None:
    spec = EvaluationSpec(
        optimizers=("a@1", "a@2"), suite="ablation-j", n_starts=2, horizon=2, baselines=()
    )
    found = {"a@2": Variant(1, "J = 1"), "a@1": Variant(5, "J = 5")}
    rows = [
        Row(
            task=task,
            optimizer=name,
            kind="learned",
            rate=Rate(lr=0.1),
            finals=torch.tensor([1.0, torch.nan if name == "a@1" else 2.0], dtype=torch.float64),
            curves=torch.ones(2, 2, dtype=torch.float64),
        )
        for task in ("sigmoid", "tanh")
        for name in found
    ]
    files = files_of(Report(spec, J, "mnist5k", "ab" * 32, rows, found))
    assert set(files) >= {
        "result.json",
        "report.md",
        "report.html",
        "curves.png",
        "final-losses.png",
    }
    assert json.loads(files["result.json"], parse_constant=pytest.fail)["variants"] == {
        "a@2": "J = 1",
        "a@1": "J = 5",
    }
    assert "| task | J = 1 (a@2) | J = 5 (a@1) |" in files["report.md"].decode()
