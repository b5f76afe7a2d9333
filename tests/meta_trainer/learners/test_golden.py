"""Golden trajectories: learners with each learned rule and HyperAdam's variants, as when the files
were written.

A difference means that numbers have changed for everybody's Θ. If that is meant, say so in
CHANGELOG.md and write the files anew: HYPERADAM_REWRITE_GOLDEN=1 pytest
tests/meta_trainer/learners/test_golden.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.rules import rule_from_spec

from meta_trainer.datasets import Dataset, load
from meta_trainer.seeds import make_generator
from meta_trainer.specs import RECOMMENDED, CNNTaskSpec, LSTMTaskSpec, MLPTaskSpec
from meta_trainer.tasks import build_optimizee
from meta_trainer.unrolls.optimizers import Learned
from meta_trainer.unrolls.rollout import rollout

GOLDEN = Path(__file__).parent / "golden"
N_STEPS = 5
RULES: dict[str, tuple[dict[str, Any], float]] = {
    "hyperadam": ({"kind": "hyperadam"}, 0.005),
    "rnnprop": ({"kind": "rnnprop"}, 1.0),
    "dm": ({"kind": "dm"}, 1.0),
    "hyperadam-recommended": (RECOMMENDED["hyperadam"]["rule"], 0.005),
    "hyperadam-no-lstm": ({"kind": "hyperadam", "lstm": False}, 0.005),
    "hyperadam-no-preprocessing": ({"kind": "hyperadam", "preprocessing": False}, 0.005),
}
"""Specs and rates."""
TASKS: dict[str, MLPTaskSpec | CNNTaskSpec | LSTMTaskSpec] = {
    "mlp": MLPTaskSpec(hidden=(4,), batch_size=8),
    "cnn-1": CNNTaskSpec(batch_size=4),
    "cnn-2-batch-norm-dropout": CNNTaskSpec(
        architecture="cnn-2", batch_norm=True, dropout=True, batch_size=4
    ),
    "lstm": LSTMTaskSpec(batch_size=8),
    "lstm-2-layers": LSTMTaskSpec(n_layers=2, noise_std=0.01, batch_size=8),
}


@pytest.fixture(scope="module")
def small() -> Dataset:
    """Every fourth pixel both ways: 7×7 images."""
    whole = load("mnist5k")
    return Dataset(
        whole.name,
        whole.split,
        whole.images[:, :, ::4, ::4].contiguous(),
        whole.labels,
        whole.n_classes,
    )


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("task", TASKS)
def test_runs_as_it_did(small: Dataset, task: str, name: str) -> None:
    spec, lr = RULES[name]
    rule = rule_from_spec(spec)
    theta = rule.pack(rule.init_theta(make_generator(0, "theta"), rule.inits[0]))
    optimizee = build_optimizee(
        TASKS[task], {small.name: small}, 0, "golden", [(0,), (1,)], dtype=torch.float64
    )
    result = rollout(Learned(rule, theta.double(), Rate(lr=lr)), optimizee, N_STEPS)
    path = GOLDEN / f"{task}.json"
    if os.environ.get("HYPERADAM_REWRITE_GOLDEN") == "1":
        known = json.loads(path.read_text()) if path.exists() else {}
        known[name] = {
            "curves": result.curves.tolist(),
            "final_losses": result.final_losses.tolist(),
        }
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    expected = json.loads(path.read_text())[name]
    torch.testing.assert_close(
        result.curves, torch.tensor(expected["curves"], dtype=torch.float64), rtol=1e-6, atol=0
    )
    finals = torch.tensor(expected["final_losses"], dtype=torch.float64)
    torch.testing.assert_close(result.final_losses, finals, rtol=1e-6, atol=0)
    assert not torch.allclose(result.curves[0], result.final_losses, rtol=1e-4)  # it went somewhere
