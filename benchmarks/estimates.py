"""What a dry run estimates beside what jobs take: updates, and seconds of one core.

    python -m benchmarks.estimates

Each spec is trained to its end in this process. Seconds are those that the process computed for
(`time.process_time`), so that other work on the machine does not count.
"""

from __future__ import annotations

import os
import platform
import time
from typing import Any, Final

import torch

from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import SpecTaskSource, load_data
from meta_trainer.tasks.costs import estimate_cost
from meta_trainer.training.loop import MetaTraining

_SMALL: Final = {
    "n_learners": 4,
    "chunk_size": 4,
    "validation": {"every_episodes": 4, "n_learners": 4},
}
SPECS: Final[dict[str, dict[str, Any]]] = {
    "quick": {"preset": "quick", "n_episodes": 3},
    "tensor": {"preset": "tensor", **_SMALL, "n_episodes": 8, "unroll": {"horizon": 40}},
    "wide MLP": {
        **_SMALL,
        "n_episodes": 3,
        "task": {"hidden": [64], "batch_size": 64},
        "unroll": {"horizon": 40, "period": 20},
    },
    "networks of today": {
        **_SMALL,
        "n_episodes": 6,
        "rule": {"kind": "hyperadam-tensor"},
        "tasks": {"network": {"networks": ["cnn", "gru", "attention", "mixer"]}},
        "unroll": {"horizon": 40},
    },
    "rnnprop": {
        **_SMALL,
        "n_episodes": 1,
        "rule": {"kind": "rnnprop"},
        "unroll": {"horizon": 40, "period": 20},
    },
    "described": {
        **_SMALL,
        "n_episodes": 6,
        "rule": {"kind": "hyperadam-tensor"},
        "tasks": {"described": {"networks": [[{"kind": "conv", "channels": 8}, {"kind": "pool"}]]}},
        "unroll": {"horizon": 40},
    },
}


def main() -> None:
    """Print a table in Markdown."""
    torch.set_num_threads(1)
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}\n")
    print("| spec | updates, estimated | in fact | core-seconds, estimated | in fact | ratio |")
    print("|---|---|---|---|---|---|")
    for name, content in SPECS.items():
        print(measure(name, MetaTrainingSpec.model_validate(content)), flush=True)


def measure(name: str, spec: MetaTrainingSpec) -> str:
    """One row: the ratio is estimated to real seconds."""
    cost = estimate_cost(spec)
    source = SpecTaskSource(load_data(spec.data_tasks, os.environ.get("HYPERADAM_DATA_DIR")))
    started_at = time.process_time()
    trained = MetaTraining(spec, source, InProcessRunner(), LogRecorder()).run()
    seconds = time.process_time() - started_at
    return (
        f"| {name} | {cost.n_updates} | {trained.n_updates} | {cost.core_seconds:.1f} | "
        f"{seconds:.1f} | {cost.core_seconds / seconds:.2f} |"
    )


if __name__ == "__main__":
    main()
