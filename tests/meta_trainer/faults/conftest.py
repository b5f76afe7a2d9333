"""The Θ that every disturbed training is compared with."""

from __future__ import annotations

import pytest

from meta_trainer.runners import InProcessRunner
from tests.meta_trainer.conftest import MemoryRecorder
from tests.meta_trainer.faults.jobs import digest, train


@pytest.fixture(scope="session")
def undisturbed() -> str:
    return digest(train(InProcessRunner(), MemoryRecorder()))
