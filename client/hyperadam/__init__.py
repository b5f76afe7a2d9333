"""Learned optimizers for PyTorch.

    optimizer = hyperadam.HyperAdam(model.parameters())

`import hyperadam` is cheap: names are loaded when they are first used, and nothing touches the network until a `Client`
or `pull` is called.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperadam.theta import Theta as Theta
    from hyperadam.theta import ThetaError as ThetaError

__version__ = "0.1.0"

_HOMES = {
    "Theta": "hyperadam.theta",
    "ThetaError": "hyperadam.theta",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperadam' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
