"""A driver that is not there is said at the start, in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from registry import RegistryError, connect
from services.cli import app


@pytest.mark.parametrize(
    ("module", "location", "said"),
    [
        ("boto3", "s3://bucket/runs", "boto3, which is not installed: pip install"),
        ("google.cloud.storage", "gs://bucket/runs", r"hyperadam-server\[gcs\]"),
    ],
)
def test_a_missing_driver_is_said_when_the_registry_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, location: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RegistryError, match=said):
        connect(f"sqlite:///{tmp_path}/registry.db", location)


def test_a_server_without_the_driver_ends_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setenv("HYPERADAM_ARTIFACT_LOCATION", "s3://bucket/runs")
    answer = CliRunner().invoke(app, ["migrate", "--home", str(tmp_path)])
    assert answer.exit_code == 1
    assert "pip install 'hyperadam-server[s3]'" in " ".join(answer.output.split())
    assert "Traceback" not in answer.output
