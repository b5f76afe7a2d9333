"""What holds for every test of the client: seeded random numbers, put back afterwards, and one
thread."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

# Contracts and oracles that several test files share are imported from here.
sys.path.insert(0, str(Path(__file__).parent / "support"))

torch.set_num_threads(1)
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported, by whomever

settings.register_profile("hyperadam", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("hyperadam")

MARKS = {"slow and not alone": "mark.slow", "slow and alone": "mark.alone"}
"""What is asked for → what stands in the files that have it."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that has nothing of what is asked for is not imported."""
    mark = MARKS.get(config.option.markexpr)
    if mark is None or not collection_path.match("test_*.py"):
        return None
    return None if mark in collection_path.read_text("utf-8") else True


@pytest.fixture(autouse=True)
def _random_numbers() -> Iterator[None]:
    """Every test starts from the same global seeds and leaves none of its own behind.

    `torch.manual_seed` would do, but takes milliseconds to note who called it, for each kind of
    device that is not there.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(0)
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])  # noqa: NPY002
    torch.set_rng_state(before[2])


@pytest.fixture
def rng() -> np.random.Generator:
    """NumPy's generator, seeded."""
    return np.random.default_rng(0)


@pytest.fixture
def needs_compiler() -> None:
    """Skips where the fused CPU kernel cannot be compiled."""
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        pytest.skip("no C compiler on this machine")
