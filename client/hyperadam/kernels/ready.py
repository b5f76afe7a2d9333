"""Libraries that came with the package: a wheel for a platform has some, compiled from the sources
beside them.

The first step needs no compiler then. Each is there for several sets of instructions; the widest
that this CPU has is taken. Their folder is as trustworthy as the code that reads this.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

import torch

from hyperadam.kernels.recipe import (
    INSTRUCTION_SETS,
    SUFFIX,
    Kernel,
    hash_bytes,
    name_machine,
    name_shipped,
)

_PACKAGE: Final = "hyperadam.kernels"


def find_ready(kernel: Kernel) -> Path | None:
    """The library of the widest instructions that this CPU has; None where there is none."""
    folder = resources.files(_PACKAGE) / "compiled"
    sources = resources.files(_PACKAGE) / "native"
    if not isinstance(folder, Path) or not isinstance(sources, Path):
        return None  # in a zip file, from which no library can be loaded
    return choose_library(kernel, sources, folder, list_instructions())


def choose_library(
    kernel: Kernel, sources: Path, folder: Path, instructions: Sequence[str]
) -> Path | None:
    """A whole library of these very sources; None where there is none.

    Args:
        sources: the folder `native`.
        folder: where libraries are.
        instructions: sets, in the order in which they are preferred.
    """
    for name in instructions:
        stem = name_shipped(kernel, sources, name)
        for path in sorted(folder.glob(f"{stem}-*{SUFFIX}")):
            if is_whole(path):
                return path
    return None


def list_instructions() -> Sequence[str]:
    """The sets that this CPU has, of those that wheels are made for, the widest first."""
    machine = name_machine(platform.machine())
    if machine is None:
        return ()
    sets = list(INSTRUCTION_SETS[machine])
    widest = torch.backends.cpu.get_cpu_capability().lower()
    return sets[sets.index(widest) :] if widest in sets else sets[-1:]


def is_whole(path: Path) -> bool:
    """Whether a library's bytes are those that its name says."""
    expected = path.name.removesuffix(SUFFIX).rpartition("-")[2]
    return hash_bytes(path.read_bytes()) == expected
