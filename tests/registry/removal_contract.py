"""What every backend does with versions that are put away: inherit `RemovalContract`."""

from __future__ import annotations

import pytest

from registry import (
    ArtifactNotFound,
    OptimizerNotFound,
    Registry,
    VersionArchived,
    VersionInUse,
    VersionNotFound,
)
from registry.records import theta_path
from tests.registry.thetas import make_theta


class RemovalContract:
    @pytest.fixture
    def two(self, registry: Registry) -> Registry:
        run = registry.open_run("job_1", name="run")
        registry.create_version("mlp", make_theta(1), key="k1", run_id=run)
        registry.create_version("mlp", make_theta(2), key="k2")
        return registry

    def test_an_archived_version_is_never_latest(self, two: Registry) -> None:
        assert two.archive_version("mlp", 2, actor="ann", reason="diverges").archived
        assert two.version("mlp", "latest").number == 1
        assert two.version("mlp", "2").archived
        assert two.weights("mlp", 2)
        two.archive_version("mlp", 1, actor="ann")
        assert two.optimizers() == []
        with pytest.raises(VersionNotFound, match="archived"):
            two.version("mlp", "latest")
        assert not two.restore_version("mlp", 2, actor="ann").archived
        assert two.optimizers() == ["mlp"]

    def test_a_deleted_version_is_gone_and_its_number_too(self, two: Registry) -> None:
        sha256 = two.version("mlp", "2").sha256
        assert two.weights("mlp", 2)
        two.delete_version("mlp", 2, actor="ann", reason="broken")
        for ask in (two.weights, lambda name, number: two.version(name, str(number))):
            with pytest.raises(VersionNotFound):
                ask("mlp", 2)
        with pytest.raises(VersionNotFound):
            two.delete_version("mlp", 2, actor="ann")
        assert [version.number for version in two.versions("mlp")] == [1]
        assert two.create_version("mlp", make_theta(2), key="k2").number == 3
        [change] = two.version_history("mlp")
        said = (change.number, change.action, change.sha256, change.actor, change.reason)
        assert said == (2, "deleted", sha256, "ann", "broken")

    def test_the_file_goes_with_the_last_version_that_has_it(self, two: Registry) -> None:
        run = two.open_run("job_1", name="run")
        theta = make_theta(1)
        two.create_version("other", theta, key="k1", run_id=run)
        two.delete_version("mlp", 1, actor="ann")
        assert two.weights("other", 1) == theta.to_bytes()
        two.delete_version("other", 1, actor="ann")
        with pytest.raises(ArtifactNotFound):
            two.get_artifact(run, theta_path(theta.sha256))
        with pytest.raises(OptimizerNotFound):
            two.versions("other")
        assert len(two.version_history("other")) == 1
        assert "other" not in two.optimizers()
        assert "other" in two.optimizers(unlisted=True)

    def test_what_an_alias_points_at_stays(self, two: Registry) -> None:
        two.set_alias("mlp", "champion", 2, actor="ann")
        with pytest.raises(VersionInUse, match="champion"):
            two.archive_version("mlp", 2, actor="ann")
        with pytest.raises(VersionInUse, match="champion"):
            two.delete_version("mlp", 2, actor="ann")
        two.archive_version("mlp", 1, actor="ann")
        with pytest.raises(VersionArchived):
            two.set_alias("mlp", "champion", 1, actor="ann")
        with pytest.raises(VersionArchived):
            two.promote("mlp", "champion", 1, expected=2, actor="job")
