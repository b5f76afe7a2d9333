"""What every backend does with aliases: inherit `AliasContract` and supply the fixture `registry`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hyperadam.names import InvalidName

from registry import AliasNotFound, Registry
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
        assert [v.aliases for v in registry.versions("mlp")] == [("challenger",), ("champion", "stable"), ()]
        assert registry.version("mlp", "latest").aliases == ("challenger",)
        assert registry.create_version("mlp", make_theta(1), key="k1").aliases == ("champion", "stable")

    def test_the_history_says_who_when_and_why(self, registry: Registry) -> None:
        start = datetime.now(UTC) - timedelta(seconds=1)
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

    @pytest.mark.parametrize("text", ["x" * 2000, '"\\\n' * 600, "Θ" * 2000], ids=["plain", "escapes", "greek"])
    def test_long_reasons_are_kept_whole(self, registry: Registry, text: str) -> None:
        registry.set_alias("mlp", "champion", 1, actor="a" * 200, reason=text)
        (change,) = registry.alias_history("mlp")
        assert change.reason == text

    def test_reasons_that_would_be_cut_are_refused(self, registry: Registry, subtests: pytest.Subtests) -> None:
        for actor, reason, message in BAD_REASONS:
            with subtests.test(actor=actor):
                with pytest.raises(ValueError, match=message):
                    registry.set_alias("mlp", "champion", 1, actor=actor, reason=reason)
                with pytest.raises(AliasNotFound):
                    registry.version("mlp", "champion")

    def test_names_that_cannot_be_aliases(self, registry: Registry, subtests: pytest.Subtests) -> None:
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
