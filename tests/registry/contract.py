"""What every backend must do: inherit `RegistryContract` and supply the fixture `registry`."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from hyperadam.names import InvalidName
from hyperadam.theta import Theta, ThetaError

from registry import (
    ArtifactInfo,
    ArtifactNotFound,
    MetricPoint,
    OptimizerNotFound,
    Registry,
    RegistryError,
    RunNotFound,
    VersionNotFound,
)
from registry.records import theta_path
from tests.registry.bad_inputs import (
    BAD_POINTS,
    BAD_TAGS,
    MISSING,
    PATH_TRICKS,
    STRANGE_KEYS,
    STRANGE_NAMES,
    UNKNOWN_NUMBERS,
    UNKNOWN_RUNS,
)
from tests.registry.thetas import make_theta

START = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def point(step: int, value: float, *, name: str = "meta_loss", minutes: float = 0) -> MetricPoint:
    return MetricPoint(name=name, value=value, step=step, time=START + timedelta(minutes=minutes))


def values(points: list[MetricPoint]) -> list[tuple[int, float]]:
    return [(p.step, p.value) for p in points]


class RunContract:
    def test_a_key_has_one_run(self, registry: Registry) -> None:
        first = registry.open_run("job_1", name="first", tags={"kind": "meta-training"})
        assert registry.open_run("job_1", name="another name") == first
        assert registry.open_run("job_2", name="first") != first

    def test_below_a_parent(self, registry: Registry) -> None:
        study = registry.open_run("job_1", name="study")
        trial = registry.open_run("job_1.t00000", name="trial 0", parent_run_id=study)
        assert (
            registry.open_run("job_1.t00000", name="trial 0", parent_run_id=study) == trial != study
        )
        with pytest.raises(RunNotFound):
            registry.open_run("job_1.t00001", name="trial 1", parent_run_id="0" * 32)

    def test_threads_that_race_for_a_key_get_one_run(self, registry: Registry) -> None:
        with ThreadPoolExecutor(4) as pool:
            ids = set(pool.map(lambda _: registry.open_run("job_1", name="racing"), range(8)))
        assert len(ids) == 1

    def test_strange_keys_are_refused(self, registry: Registry, subtests: pytest.Subtests) -> None:
        for key in STRANGE_KEYS:
            with subtests.test(key=key), pytest.raises(InvalidName, match="key"):
                registry.open_run(key, name="")

    def test_tags_that_would_be_cut_or_clash_are_refused(
        self, registry: Registry, subtests: pytest.Subtests
    ) -> None:
        for tags, message in BAD_TAGS:
            with subtests.test(tags=tags), pytest.raises(ValueError, match=message):
                registry.open_run("job_1", name="", tags=tags)

    def test_a_run_can_be_closed_twice_and_reopened(self, registry: Registry) -> None:
        run = registry.open_run("job_1", name="")
        for status in ("finished", "failed", "cancelled", "running"):
            registry.close_run(run, status)
            registry.log_metrics(run, [point(1, 1.0)])
            assert registry.open_run("job_1", name="") == run

    def test_an_unknown_run_is_not_found(
        self, registry: Registry, subtests: pytest.Subtests
    ) -> None:
        for run_id in UNKNOWN_RUNS:
            with subtests.test(run_id=run_id):
                calls = [
                    partial(registry.close_run, run_id, "finished"),
                    partial(registry.log_metrics, run_id, [point(0, 1.0)]),
                    partial(registry.metric_names, run_id),
                    partial(registry.metrics, run_id, "meta_loss"),
                    partial(registry.put_artifact, run_id, "a", b""),
                    partial(registry.get_artifact, run_id, "a"),
                    partial(registry.list_artifacts, run_id),
                    partial(registry.delete_artifact, run_id, "a"),
                    partial(registry.create_version, "o", make_theta(), key="k", run_id=run_id),
                ]
                for call in calls:
                    with pytest.raises(RunNotFound):
                        call()
                assert registry.optimizers() == []

    def test_a_deleted_run_is_gone_and_its_key_is_free(self, registry: Registry) -> None:
        run = registry.open_run("job_1", name="")
        other = registry.open_run("job_2", name="")
        registry.log_metrics(run, [point(1, 1.0)])
        for each in (run, other):
            registry.put_artifact(each, "checkpoints/1.safetensors", b"1")
        for _ in range(2):
            registry.delete_run(run)
        with pytest.raises(RunNotFound):
            registry.get_artifact(run, "checkpoints/1.safetensors")
        anew = registry.open_run("job_1", name="")
        assert anew != run
        assert registry.list_artifacts(anew) == []
        assert registry.metric_names(anew) == []
        assert registry.get_artifact(other, "checkpoints/1.safetensors") == b"1"
        for unknown in UNKNOWN_RUNS:
            registry.delete_run(unknown)

    def test_versions_outlive_their_run(self, registry: Registry) -> None:
        run = registry.open_run("job_1", name="")
        made = registry.create_version("o", make_theta(), key="job_1", run_id=run)
        registry.put_artifact(run, "result/result.json", b"{}")
        registry.delete_run(run)
        assert registry.version("o", "1") == made
        assert registry.weights("o", 1) == make_theta().to_bytes()
        assert [file.path for file in registry.list_artifacts(run)] == [theta_path(made.sha256)]
        assert registry.open_run("job_1", name="") == run


class MetricContract:
    @pytest.fixture
    def run(self, registry: Registry) -> str:
        return registry.open_run("job_1", name="run")

    def test_points_come_back_as_they_were_written(self, registry: Registry, run: str) -> None:
        points = [
            point(0, 0.1),
            point(1, -2.5e-300),
            point(2, 0.0),
            point(7, 1e308),
            point(2**40, 3),
        ]
        registry.log_metrics(run, points)
        assert registry.metrics(run, "meta_loss") == points

    def test_values_that_are_not_finite_come_back(self, registry: Registry, run: str) -> None:
        registry.log_metrics(
            run, [point(0, math.inf), point(1, math.nan), point(2, -math.inf), point(3, 1.7e308)]
        )
        first, second, third, fourth = (p.value for p in registry.metrics(run, "meta_loss"))
        assert (first, third, fourth) == (math.inf, -math.inf, 1.7e308)
        assert math.isnan(second)

    def test_a_retried_step_replaces_the_first(self, registry: Registry, run: str) -> None:
        registry.log_metrics(run, [point(step, 1.0 + step, minutes=step) for step in range(4)])
        registry.log_metrics(
            run, [point(step, 10.0 - step, minutes=60 + step) for step in (2, 3, 4)]
        )
        registry.log_metrics(run, [point(3, math.nan, minutes=90)])
        read = values(registry.metrics(run, "meta_loss"))
        assert read[:3] == [(0, 1.0), (1, 2.0), (2, 8.0)]
        assert math.isnan(read[3][1])
        assert read[4] == (4, 6.0)
        assert len(read) == 5

    def test_a_repeated_batch_changes_nothing(self, registry: Registry, run: str) -> None:
        batch = [point(step, float(step)) for step in range(3)]
        registry.log_metrics(run, batch)
        registry.log_metrics(run, [*batch, point(3, 3.0)])
        assert values(registry.metrics(run, "meta_loss")) == [
            (0, 0.0),
            (1, 1.0),
            (2, 2.0),
            (3, 3.0),
        ]

    def test_reading_on_after_a_step(self, registry: Registry, run: str) -> None:
        registry.log_metrics(run, [point(step, float(step)) for step in (5, 1, 3)])
        assert values(registry.metrics(run, "meta_loss", after_step=1)) == [(3, 3.0), (5, 5.0)]
        assert values(registry.metrics(run, "meta_loss", limit=2)) == [(1, 1.0), (3, 3.0)]
        assert values(registry.metrics(run, "meta_loss", after_step=1, limit=1)) == [(3, 3.0)]
        assert registry.metrics(run, "meta_loss", after_step=5) == []

    def test_more_points_than_one_batch_holds(self, registry: Registry, run: str) -> None:
        registry.log_metrics(run, [point(step, step / 7) for step in range(2345)])
        assert values(registry.metrics(run, "meta_loss")) == [
            (step, step / 7) for step in range(2345)
        ]

    def test_series_are_named_and_apart(self, registry: Registry, run: str) -> None:
        other = registry.open_run("job_2", name="other")
        registry.log_metrics(run, [point(0, 1.0, name="b"), point(0, 2.0, name="a")])
        registry.log_metrics(other, [point(0, 3.0, name="c")])
        registry.log_metrics(run, [])
        assert registry.metric_names(run) == ["a", "b"]
        assert values(registry.metrics(run, "a")) == [(0, 2.0)]
        assert registry.metrics(run, "c") == []

    def test_times_are_utc_to_the_millisecond(self, registry: Registry, run: str) -> None:
        local = datetime(2026, 1, 2, 5, 0, 0, 123999, tzinfo=timezone(timedelta(hours=2)))
        registry.log_metrics(run, [MetricPoint(name="a", value=1, step=0, time=local)])
        (read,) = registry.metrics(run, "a")
        assert read.time.isoformat() == "2026-01-02T03:00:00.123000+00:00"

    def test_one_bad_point_refuses_the_batch(
        self, registry: Registry, run: str, subtests: pytest.Subtests
    ) -> None:
        for bad, message in BAD_POINTS:
            with subtests.test(bad=bad):
                with pytest.raises(ValueError, match=message):
                    registry.log_metrics(run, [point(0, 1.0), bad])
                assert registry.metric_names(run) == []


class ArtifactContract:
    @pytest.fixture
    def run(self, registry: Registry) -> str:
        return registry.open_run("job_1", name="run")

    def test_bytes_come_back_exactly(self, registry: Registry, run: str) -> None:
        data = bytes(range(256)) * 100
        registry.put_artifact(run, "checkpoints/00000001.safetensors", data)
        registry.put_artifact(run, "empty", b"")
        assert registry.get_artifact(run, "checkpoints/00000001.safetensors") == data
        assert registry.get_artifact(run, "empty") == b""

    def test_a_file_is_replaced(self, registry: Registry, run: str) -> None:
        registry.put_artifact(run, "a/b.json", b"a longer first text")
        registry.put_artifact(run, "a/b.json", b"second")
        assert registry.get_artifact(run, "a/b.json") == b"second"
        assert registry.list_artifacts(run) == [ArtifactInfo(path="a/b.json", size_bytes=6)]

    def test_files_are_listed_at_any_depth(self, registry: Registry, run: str) -> None:
        for path in ("z", "result/result.json", "result/a/deep.png", "resultant/x"):
            registry.put_artifact(run, path, path.encode())
        assert [a.path for a in registry.list_artifacts(run, "result")] == [
            "result/a/deep.png",
            "result/result.json",
        ]
        assert [a.path for a in registry.list_artifacts(run)] == [
            "result/a/deep.png",
            "result/result.json",
            "resultant/x",
            "z",
        ]
        assert registry.list_artifacts(run, "nowhere") == []

    def test_deleting(self, registry: Registry, run: str) -> None:
        registry.put_artifact(run, "a/b", b"1")
        registry.put_artifact(run, "a/c", b"2")
        registry.delete_artifact(run, "a/b")
        registry.delete_artifact(run, "a/b")
        registry.delete_artifact(run, "nowhere/x")
        assert [a.path for a in registry.list_artifacts(run)] == ["a/c"]

    def test_a_missing_artifact_is_not_found(
        self, registry: Registry, run: str, subtests: pytest.Subtests
    ) -> None:
        for path in MISSING:
            with subtests.test(path=path):
                registry.put_artifact(run, "a/b/d", b"")
                with pytest.raises(ArtifactNotFound):
                    registry.get_artifact(run, path)

    def test_a_file_in_the_place_of_a_folder_is_refused(self, registry: Registry, run: str) -> None:
        registry.put_artifact(run, "a/b", b"")
        for path in ("a", "a/b/c"):
            with pytest.raises(RegistryError, match="cannot be stored"):
                registry.put_artifact(run, path, b"")
        assert [a.path for a in registry.list_artifacts(run)] == ["a/b"]

    def test_path_tricks_are_refused(
        self, registry: Registry, run: str, subtests: pytest.Subtests
    ) -> None:
        for path in PATH_TRICKS:
            with subtests.test(path=path):
                calls = [
                    partial(registry.put_artifact, run, path, b""),
                    partial(registry.get_artifact, run, path),
                    partial(registry.delete_artifact, run, path),
                ]
                if path:
                    calls.append(partial(registry.list_artifacts, run, path))
                for call in calls:
                    with pytest.raises(InvalidName, match="artifact path"):
                        call()
                assert registry.list_artifacts(run) == []


class VersionContract:
    def test_a_version_says_what_it_is(self, registry: Registry) -> None:
        run = registry.open_run("job_1", name="run")
        theta = make_theta()
        before = datetime.now(UTC) - timedelta(seconds=1)
        version = registry.create_version(
            "mlp", theta, key="job_1", run_id=run, tags={"job_id": "job_1", "empty": ""}
        )
        assert (version.optimizer, version.number, version.run_id) == ("mlp", 1, run)
        assert version.sha256 == theta.sha256
        assert version.size_bytes == len(theta.to_bytes())
        assert before <= version.created_at <= datetime.now(UTC)
        assert version.manifest == theta.manifest
        assert dict(version.tags) == {"job_id": "job_1", "empty": ""}
        assert version.aliases == ()
        assert registry.version("mlp", "1") == registry.versions("mlp")[0] == version

    def test_the_file_comes_back_as_it_is(self, registry: Registry) -> None:
        theta = Theta.from_bytes(make_theta().to_bytes())
        version = registry.create_version("mlp", theta, key="k")
        data = registry.weights("mlp", version.number)
        assert data == registry.weights("mlp", version.number) == theta.to_bytes()
        assert Theta.from_bytes(data).manifest == theta.manifest

    def test_the_file_is_among_the_artifacts_of_its_run(self, registry: Registry) -> None:
        run = registry.open_run("job_1", name="run")
        version = registry.create_version("mlp", make_theta(), key="k", run_id=run)
        assert registry.get_artifact(run, theta_path(version.sha256)) == make_theta().to_bytes()

    def test_an_upload_has_no_run(self, registry: Registry) -> None:
        assert registry.create_version("mlp", make_theta(), key="k").run_id is None
        assert registry.version("mlp", "latest").run_id is None

    def test_numbers_count_from_one_for_each_optimizer(self, registry: Registry) -> None:
        for seed in range(3):
            assert (
                registry.create_version("mlp", make_theta(seed), key=f"k{seed}").number == seed + 1
            )
        assert registry.create_version("cnn.v2", make_theta(0), key="k0").number == 1
        assert [v.number for v in registry.versions("mlp")] == [3, 2, 1]
        assert registry.optimizers() == ["cnn.v2", "mlp"]
        assert registry.version("mlp", "latest").number == 3
        assert registry.version("mlp", "2").sha256 == make_theta(1).sha256

    def test_a_key_makes_one_version(self, registry: Registry) -> None:
        first = registry.create_version("mlp", make_theta(), key="job_1")
        registry.create_version("mlp", make_theta(1), key="job_2")
        assert registry.create_version("mlp", make_theta(), key="job_1") == first
        assert len(registry.versions("mlp")) == 2

    def test_a_key_used_for_another_theta_is_refused(self, registry: Registry) -> None:
        registry.create_version("mlp", make_theta(0), key="job_1")
        with pytest.raises(RegistryError, match=r"key 'job_1' .* mlp@1"):
            registry.create_version("mlp", make_theta(1), key="job_1")
        assert [v.number for v in registry.versions("mlp")] == [1]

    def test_a_manifest_that_would_be_cut_is_refused(self, registry: Registry) -> None:
        theta = make_theta()
        long = Theta(theta.rule, theta.tensors, theta.rate, {"note": "x" * 90_000})
        with pytest.raises(ThetaError, match=r"manifest has 90\d\d\d characters"):
            registry.create_version("mlp", long, key="k")
        assert registry.optimizers() == []

    def test_the_same_theta_under_two_keys_is_two_versions(self, registry: Registry) -> None:
        assert [
            registry.create_version("mlp", make_theta(), key=key).number for key in ("a", "b")
        ] == [1, 2]

    def test_racing_threads(self, registry: Registry) -> None:
        with ThreadPoolExecutor(4) as pool:
            made = list(
                pool.map(
                    lambda i: registry.create_version("mlp", make_theta(i % 3), key=f"k{i % 3}"),
                    range(9),
                )
            )
        assert sorted({v.number for v in made}) == [1, 2, 3]
        assert [v.number for v in registry.versions("mlp")] == [3, 2, 1]

    def test_strange_names_are_refused(self, registry: Registry, subtests: pytest.Subtests) -> None:
        for name in STRANGE_NAMES:
            with subtests.test(name=name):
                calls = [
                    partial(registry.create_version, name, make_theta(), key="k"),
                    partial(registry.versions, name),
                    partial(registry.version, name, "latest"),
                    partial(registry.weights, name, 1),
                    partial(registry.set_alias, name, "champion", 1, actor="a"),
                    partial(registry.alias_history, name),
                ]
                for call in calls:
                    with pytest.raises(InvalidName):
                        call()
                assert registry.optimizers() == []

    def test_an_unknown_optimizer_is_not_found(self, registry: Registry) -> None:
        registry.create_version("mlp", make_theta(), key="k")
        calls = [
            partial(registry.versions, "cnn"),
            partial(registry.version, "cnn", "latest"),
            partial(registry.version, "cnn", "1"),
            partial(registry.version, "cnn", "champion"),
            partial(registry.weights, "cnn", 1),
            partial(registry.set_alias, "cnn", "champion", 1, actor="a"),
            partial(registry.delete_alias, "cnn", "champion", actor="a"),
            partial(registry.alias_history, "cnn"),
        ]
        for call in calls:
            with pytest.raises(OptimizerNotFound, match="cnn"):
                call()

    def test_an_unknown_version_is_not_found(
        self, registry: Registry, subtests: pytest.Subtests
    ) -> None:
        for number in UNKNOWN_NUMBERS:
            with subtests.test(number=number):
                registry.create_version("mlp", make_theta(), key="k")
                calls = [
                    partial(registry.version, "mlp", str(number)),
                    partial(registry.weights, "mlp", number),
                    partial(registry.set_alias, "mlp", "champion", number, actor="a"),
                ]
                for call in calls:
                    with pytest.raises(VersionNotFound, match=f"mlp.* version {number}"):
                        call()
                assert registry.alias_history("mlp") == []


class RegistryContract(RunContract, MetricContract, ArtifactContract, VersionContract):
    """Everything but aliases, whose contract starts from versions:
    `tests/registry/alias_contract.py`."""
