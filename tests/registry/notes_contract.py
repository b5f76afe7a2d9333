"""What every backend does with descriptions, tags and evaluations: inherit `NotesContract`."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hyperadam.names import InvalidName

from registry import Evaluation, OptimizerNotFound, Registry, VersionNotFound, checks
from tests.registry.bad_inputs import BAD_SUMMARIES, BAD_TAGS, STRANGE_KEYS
from tests.registry.thetas import make_theta

START = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def evaluation(key: str = "job_e", minutes: float = 0, **summary: Any) -> Evaluation:
    return Evaluation(
        key=key,
        evaluated_at=START + timedelta(minutes=minutes),
        summary=summary or {"suite": "table1"},
    )


class NotesContract:
    @pytest.fixture(autouse=True)
    def _two_versions(self, registry: Registry) -> None:
        registry.create_version("mlp", make_theta(0), key="k0", tags={"team": "a", "env": "test"})
        registry.create_version("mlp", make_theta(1), key="k1")

    def test_a_description_is_written_and_replaced(self, registry: Registry) -> None:
        assert registry.version("mlp", "1").description == ""
        for text in ("the first one\nwith Θ", "", "x" * 4000):
            assert registry.annotate("mlp", 1, description=text).description == text
            assert registry.version("mlp", "1").description == text
        assert registry.version("mlp", "2").description == ""

    def test_a_signature_is_kept_and_replaced(self, registry: Registry) -> None:
        assert registry.version("mlp", "1").signature is None
        for signature in ("ed25519:ab12:AAAA", "ed25519:cd34:BBBB"):
            assert registry.sign_version("mlp", 1, signature).signature == signature
            assert registry.versions("mlp")[1].signature == signature
        assert registry.version("mlp", "2").signature is None
        assert dict(registry.version("mlp", "1").tags) == {"team": "a", "env": "test"}
        with pytest.raises(VersionNotFound):
            registry.sign_version("mlp", 9, "ed25519:ab12:AAAA")
        with pytest.raises(ValueError, match="signature must be"):
            registry.sign_version("mlp", 1, "two words")

    def test_tags_are_added_changed_and_removed(self, registry: Registry) -> None:
        changed = registry.annotate(
            "mlp", 1, tags={"env": "prod", "team": None, "new": "", "absent": None}
        )
        assert dict(changed.tags) == {"env": "prod", "new": ""}
        assert registry.annotate("mlp", 1, description="d") == registry.version("mlp", "1")
        assert dict(registry.versions("mlp")[1].tags) == {"env": "prod", "new": ""}
        assert registry.annotate("mlp", 1, tags={"env": "prod", "team": None}).description == "d"

    def test_what_a_version_is_stays(self, registry: Registry) -> None:
        registry.set_alias("mlp", "champion", 1, actor="ann")
        before = registry.version("mlp", "1")
        after = registry.annotate("mlp", 1, description="d", tags={"a": "b"})
        assert (after.sha256, after.manifest, after.created_at) == (
            before.sha256,
            before.manifest,
            before.created_at,
        )
        assert after.aliases == ("champion",)
        assert registry.weights("mlp", 1) == make_theta(0).to_bytes()
        assert registry.create_version("mlp", make_theta(0), key="k0") == after

    def test_bad_notes_change_nothing(self, registry: Registry, subtests: pytest.Subtests) -> None:
        before = registry.versions("mlp")
        for tags, message in BAD_TAGS:
            with subtests.test(tags=tags), pytest.raises(ValueError, match=message):
                registry.annotate("mlp", 2, description="d", tags=tags)
        for text in ("x" * 4001, "a\0", "\ud800"):
            with pytest.raises(ValueError, match="description"):
                registry.annotate("mlp", 1, description=text, tags={"a": "b"})
        with pytest.raises(ValueError, match="51 entries"):
            registry.annotate("mlp", 1, tags={f"t{i}": "" for i in range(49)})
        with pytest.raises(InvalidName, match="tag name"):
            registry.annotate("mlp", 1, tags={"mlflow.user": None})
        assert registry.versions("mlp") == before

    def test_an_evaluation_is_attached_once(self, registry: Registry) -> None:
        first = evaluation("job_a", 5, tasks={"relu": {"mean": 0.1 + 0.2, "Θ": None}})
        second = evaluation("job_b", 1)
        assert registry.attach_evaluation("mlp", 1, first).evaluations == (first,)
        assert registry.attach_evaluation("mlp", 1, second).evaluations == (second, first)
        again = evaluation("job_a", 5, suite="table2")
        assert registry.attach_evaluation("mlp", 1, again).evaluations == (second, again)
        assert registry.version("mlp", "1").evaluations == (second, again)
        assert registry.version("mlp", "2").evaluations == ()
        assert dict(registry.version("mlp", "1").tags) == {"team": "a", "env": "test"}

    def test_the_newest_evaluations_are_kept(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checks, "MAX_EVALUATIONS", 2)
        for number in (3, 1, 4, 2):
            registry.attach_evaluation("mlp", 2, evaluation(f"job_{number}", number))
        assert [one.key for one in registry.version("mlp", "2").evaluations] == ["job_3", "job_4"]

    def test_racing_evaluations_are_all_kept(self, registry: Registry) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda i: registry.attach_evaluation("mlp", 1, evaluation(f"job_{i}", i)),
                    range(8),
                )
            )
        assert len(registry.version("mlp", "1").evaluations) == 8

    def test_bad_evaluations_are_refused(
        self, registry: Registry, subtests: pytest.Subtests
    ) -> None:
        for summary, message in BAD_SUMMARIES:
            with subtests.test(message=message), pytest.raises(ValueError, match=message):
                registry.attach_evaluation(
                    "mlp", 1, Evaluation(key="k", evaluated_at=START, summary=summary)
                )
        for key in STRANGE_KEYS:
            with subtests.test(key=key), pytest.raises(InvalidName, match="key"):
                registry.attach_evaluation("mlp", 1, evaluation(key, mean=math.pi))
        without_zone = datetime(2026, 1, 1)  # noqa: DTZ001
        with pytest.raises(ValueError, match="time zone"):
            registry.attach_evaluation(
                "mlp", 1, Evaluation(key="k", evaluated_at=without_zone, summary={})
            )
        assert registry.version("mlp", "1").evaluations == ()

    def test_what_is_not_there(self, registry: Registry) -> None:
        for call in (
            partial(registry.annotate, description="d"),
            partial(registry.annotate, tags={}),
            partial(registry.attach_evaluation, evaluation=evaluation()),
        ):
            with pytest.raises(VersionNotFound, match=r"mlp.* version 7"):
                call("mlp", 7)
            with pytest.raises(OptimizerNotFound, match="cnn"):
                call("cnn", 1)
            with pytest.raises(InvalidName):
                call("CNN", 1)
