"""How the C sources of `native/` become a library: definitions, flags, names by content.

Two make libraries: `hyperadam.kernels.build` at first use, for the very CPU that runs it, and
`setup.py` for a wheel, for sets of instructions that many CPUs have. The latter runs where torch is
not installed, and loads this file by its path: it uses the standard library alone.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

BLOCK: Final = 256
"""Coordinates that are worked on at a time: their rows stay in the second-level cache."""
COMPILE_SECONDS: Final = 120
SUFFIX: Final = ".so"
"""Of libraries, on every system: they are opened by their path."""

_ARITHMETIC: Final = ("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
"""Never -ffast-math: NaN, infinity and the signs of zeros stay what they are."""
FLAGS: Final = ("-std=gnu11", "-O3", "-shared", "-w", *_ARITHMETIC)

_WIDE: Final = ("-mavx2", "-mfma")
_WIDEST: Final = (*_WIDE, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")
_PLAIN: Final[Mapping[str, tuple[str, ...]]] = {"plain": ()}
INSTRUCTION_SETS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "x86_64": {"avx512": _WIDEST, "avx2": _WIDE, **_PLAIN},
    "arm64": _PLAIN,
}
"""Machine → set → flags, the widest first: what torch's `get_cpu_capability` tells apart."""
_MACHINES: Final = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class CompilerError(RuntimeError):
    """A compiler refused the sources; the message is the end of its own."""


class Kernel(NamedTuple):
    """One library: a source for one J and dtype."""

    source: str
    """The file of `native/` that is compiled."""
    n_candidates: int
    """J."""
    double: bool = False
    """float64, not float32."""

    @property
    def stem(self) -> str:
        """What its name begins with."""
        return "cell" if self.source == "hyperadam.c" else Path(self.source).stem

    @property
    def defines(self) -> tuple[str, ...]:
        """What the sources are told of it."""
        defines = (f"-DJ={self.n_candidates}", f"-DBLOCK={BLOCK}")
        return (*defines, "-DDOUBLE") if self.double else defines


SHIPPED: Final = (Kernel("hyperadam.c", 20), Kernel("tensor.c", 4))
"""In wheels: those of the Θ that come with the package, and of what the presets train."""


def name_machine(name: str) -> str | None:
    """One name for each architecture that wheels are made for; None for others."""
    return _MACHINES.get(name.lower())


def name_shipped(kernel: Kernel, sources: Path, instructions: str) -> str:
    """What the name of a wheel's library begins with: it changes with sources and flags.

    Args:
        sources: the folder `native`.
        instructions: the set that it is compiled for.
    """
    flags = [sets.get(instructions) for sets in INSTRUCTION_SETS.values()]
    digest = digest_sources(sources, repr((FLAGS, flags, kernel.defines)))
    return f"{kernel.stem}-{digest}-{instructions}"


def digest_sources(sources: Path, choices: str) -> str:
    """Of all that decides what a library does.

    Args:
        sources: the folder `native`.
        choices: everything else, as text.
    """
    paths = sorted(sources.glob("*.[ch]"))
    texts = [path.name.encode() + b"\0" + path.read_bytes() for path in paths]
    return hash_bytes(b"".join([choices.encode(), *texts]))


def hash_bytes(data: bytes) -> str:
    """The beginning of SHA-256, as it stands in names."""
    return hashlib.sha256(data).hexdigest()[:32]


def run_compiler(
    command: Sequence[str], flags: Sequence[str], kernel: Kernel, sources: Path, target: Path
) -> None:
    """Compile one library.

    Args:
        command: the compiler.
        flags: beside `FLAGS`.
        sources: the folder `native`.
        target: the file that is written.

    Raises:
        CompilerError: quoting the compiler.
        OSError: the compiler cannot be run.
        subprocess.TimeoutExpired: it takes longer than `COMPILE_SECONDS`.
    """
    files = ["-o", str(target), str(sources / kernel.source), "-lm"]
    result = subprocess.run(
        [*command, *FLAGS, *flags, *kernel.defines, *files],
        capture_output=True,
        text=True,
        timeout=COMPILE_SECONDS,
        check=False,
    )
    if result.returncode != 0:
        raise CompilerError(f"{shlex.join(command)} failed: {result.stderr.strip()[-500:]}")


def compile_shipped(command: Sequence[str], machine: str, sources: Path, folder: Path) -> None:
    """All libraries of a wheel for one machine, by content in their names.

    Args:
        command: the compiler, with flags that the platform needs.
        machine: a key of `INSTRUCTION_SETS`.
        sources: the folder `native`.
        folder: where they are put.

    Raises:
        CompilerError: one does not compile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for kernel in SHIPPED:
        for instructions, flags in INSTRUCTION_SETS[machine].items():
            partial = folder / "building"
            run_compiler(command, flags, kernel, sources, partial)
            stem = name_shipped(kernel, sources, instructions)
            partial.replace(folder / f"{stem}-{hash_bytes(partial.read_bytes())}{SUFFIX}")
