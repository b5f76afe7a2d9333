"""The example of a user's own module runs, and its Θ is at least as good as the one it began
with."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hyperadam.theta import Theta

from examples import own_module
from meta_trainer.specs import MetaTrainingSpec


@pytest.mark.slow
def test_own_module(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr("sys.argv", ["own_module", "--episodes", "1"])
    monkeypatch.setattr("tempfile.mkdtemp", lambda: str(tmp_path))
    own_module.main()
    first, second = capsys.readouterr().out.splitlines()
    before, after = (
        float(part.split()[0]) for part in first.removeprefix("validation loss: ").split(", ")
    )
    assert after <= before
    losses = [float(part.split()[0]) for part in second.split(": ", 1)[1].split(", ")]
    assert all(math.isfinite(loss) and loss < 1 for loss in losses)
    theta = Theta.load(tmp_path / "own.safetensors")
    assert theta.rate == MetaTrainingSpec.model_validate(own_module.SPEC).unroll.rate
