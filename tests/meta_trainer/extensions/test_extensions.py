"""What an operator installs by entry points is trained like our own, and what is broken is said and
left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from hyperadam import extensions

from tests.meta_trainer.extensions.distribution import install

TOP = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_installed_is_trained_like_our_own(tmp_path: Path) -> None:
    install(tmp_path)
    path = os.pathsep.join([str(tmp_path), str(TOP), str(TOP / "client")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.meta_trainer.extensions.train"],
        env={**os.environ, "PYTHONPATH": path, "HYPERADAM_HOME": str(tmp_path / "home")},
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    check_training(result["trained"])
    check_catalog(result["catalog"])
    assert result["refused"] == "n_coordinates"
    assert (result["schema"]["minimum"], result["schema"]["description"]) == (1, "Of the point.")
    assert "left out: entry point 'gone' of hyperadam.tasks, from bowls 1.2" in done.stderr
    assert "left out: entry point 'mlp'" in done.stderr


def check_training(trained: dict[str, Any]) -> None:
    assert trained["succeeded"]
    assert trained["rule"] == "blend"
    assert trained["gain"] > 0.01
    assert trained["core_seconds"] > 0
    provenance = trained["provenance"]
    assert "bowls==1.2" in provenance["code"]["extensions"]
    assert provenance["datasets"] == {"sights-3": f"{3:064x}"}
    assert provenance["spec"]["rule"] == {"kind": "blend", "decay": 0.5}


def check_catalog(catalog: dict[str, Any]) -> None:
    origin = {"distribution": "bowls", "version": "1.2"}
    installed = {task["kind"]: task["installed"] for task in catalog["tasks"]}
    assert (installed["bowl"], installed["mlp"]) == (origin, None)
    rules = {rule["kind"]: rule["installed"] for rule in catalog["rules"]}
    assert (rules["blend"], rules["hyperadam"]) == (origin, None)
    broken = {each["kind"]: each["problem"] for each in catalog["broken"]}
    assert set(broken) == {"gone", "mlp"}
    assert "No module named 'bowls.nowhere'" in broken["gone"]
    assert "one of the service's own" in broken["mlp"]


def test_one_that_is_broken_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_text(kind: str, value: object) -> None:
        if isinstance(value, str):
            raise TypeError(f"{kind} is a text")

    entries = (
        EntryPoint("good", "math:floor", "group"),
        EntryPoint("missing", "math:nothing", "group"),
        EntryPoint("text", "string:digits", "group"),
        EntryPoint("good", "math:hypot", "group"),
    )
    monkeypatch.setattr(extensions, "_read_all", lambda: {"group": entries})
    monkeypatch.setattr(extensions, "_broken", {})
    assert list(extensions.load_extensions("group", refuse_text)) == ["good"]
    problems = {each.kind: each.problem for each in extensions.list_broken()}
    assert problems["text"] == "TypeError: text is a text"
    assert problems["missing"].startswith("AttributeError: ")
    assert problems["good"] == "ValueError: the kind is taken by unknown"
