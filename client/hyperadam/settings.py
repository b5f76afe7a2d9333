"""What the environment tells the client about itself; the one place where these variables are read.

`HYPERADAM_KERNEL`: `auto` (default) compiles the fused cell at first use where a C compiler works;
`off` keeps to plain torch. `CC`: the compiler. `XDG_CACHE_HOME`: where the compiled cell is kept.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

KernelChoice = Literal["auto", "off"]
_CHOICES: Final[tuple[KernelChoice, ...]] = ("auto", "off")


class SettingsError(ValueError):
    """An environment variable has a value that it cannot have; the message names it."""


def read_kernel_choice() -> KernelChoice:
    """`HYPERADAM_KERNEL`."""
    value = os.environ.get("HYPERADAM_KERNEL") or "auto"
    for choice in _CHOICES:
        if value == choice:
            return choice
    raise SettingsError(f"HYPERADAM_KERNEL must be one of {', '.join(_CHOICES)}, got {value!r}")


def read_compiler() -> str | None:
    """`CC`, the C compiler that the user prefers, if any."""
    return os.environ.get("CC") or None


def find_cache_dir() -> Path:
    """Where this user's compiled kernels are kept: `$XDG_CACHE_HOME/hyperadam` or
    `~/.cache/hyperadam`.

    Raises:
        RuntimeError: there is neither the variable nor a home directory.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".cache"
    return base / "hyperadam"
