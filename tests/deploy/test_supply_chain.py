"""What is installed is known to the byte, and what looks at it cannot be content with nothing."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BY_THE_MACHINE = {"torch", "torchvision", "triton"}
LOCKS = ["requirements.lock", "deploy/requirements.lock"]


def read_pins(file: str) -> dict[str, str]:
    """Name → version."""
    text = (TOP / file).read_text("utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_are_the_constraints_with_digests(lock: str) -> None:
    constraints = read_pins("constraints.txt")
    locked = read_pins(lock)
    differing = {name for name in locked if constraints.get(name) != locked[name]}
    assert not differing, "run `make lock`"
    assert not locked.keys() & BY_THE_MACHINE

    text = (TOP / lock).read_text("utf-8")
    blocks = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(locked)
    assert all("--hash=sha256:" in block for block in blocks)


def test_every_constraint_has_a_digest() -> None:
    missing = read_pins("constraints.txt").keys() - read_pins("requirements.lock").keys()
    assert missing <= BY_THE_MACHINE, "run `make lock`"


def test_images_hold_the_drivers_of_object_stores() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = {re.split(r"[<>=]", line)[0] for name in ("s3", "gcs") for line in extras[name]}
    assert needed
    assert needed <= read_pins("deploy/requirements.lock").keys()


def test_images_hold_no_tools_of_development() -> None:
    locked = read_pins("deploy/requirements.lock").keys()
    assert {"fastapi", "ray", "mlflow", "cryptography", "psycopg"} <= locked
    assert not locked & {"pytest", "hypothesis", "mypy", "ruff", "schemathesis"}


@pytest.mark.parametrize(
    ("report", "status", "code", "said"),
    [
        ("No known vulnerabilities found", 0, 0, "no known vulnerabilities in 2 packages"),
        ("Found 1 known vulnerability in 1 package", 1, 1, "Found 1 known vulnerability"),
        ("ERROR: connection refused", 1, 3, "no database of vulnerabilities can be reached"),
        ("a could not be audited\nb could not be audited", 0, 3, "knows none of the 2 packages"),
        ("a could not be audited", 0, 0, "in 1 packages; 1 could not be looked up"),
    ],
)
def test_an_audit_that_knows_nothing_is_no_audit(
    tmp_path: Path, report: str, status: int, code: int, said: str
) -> None:
    (tmp_path / "lock").write_text("a==1 \\\n    --hash=x\nb==2 \\\n    --hash=x\n")
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\nprintf '{report}\\n'\nexit {status}\n".replace("\na ", "\\na "))
    tool.chmod(0o755)
    command = [TOP / ".ci/audit", tool, tmp_path / "lock"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout + done.stderr
