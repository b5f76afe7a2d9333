"""What every backend does with artifacts: inherit `ArtifactContract`, supply `registry`."""

from __future__ import annotations

from functools import partial

import pytest
from hyperadam.names import InvalidName

from registry import (
    ArtifactInfo,
    ArtifactNotFound,
    Registry,
    RegistryError,
)
from tests.registry.bad_inputs import (
    MISSING,
    PATH_TRICKS,
)


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
