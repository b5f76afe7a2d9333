"""The promotion rule: its arithmetic against NumPy, and its steps when they are cut off, repeated,
or race."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from hyperadam.rates import Rate
from pydantic import ValidationError

from meta_trainer.driver.decision import Decision, judge_versions
from meta_trainer.driver.promotion import DECISION, Promotion
from meta_trainer.evaluation import Report
from meta_trainer.evaluation.report import Row
from meta_trainer.specs import PromotionSpec
from meta_trainer.specs.suites import SUITES
from registry import AliasChange, Registry
from registry.memory import InMemoryRegistry
from tests.meta_trainer.conftest import MemoryRecorder
from tests.registry.thetas import make_theta

NAN = math.nan
OLD = [[0.30, 0.31, 0.29, 0.30], [1.0, 1.2, 1.1, 0.9]]
"""Final losses of the version that has the alias: two tasks, four starts."""


def report(new: list[list[float]], old: list[list[float]] = OLD) -> Report:
    spec = PromotionSpec().evaluation(("hyper@2", "hyper@1"))
    empty = torch.zeros(0, len(old[0]), dtype=torch.float64)
    rows = [
        Row(
            task=task,
            optimizer=name,
            kind="learned",
            rate=Rate(lr=0.005),
            finals=torch.tensor(finals).double(),
            curves=empty,
        )
        for index, task in enumerate(("relu", "elu"))
        for name, finals in (("hyper@2", new[index]), ("hyper@1", old[index]))
    ]
    return Report(spec, SUITES["table1"], "mnist5k", "f", rows)


def scaled(*factors: float) -> list[list[float]]:
    return [[value * factor for value, factor in zip(task, factors, strict=True)] for task in OLD]


def test_the_figures_are_those_of_numpy() -> None:
    new = [[0.28, 0.33, 0.27, 0.29], [0.9, 1.1, 1.2, 0.8]]
    decision = judge_versions(PromotionSpec(), 2, 1, report(new))
    starts = (np.log(np.array(new)) - np.log(np.array(OLD))).mean(axis=0)
    assert decision.log_ratio == pytest.approx(starts.mean(), rel=1e-6)
    assert decision.standard_error == pytest.approx(starts.std(ddof=1) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("factors", "standard_errors", "promoted"),
    [
        ((0.9, 0.9, 0.9, 0.9), 2.0, True),
        ((1.1, 1.1, 1.1, 1.1), 0.0, False),
        ((1.0, 1.0, 1.0, 1.0), 0.0, False),
        ((0.8, 1.15, 0.8, 1.15), 0.0, True),
        ((0.8, 1.15, 0.8, 1.15), 2.0, False),
    ],
)
def test_better_by_how_much(
    factors: tuple[float, ...], standard_errors: float, promoted: bool
) -> None:
    rule = PromotionSpec(by_standard_errors=standard_errors)
    decision = judge_versions(rule, 2, 1, report(scaled(*factors)))
    assert decision.promoted is promoted
    assert decision.why.startswith(
        "better than version 1" if promoted else "not better than version 1"
    )


def test_a_reason_has_the_figures() -> None:
    why = judge_versions(PromotionSpec(), 2, 1, report(scaled(0.9, 0.9, 0.9, 0.9))).why
    assert why.startswith(
        "better than version 1 on table1: final loss -10.00% ± 0.00% over 4 paired starts;"
    )


def test_fewer_divergences_come_first() -> None:
    much_lower = scaled(0.5, 0.5, 0.5, 0.5)
    worse = judge_versions(
        PromotionSpec(), 2, 1, report([[NAN, *much_lower[0][1:]], much_lower[1]])
    )
    assert (worse.promoted, worse.n_diverged, worse.n_diverged_champion) == (False, 1, 0)
    assert "diverged 1 times, it 0 times" in worse.why
    saved = judge_versions(
        PromotionSpec(), 2, 1, report(scaled(1.1, 1.1, 1.1, 1.1), [[NAN, 0.31, 0.29, 0.3], OLD[1]])
    )
    assert (saved.promoted, saved.n_diverged, saved.n_diverged_champion) == (True, 0, 1)


def test_starts_that_diverged_are_not_compared() -> None:
    one_out = [[NAN, 0.27, 0.27, 0.27], [0.9, 1.0, 1.0, 0.8]]
    decision = judge_versions(
        PromotionSpec(), 2, 1, report(one_out, [[0.3, 0.31, NAN, 0.3], OLD[1]])
    )
    first_task = np.log(np.array([0.27 / 0.31, 0.27 / 0.3]))
    second_task = np.log(np.array([1.0 / 1.2, 0.8 / 0.9]))
    expected = (first_task + second_task).mean() / 2
    assert decision.log_ratio == pytest.approx(expected, rel=1e-6)
    none = judge_versions(PromotionSpec(), 2, 1, report([[NAN] * 4, OLD[1]], [[NAN] * 4, OLD[1]]))
    assert (none.promoted, none.log_ratio, none.standard_error) == (False, None, None)
    assert Decision.from_json(none.to_json()).why == none.why


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alias", "latest"),
        ("alias", "7"),
        ("alias", "Champion"),
        ("if_better_on", "timing"),
        ("if_better_on", "table9"),
        ("quick", 1),
        ("by_standard_errors", -1),
        ("by_standard_errors", NAN),
        ("margin", 0.1),
    ],
)
def test_bad_rules_name_the_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        PromotionSpec.model_validate({field: value})
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


class Play:
    """A registry with two versions, and the promotion of the second one by the job that made it."""

    def __init__(self, registry: Registry | None = None) -> None:
        self.registry = registry or InMemoryRegistry()
        self.registry.create_version("hyper", make_theta(1), key="k1")
        self.run_id = self.registry.open_run("job_2", name="")
        self.version = self.registry.create_version(
            "hyper", make_theta(2), key="job_2", run_id=self.run_id
        )
        self.compared: list[int] = []
        self.meanwhile: Callable[[], Any] = lambda: None
        """What others do while the versions run."""
        self.factor = 0.9
        self.objection: str | None = None

    def carry_out(self) -> Decision:
        recorder = MemoryRecorder()
        recorder.artifact = lambda path, data: self.registry.put_artifact(self.run_id, path, data)  # type: ignore[method-assign]

        def compare(champion: int) -> Report:
            self.compared.append(champion)
            self.meanwhile()
            return report(scaled(*[self.factor] * 4))

        decision = Promotion(
            rule=PromotionSpec(),
            version=self.version,
            job_id="job_2",
            registry=self.registry,
            recorder=recorder,
            compare=compare,
            find_objection=lambda: self.objection,
        ).carry_out()
        assert recorder.events == [("promotion", asdict(decision))]
        json.dumps(recorder.events, allow_nan=False)
        return decision

    @property
    def history(self) -> list[AliasChange]:
        return self.registry.alias_history("hyper")


@pytest.fixture
def play() -> Play:
    return Play()


def test_a_job_that_lost_its_rights_meanwhile_moves_nothing(play: Play) -> None:
    play.registry.set_alias("hyper", "champion", 1, actor="ann", protected=True)
    play.objection = "the API key was revoked"
    decision = play.carry_out()
    assert (decision.promoted, decision.why) == (False, "not allowed: the API key was revoked")
    assert len(play.history) == 1
    kept = Decision.from_json(play.registry.get_artifact(play.run_id, DECISION))
    assert kept == decision


def test_a_better_version_takes_over_even_what_is_protected(play: Play) -> None:
    play.registry.set_alias("hyper", "champion", 1, actor="ann", protected=True)
    decision = play.carry_out()
    assert (decision.promoted, decision.champion, decision.candidate) == (True, 1, 2)
    change = play.history[-1]
    assert (change.old_version, change.new_version, change.actor, change.reason) == (
        1,
        2,
        "job_2",
        decision.why,
    )
    assert Decision.from_json(play.registry.get_artifact(play.run_id, DECISION)) == decision


def test_a_worse_version_leaves_everything_as_it_is(play: Play) -> None:
    play.registry.set_alias("hyper", "champion", 1, actor="ann")
    play.factor = 1.1
    assert not play.carry_out().promoted
    assert [change.new_version for change in play.history] == [1]


def test_nobody_had_it(play: Play) -> None:
    assert play.carry_out().promoted
    assert (play.registry.version("hyper", "champion").number, play.compared) == (2, [])


def test_it_has_the_alias_already(play: Play) -> None:
    play.registry.set_alias("hyper", "champion", 2, actor="ann")
    assert not play.carry_out().promoted
    assert (len(play.history), play.compared) == (1, [])


def test_a_repeat_changes_nothing(play: Play) -> None:
    play.registry.set_alias("hyper", "champion", 1, actor="ann")
    first = play.carry_out()
    assert play.carry_out() == first
    play.registry.set_alias("hyper", "champion", 1, actor="ann", reason="withdrawn")
    assert play.carry_out() == first
    assert play.compared == [1]
    assert play.registry.version("hyper", "champion").number == 1


class Cut(Exception):
    """The process is gone."""


class CutRegistry(InMemoryRegistry):
    """Dies once around the promotion."""

    cut: str = ""

    def promote(self, *arguments: Any, **named: Any) -> bool:
        cut = self.cut
        self.cut = ""
        if cut == "before":
            raise Cut
        moved = super().promote(*arguments, **named)
        if cut == "after":
            raise Cut
        return moved


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_cut_off_is_done_once(when: str) -> None:
    registry = CutRegistry()
    play = Play(registry)
    registry.set_alias("hyper", "champion", 1, actor="ann")
    registry.cut = when
    with pytest.raises(Cut):
        play.carry_out()
    play.factor = 1.1  # what was decided stays decided
    assert play.carry_out().promoted
    assert play.compared == [1]
    assert [change.new_version for change in play.history] == [1, 2]


def test_the_rule_is_asked_again_about_a_new_champion(play: Play) -> None:
    play.registry.set_alias("hyper", "champion", 1, actor="ann")
    third = play.registry.create_version("hyper", make_theta(3), key="k3").number

    def somebody_else() -> None:
        if play.compared == [1]:
            play.registry.set_alias("hyper", "champion", third, actor="ann")

    play.meanwhile = somebody_else
    assert play.carry_out().champion == third
    assert play.compared == [1, third]
    assert [change.new_version for change in play.history] == [1, third, 2]
