"""The chart's backups: off until they have a place, and as many stay as the operator says.

The command is the rendered one, in a real shell; what makes a backup is played here, and is the
real command in `tests/services/backup/test_scheduled.py`.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.charts import (
    find,
    get_container,
    list_pods,
    read_environment,
    read_values,
    render,
    render_values,
)

pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this machine")


def test_nobody_gets_backups_unasked() -> None:
    assert "backup" not in list_pods(render("trial"))


def test_it_has_what_the_migration_has_and_a_place() -> None:
    """The same image and stores, and the same files of the secret."""
    pods = list_pods(render("production"))
    backup = get_container(pods["backup"])
    migrate = get_container(pods["migrate"])
    assert backup["image"] == migrate["image"]
    environment = read_environment(backup)
    assert environment.pop("KEEP") == "14"
    place = environment.pop("BACKUPS")
    assert environment == read_environment(migrate)
    volumes = {volume["name"]: volume for volume in pods["backup"]["spec"]["volumes"]}
    others = {volume["name"]: volume for volume in pods["migrate"]["spec"]["volumes"]}
    claim = volumes.pop("backups")
    assert claim["persistentVolumeClaim"] == {"claimName": "hyperadam-backups"}
    assert volumes == others
    [path] = [mount["mountPath"] for mount in backup["volumeMounts"] if mount["name"] == "backups"]
    assert place.startswith(f"{path}/")


def test_one_is_made_at_a_time() -> None:
    job = find(render("production"), "CronJob", "-backup")["spec"]
    assert (job["schedule"], job["concurrencyPolicy"]) == ("30 3 * * *", "Forbid")


def test_a_trials_stores_let_it_in() -> None:
    values = read_values("trial") | {"backup": {"enabled": True, "existingClaim": "disk"}}
    manifests = render_values(values)
    for store in ("-postgres", "-objects"):
        [rule] = find(manifests, "NetworkPolicy", store)["spec"]["ingress"]
        [peer] = rule["from"]
        assert "backup" in peer["podSelector"]["matchExpressions"][0]["values"]


class Night:
    """A disk of backups, and the rendered command on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "backups"
        self.programs = folder / "programs"
        self.programs.mkdir()
        values = read_values("trial") | {
            "backup": {"enabled": True, "existingClaim": "disk", "keep": 2}
        }
        self.container = get_container(list_pods(render_values(values))["backup"])
        self.set_program('mkdir "$2"; echo {} > "$2/manifest.json"')

    def set_program(self, script: str) -> None:
        """What stands for `hyperadam-server`."""
        program = self.programs / "hyperadam-server"
        program.write_text(f'#!/bin/sh\n[ "$1" = backup ] || exit 9\n{script}\n')
        program.chmod(0o700)

    def add(self, name: str, *, is_whole: bool = True, days: float = 9) -> None:
        folder = self.folder / name
        folder.mkdir(parents=True)
        if is_whole:
            (folder / "manifest.json").write_text("{}")
        moment = time.time() - days * 86_400
        os.utime(folder, (moment, moment))

    def run(self) -> subprocess.CompletedProcess[str]:
        environment = read_environment(self.container)
        path = f"{self.programs}:/usr/bin:/bin"
        return subprocess.run(
            self.container["command"],
            env={"PATH": path, "KEEP": environment["KEEP"], "BACKUPS": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def list_names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


OLD = ["2026-11-27T03-30-00Z", "2026-11-28T03-30-00Z", "2026-11-29T03-30-00Z"]


def test_the_first_one(night: Night) -> None:
    done = night.run()
    assert done.returncode == 0, done.stderr
    [name] = night.list_names()
    assert time.strptime(name, "%Y-%m-%dT%H-%M-%SZ")


def test_the_newest_stay(night: Night) -> None:
    for name in OLD:
        night.add(name)
    night.add("by-hand")
    night.add("2020-from-the-old-house")
    assert night.run().returncode == 0
    foreign = {"by-hand", "2020-from-the-old-house"}
    left = [name for name in night.list_names() if name not in foreign]
    assert (len(left), left[0]) == (2, OLD[-1])
    assert foreign <= set(night.list_names())


@pytest.mark.parametrize("script", ["exit 1", 'mkdir "$2"; exit 1'])
def test_when_it_fails_the_old_ones_stay(night: Night, script: str) -> None:
    for name in OLD:
        night.add(name)
    night.set_program(script)
    assert night.run().returncode != 0
    assert night.list_names()[:3] == OLD


def test_what_was_cut_off_goes_and_does_not_count(night: Night) -> None:
    night.add(OLD[0])
    night.add(OLD[1], is_whole=False)
    night.add(OLD[2], is_whole=False, days=0.1)
    assert night.run().returncode == 0
    names: Any = night.list_names()
    assert names[:2] == [OLD[0], OLD[2]]
    assert len(names) == 3
