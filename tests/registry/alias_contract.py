"""What every backend does with aliases: inherit `AliasContract` and supply `registry`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hyperadam.names import InvalidName

from registry import (
    AliasMoved,
    AliasNotFound,
    AliasProtected,
    OptimizerNotFound,
    Registry,
    VersionNotFound,
)
from tests.registry.bad_inputs import BAD_REASONS, NOT_ALIASES
from tests.registry.thetas import make_theta


class AliasContract:
    @pytest.fixture(autouse=True)
    def _three_versions(self, registry: Registry) -> None:
        for seed in range(3):
            registry.create_version("mlp", make_theta(seed), key=f"k{seed}")

    @pytest.mark.parametrize("alias", ["champion", "a.b", "v3", "2026-11", "x"])
    def test_an_alias_is_set_moved_and_deleted(self, registry: Registry, alias: str) -> None:
        assert registry.set_alias("mlp", alias, 1, actor="ann").aliases == (alias,)
        assert registry.version("mlp", alias).number == 1
        assert registry.set_alias("mlp", alias, 3, actor="ben").number == 3
        assert registry.version("mlp", alias).number == 3
        assert registry.version("mlp", "1").aliases == ()
        registry.delete_alias("mlp", alias, actor="cy")
        with pytest.raises(AliasNotFound, match=alias):
            registry.version("mlp", alias)
        assert registry.version("mlp", "3").aliases == ()

    def test_aliases_stand_sorted_at_their_versions(self, registry: Registry) -> None:
        for alias, number in (("stable", 2), ("champion", 2), ("challenger", 3)):
            registry.set_alias("mlp", alias, number, actor="ann")
        assert [v.aliases for v in registry.versions("mlp")] == [
            ("challenger",),
            ("champion", "stable"),
            (),
        ]
        assert registry.version("mlp", "latest").aliases == ("challenger",)
        assert registry.create_version("mlp", make_theta(1), key="k1").aliases == (
            "champion",
            "stable",
        )

    def test_the_history_says_who_when_and_why(self, registry: Registry) -> None:
        start = datetime.now(UTC)
        start -= timedelta(microseconds=start.microsecond % 1000)
        registry.set_alias("mlp", "champion", 1, actor="ann", reason="first")
        registry.set_alias("mlp", "stable", 1, actor="ben")
        registry.set_alias("mlp", "champion", 3, actor="cy", reason='better: "−3 %"\nΘ \\ done')
        registry.delete_alias("mlp", "champion", actor="dan", reason="withdrawn")
        registry.set_alias("mlp", "champion", 2, actor="eve")
        history = registry.alias_history("mlp")
        assert [(c.alias, c.old_version, c.new_version, c.actor, c.reason) for c in history] == [
            ("champion", None, 1, "ann", "first"),
            ("stable", None, 1, "ben", ""),
            ("champion", 1, 3, "cy", 'better: "−3 %"\nΘ \\ done'),
            ("champion", 3, None, "dan", "withdrawn"),
            ("champion", None, 2, "eve", ""),
        ]
        times = [start, *(c.changed_at for c in history), datetime.now(UTC)]
        assert times == sorted(times)

    def test_setting_it_where_it_points_is_no_change(self, registry: Registry) -> None:
        registry.set_alias("mlp", "champion", 2, actor="ann")
        assert registry.set_alias("mlp", "champion", 2, actor="ann").aliases == ("champion",)
        assert len(registry.alias_history("mlp")) == 1

    def test_a_new_optimizer_has_no_history(self, registry: Registry) -> None:
        assert registry.alias_history("mlp") == []

    def test_racing_moves_leave_one_chain(self, registry: Registry) -> None:
        def move(index: int) -> None:
            registry.set_alias("mlp", "champion", index % 3 + 1, actor=f"thread-{index}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(move, range(12)))
        history = registry.alias_history("mlp")
        assert [c.old_version for c in history] == [None, *(c.new_version for c in history[:-1])]
        assert registry.version("mlp", "champion").number == history[-1].new_version

    @pytest.mark.parametrize(
        "text", ["x" * 2000, '"\\\n' * 600, "Θ" * 2000], ids=["plain", "escapes", "greek"]
    )
    def test_long_reasons_are_kept_whole(self, registry: Registry, text: str) -> None:
        registry.set_alias("mlp", "champion", 1, actor="a" * 200, reason=text)
        (change,) = registry.alias_history("mlp")
        assert change.reason == text

    def test_reasons_that_would_be_cut_are_refused(
        self, registry: Registry, subtests: pytest.Subtests
    ) -> None:
        for actor, reason, message in BAD_REASONS:
            with subtests.test(actor=actor):
                with pytest.raises(ValueError, match=message):
                    registry.set_alias("mlp", "champion", 1, actor=actor, reason=reason)
                with pytest.raises(AliasNotFound):
                    registry.version("mlp", "champion")

    def test_names_that_cannot_be_aliases(
        self, registry: Registry, subtests: pytest.Subtests
    ) -> None:
        for alias in NOT_ALIASES:
            with subtests.test(alias=alias):
                with pytest.raises(InvalidName, match="alias"):
                    registry.set_alias("mlp", alias, 1, actor="ann")
                with pytest.raises(InvalidName, match="alias"):
                    registry.delete_alias("mlp", alias, actor="ann")

    def test_an_unknown_alias_is_not_found(self, registry: Registry) -> None:
        with pytest.raises(AliasNotFound, match="champion"):
            registry.version("mlp", "champion")
        with pytest.raises(AliasNotFound, match="champion"):
            registry.delete_alias("mlp", "champion", actor="ann")

    def test_a_protected_alias_stays(self, registry: Registry) -> None:
        registry.set_alias("mlp", "champion", 1, actor="ann", protected=True)
        assert registry.set_alias("mlp", "champion", 1, actor="ben").number == 1
        for act in (
            lambda: registry.set_alias("mlp", "champion", 2, actor="ben"),
            lambda: registry.set_alias("mlp", "champion", 2, actor="ben", protected=True),
            lambda: registry.delete_alias("mlp", "champion", actor="ben"),
        ):
            with pytest.raises(AliasProtected, match="champion"):
                act()
        registry.set_alias("mlp", "stable", 2, actor="ben")
        assert registry.version("mlp", "champion").number == 1
        assert [(c.alias, c.protected) for c in registry.alias_history("mlp")] == [
            ("champion", True),
            ("stable", False),
        ]

    def test_protection_begins_and_ends_by_recorded_changes(self, registry: Registry) -> None:
        registry.set_alias("mlp", "champion", 1, actor="ann")
        registry.set_alias("mlp", "champion", 1, actor="ann", protected=True, reason="by rule only")
        registry.set_alias(
            "mlp", "champion", 2, actor="ann", protected=False, reason="by hand again"
        )
        registry.set_alias("mlp", "champion", 3, actor="ann")
        registry.delete_alias("mlp", "champion", actor="ann")
        told = [(c.old_version, c.new_version, c.protected) for c in registry.alias_history("mlp")]
        assert told == [
            (None, 1, False),
            (1, 1, True),
            (1, 2, False),
            (2, 3, False),
            (3, None, False),
        ]

    def test_a_protected_alias_has_a_rule_until_it_is_no_more(self, registry: Registry) -> None:
        rule = {"suite": "table1", "by_standard_errors": 3.0}
        stricter = {**rule, "by_standard_errors": 4.0}
        registry.set_alias("mlp", "champion", 1, actor="ann", protected=True, rule=rule)
        registry.set_alias("mlp", "champion", 1, actor="ann", rule=rule)
        registry.set_alias("mlp", "champion", 1, actor="ann", rule=stricter)
        registry.promote("mlp", "champion", 2, expected=1, actor="job_1")
        registry.set_alias("mlp", "champion", 2, actor="ann", protected=False)
        told = [(c.protected, c.rule) for c in registry.alias_history("mlp")]
        assert told == [(True, rule), (True, stricter), (True, stricter), (False, None)]

    def test_a_rule_moves_a_protected_alias(self, registry: Registry) -> None:
        registry.set_alias("mlp", "champion", 1, actor="ann", protected=True)
        assert registry.promote("mlp", "champion", 2, expected=1, actor="job_1", reason="−3 %")
        change = registry.alias_history("mlp")[-1]
        assert (change.old_version, change.new_version, change.actor, change.reason) == (
            1,
            2,
            "job_1",
            "−3 %",
        )
        assert change.protected
        with pytest.raises(AliasProtected):
            registry.set_alias("mlp", "champion", 3, actor="ann")

    def test_a_rule_makes_an_alias(self, registry: Registry) -> None:
        assert registry.promote("mlp", "champion", 2, expected=None, actor="job_1")
        assert registry.version("mlp", "champion").number == 2
        assert not registry.alias_history("mlp")[0].protected

    def test_a_rule_that_saw_another_champion_is_asked_again(self, registry: Registry) -> None:
        registry.set_alias("mlp", "champion", 1, actor="ann")
        for expected in (None, 2):
            with pytest.raises(AliasMoved, match="at 1"):
                registry.promote("mlp", "champion", 3, expected=expected, actor="job_1")
        registry.delete_alias("mlp", "champion", actor="ann")
        with pytest.raises(AliasMoved, match="None"):
            registry.promote("mlp", "champion", 3, expected=1, actor="job_1")
        assert len(registry.alias_history("mlp")) == 2

    def test_a_promotion_of_the_version_that_has_the_alias_is_no_change(
        self, registry: Registry
    ) -> None:
        registry.set_alias("mlp", "champion", 1, actor="ann")
        assert not registry.promote("mlp", "champion", 1, expected=1, actor="job_1")
        assert len(registry.alias_history("mlp")) == 1

    def test_a_promotion_is_never_made_twice(self, registry: Registry) -> None:
        assert registry.promote("mlp", "champion", 2, expected=None, actor="job_1")
        assert not registry.promote("mlp", "champion", 2, expected=None, actor="job_1")
        registry.set_alias("mlp", "champion", 1, actor="ann", reason="withdrawn")
        assert not registry.promote("mlp", "champion", 2, expected=None, actor="job_1")
        assert registry.version("mlp", "champion").number == 1
        assert registry.promote("mlp", "champion", 2, expected=1, actor="job_2")

    def test_of_racing_promotions_one_wins(self, registry: Registry) -> None:
        registry.set_alias("mlp", "champion", 1, actor="ann", protected=True)

        def race(number: int) -> bool:
            try:
                return registry.promote(
                    "mlp", "champion", number, expected=1, actor=f"job_{number}"
                )
            except AliasMoved:
                return False

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(race, (2, 3))) == [False, True]
        assert len(registry.alias_history("mlp")) == 2

    def test_promotions_of_what_is_not_there(self, registry: Registry) -> None:
        with pytest.raises(VersionNotFound):
            registry.promote("mlp", "champion", 7, expected=None, actor="job_1")
        with pytest.raises(OptimizerNotFound):
            registry.promote("cnn", "champion", 1, expected=None, actor="job_1")
        with pytest.raises(InvalidName, match="alias"):
            registry.promote("mlp", "latest", 1, expected=None, actor="job_1")
        assert registry.alias_history("mlp") == []

    def test_an_optimizer_whose_versions_are_gone_has_no_alias_to_delete(
        self, registry: Registry
    ) -> None:
        for number in (1, 2, 3):
            registry.delete_version("mlp", number, actor="ann")
        with pytest.raises(OptimizerNotFound, match="mlp"):
            registry.delete_alias("mlp", "champion", actor="ann")

    def test_an_optimizer_that_is_not_there_has_no_history(self, registry: Registry) -> None:
        with pytest.raises(OptimizerNotFound, match="cnn"):
            registry.alias_history("cnn")
