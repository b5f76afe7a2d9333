"""Every suite at quick size through a live service and the command; the versions differ in all that
is varied."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.datasets import load
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.suites import ALL, SUITES
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule
from services.executors.process import ProcessExecutor
from tests.services.test_cli import Service, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NAMES = {suite.name for suite in SUITES.values() if suite is not ALL}
PLAIN = {"rule": {"n_candidates": 2}}
ABLATED = {"rule": {"n_candidates": 3, "lstm": False}, "tricks": {"random_scaling": 0}}


def theta_of(fields: dict[str, Any], lr: float) -> Theta:
    spec = MetaTrainingSpec.model_validate(fields)
    made = {"spec": spec.model_dump(mode="json")}
    return Theta.from_vector(
        make_rule(spec.rule), make_initial_theta(spec), rate=Rate(lr=lr), provenance=made
    )


def write_mnist(folder: Path) -> None:
    """Some embedded images as MNIST's own files."""
    images, labels = load("mnist5k").images[::25, 0].numpy(), load("mnist5k").labels[::25].numpy()
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        for what, values in (("images-idx3", images), ("labels-idx1", labels)):
            header = np.array([0x0800 + values.ndim, *values.shape], dtype=">i4").tobytes()
            (raw / f"{split}-{what}-ubyte").write_bytes(header + values.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With plain processes, one tiny MNIST, and two versions: the second diverges where nothing
    bounds its steps."""
    folder = tmp_path_factory.mktemp("live")
    write_mnist(folder / "data")
    home = folder / "home"
    try:
        with running(
            home, HYPERADAM_DATA_DIR=str(folder / "data"), XDG_CACHE_HOME=str(folder / "cache")
        ) as service:
            for theta in (theta_of(PLAIN, 0.005), theta_of(ABLATED, 1e30)):
                content = {
                    "content": theta.to_bytes(),
                    "headers": {"Content-Type": "application/octet-stream"},
                }
                service.http.post("/v1/optimizers/tiny/versions", **content).raise_for_status()
            yield service
    finally:
        executor = ProcessExecutor(home / "processes")
        for process in (home / "processes").glob("*"):
            executor.kill(process.name)


def command(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    key = service.http.headers["Authorization"].removeprefix("Bearer ")
    environment = {
        **os.environ,
        "HYPERADAM_URL": str(service.http.base_url),
        "HYPERADAM_API_KEY": key,
    }
    program = Path(sys.executable).with_name("hyperadam")
    return subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, timeout=500
    )


def test_one_command_runs_every_suite(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    done = command(
        service, "evaluate", "tiny@1", "tiny@2", "--suite", "all", "--quick", "-o", str(folder)
    )
    assert done.returncode == 0, done.stderr
    assert "ablation-j/mlp-4" in done.stdout
    result = json.loads((folder / "result.json").read_text(), parse_constant=pytest.fail)
    assert (set(result["sections"]), result["left_out"]) == (NAMES, {})
    report = (folder / "report.md").read_text()
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", report)
    assert {Path(picture).parent.name for picture in pictures} == NAMES
    assert all((folder / picture).read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert "RS and CC (tiny@1)" in report
    assert (folder / "report.html").read_text().count("<img ") == len(pictures)
    for name in NAMES:
        section = json.loads(
            (folder / name / "result.json").read_text(), parse_constant=pytest.fail
        )
        assert section["suite"] == name
        assert {row["optimizer"] for row in section["rows"]} >= {"tiny@1", "tiny@2", "adam"}
        _versions_beside_the_best_baseline(section)


def _versions_beside_the_best_baseline(section: dict[str, Any]) -> None:
    if section["measure"] == "seconds per update":
        return
    rows = {(row["task"], row["optimizer"]): row for row in section["rows"]}
    tasks = {task for task, _ in rows}
    for task in tasks:
        assert rows[task, "tiny@1"]["n_diverged"] == 0
        assert rows[task, "tiny@1"]["difference"]["to"] == "adam"
        wild = rows[task, "tiny@2"]
        assert wild["n_diverged"] or wild["mean"] > 1e6
        assert (wild["mean"] is None) == (wild["n_diverged"] == 2)


def test_the_versions_know_what_was_found(service: Service) -> None:
    told = service.get("/v1/optimizers/tiny/versions/1")["evaluations"]
    assert {one["summary"]["settings"]["suite"] for one in told} == NAMES
    assert {service.get(f"/v1/jobs/{one['job_id']}")["state"] for one in told} == {"succeeded"}
