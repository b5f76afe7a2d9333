"""What every backend does with runs: inherit `RunContract` and supply the fixture `registry`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hyperadam.names import InvalidName

from registry import (
    Registry,
    RunNotFound,
)
from registry.records import theta_path
from tests.registry.bad_inputs import (
    BAD_TAGS,
    STRANGE_KEYS,
    UNKNOWN_RUNS,
)
from tests.registry.points import point
from tests.registry.thetas import make_theta


class RunContract:
    def test_a_key_has_one_run(self, registry: Registry) -> None:
        first = registry.open_run("job_1", name="first", tags={"kind": "meta-training"})
        assert registry.open_run("job_1", name="another name") == first
        assert registry.open_run("job_2", name="first") != first

    def test_a_run_is_found_by_its_key(self, registry: Registry) -> None:
        assert registry.find_run("job_1") is None
        run = registry.open_run("job_1", name="first")
        assert registry.find_run("job_1") == run
        registry.delete_run(run)
        assert registry.find_run("job_1") is None

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

    def test_series_do_not_outlive_their_run(self, registry: Registry) -> None:
        run = registry.open_run("job_1", name="")
        other = registry.open_run("job_2", name="")
        registry.create_version("o", make_theta(), key="job_1", run_id=run)
        for each in (run, other):
            registry.log_metrics(each, [point(1, 1.0)])
        registry.delete_run(run)
        assert registry.metric_names(run) == []
        assert len(registry.metric_names(other)) == 1

    def test_what_is_left_of_a_run_goes_with_its_last_version(self, registry: Registry) -> None:
        run = registry.open_run("job_1", name="")
        kept = registry.open_run("job_2", name="")
        for seed, key in ((1, "a"), (2, "b")):
            registry.create_version("o", make_theta(seed), key=key, run_id=run)
        registry.create_version("o", make_theta(3), key="c", run_id=kept)
        registry.delete_run(run)
        for number, is_there in ((1, True), (2, False)):
            registry.delete_version("o", number, actor="ann")
            assert (registry.open_run("job_1", name="") == run) == is_there
        registry.delete_version("o", 3, actor="ann")
        assert registry.open_run("job_2", name="") == kept
