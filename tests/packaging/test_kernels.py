"""A wheel with compiled kernels: its first step needs no compiler and makes none of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CLIENT = Path(__file__).resolve().parents[2] / "client"
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "tests", "build", "dist")
WIDER = ("avx2", "avx512")
"""Sets of instructions, as torch names them."""
FIRST_STEP = CLIENT / "tests" / "support" / "first_step.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: the wheel's."""
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        pytest.skip("no C compiler on this machine")
    top = tmp_path_factory.mktemp("compiled")
    shutil.copytree(CLIENT, top / "client", ignore=IGNORED)
    options = ["--wheel", "--no-isolation", "--outdir", str(top / "dist")]
    command = [sys.executable, "-m", "build", *options, str(top / "client")]
    environment = os.environ | {"HYPERADAM_COMPILE_KERNELS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = (top / "dist").glob("hyperadam-*-py3-none-*.whl")
    assert not wheel.stem.endswith("-any")
    zipfile.ZipFile(wheel).extractall(top / "site")
    return top / "site"


def take_step(site: Path, home: Path, **others: str) -> tuple[str, list[float]]:
    """The set of instructions that ran, and what the first step made of the weights."""
    environment = {
        "PYTHONPATH": str(site),
        "PATH": "/nowhere",
        "HOME": str(home),
        "HYPERADAM_KERNEL": "auto",
        **others,
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FIRST_STEP)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=home,
    )
    assert done.returncode == 0, done.stderr
    instructions, weights = done.stdout.splitlines()
    return instructions, [float(weight) for weight in weights.split()]


def test_the_first_step_needs_no_compiler(site: Path, tmp_path: Path) -> None:
    _, weights = take_step(site, tmp_path)
    assert len(set(weights)) > 1
    assert list(tmp_path.rglob("*.so")) == []


def test_every_set_of_instructions_takes_the_same_step(site: Path, tmp_path: Path) -> None:
    """A few units in the last place apart: they round in other places. torch uses what it is asked
    for, also on a CPU that has it not, and dies of it: so those that this one has."""
    plain, expected = take_step(site, tmp_path, ATEN_CPU_CAPABILITY="default")
    assert plain == "plain"
    widest = torch.backends.cpu.get_cpu_capability().lower()
    for capability in WIDER[: WIDER.index(widest) + 1] if widest in WIDER else ():
        ran, weights = take_step(site, tmp_path, ATEN_CPU_CAPABILITY=capability)
        if ran == capability:
            assert weights == pytest.approx(expected, rel=1e-6)
