"""The examples: that they run, and that the demo says what went wrong and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from examples import demo
from meta_trainer.datasets import load
from tests.client.conftest import make_theta

TOP = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_readme_example_learns() -> None:
    program = TOP / "examples" / "train_with_theta.py"
    process = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, check=True, timeout=100, cwd=TOP
    )
    last = process.stdout.splitlines()[-1]
    assert last.startswith("epoch 4: ")
    assert float(last.split(", ")[1].split("%")[0]) > 90


@pytest.fixture
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HYPERADAM_URL", "HYPERADAM_API_KEY", "HYPERADAM_HOME"):
        monkeypatch.setenv(name, "")


@pytest.mark.usefixtures("_unset")
def test_a_server_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.exit('no such [port]')"], stderr=output
        )
    with pytest.raises(demo.DemoFailed, match=r"status 1[^$]*no such \[port\]"):
        demo.wait_until_ready(process, tmp_path, log)


@pytest.mark.usefixtures("_unset")
def test_a_server_that_never_gets_ready_is_told_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "READY_SECONDS", 0.1)
    log = tmp_path / "server.log"
    log.write_text("starting")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(demo.DemoFailed, match="not ready"):
        demo.wait_until_ready(process, tmp_path, log)
    demo.stop(process)
    assert process.returncode is not None


@pytest.mark.slow
def test_an_untrained_optimizer_is_not_clearly_better_than_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "N_STARTS", 2)
    theta = make_theta(0)
    assert not demo.compare(theta, theta, load("mnist5k"))
    output = capsys.readouterr().out
    assert "not clearly worse" in output
    assert "\x1b" not in output


def test_a_paired_mean_has_its_standard_error() -> None:
    mean, error = demo.mean_with_error(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64))
    assert mean == 2.5
    assert error == pytest.approx((5 / 3) ** 0.5 / 2)
