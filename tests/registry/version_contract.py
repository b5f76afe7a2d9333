"""What every backend does with versions: inherit `VersionContract`, supply `registry`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hyperadam.names import InvalidName
from hyperadam.theta import Theta, ThetaError

from registry import (
    OptimizerNotFound,
    Registry,
    RegistryError,
    VersionNotFound,
)
from registry.records import theta_path
from tests.registry.bad_inputs import (
    STRANGE_NAMES,
    UNKNOWN_NUMBERS,
)
from tests.registry.thetas import make_theta


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

    def test_one_that_comes_with_the_package_is_named_with_how_to_register_it(
        self, registry: Registry
    ) -> None:
        with pytest.raises(OptimizerNotFound, match="`hyperadam push hyperadam-v1` registers"):
            registry.version("hyperadam-v1", "latest")

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
