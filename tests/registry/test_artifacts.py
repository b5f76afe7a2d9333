"""Artifacts in a local folder, without a database: MLflow is asked only where the folder is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hyperadam.names import InvalidName

from registry import ArtifactInfo, ArtifactNotFound, RegistryError
from registry.mlflow_backend.artifacts import Artifacts
from tests.registry.bad_inputs import PATH_TRICKS


class LocalRuns:
    """Tells the place of every run: one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def artifact_uri(self, run_id: str) -> str:
        return str(self._folder)


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    runs: Any = LocalRuns(tmp_path)
    experiment = SimpleNamespace(artifact_location=str(tmp_path))
    store: Any = SimpleNamespace(client=None, experiment=experiment, make_root=lambda: tmp_path)
    return Artifacts(store, runs)


def test_files_are_listed_in_order_below_their_folder(artifacts: Artifacts, tmp_path: Path) -> None:
    for path in ("z", "result/b", "result/a/deep"):
        artifacts.put("run", path, path.encode())
    (tmp_path / "result" / ".unfinished").write_bytes(b"x")
    deep = ArtifactInfo(path="result/a/deep", size_bytes=13)
    flat = ArtifactInfo(path="result/b", size_bytes=8)
    assert artifacts.list_files("run", "result") == [deep, flat]
    assert [info.path for info in artifacts.list_files("run", "")] == [deep.path, flat.path, "z"]


def test_a_file_is_read_replaced_and_deleted(artifacts: Artifacts) -> None:
    artifacts.put("run", "a/b", b"first")
    artifacts.put("run", "a/b", b"second")
    assert artifacts.get("run", "a/b") == b"second"
    artifacts.delete("run", "a/b")
    artifacts.delete("run", "a/b")
    with pytest.raises(ArtifactNotFound, match="run run has no artifact 'a/b'"):
        artifacts.get("run", "a/b")
    artifacts.put("run", "file", b"")
    with pytest.raises(RegistryError, match="'file/inside' cannot be stored"):
        artifacts.put("run", "file/inside", b"")


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda artifacts, path: artifacts.put("run", path, b"x"), id="put"),
        pytest.param(lambda artifacts, path: artifacts.get("run", path), id="get"),
        pytest.param(lambda artifacts, path: artifacts.delete("run", path), id="delete"),
        pytest.param(lambda artifacts, path: artifacts.list_files("run", path), id="list"),
    ],
)
def test_no_path_leads_out_of_the_folder(
    artifacts: Artifacts, tmp_path: Path, act: Callable[[Artifacts, str], object]
) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}.txt"
    outside.write_bytes(b"not of the run")
    for path in (f"../{outside.name}", str(outside), *filter(None, PATH_TRICKS)):
        with pytest.raises(InvalidName):
            act(artifacts, path)
    assert outside.read_bytes() == b"not of the run"
