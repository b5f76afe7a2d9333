"""The suites by name: one file and one line each."""

from __future__ import annotations

from typing import Final

from meta_trainer.evaluation.suites.activations import ACTIVATIONS_SUITE
from meta_trainer.evaluation.suites.base import MLPTask, Suite, Task

SUITES: Final[dict[str, Suite]] = {
    "activations": ACTIVATIONS_SUITE,
}

__all__ = ["SUITES", "MLPTask", "Suite", "Task"]
