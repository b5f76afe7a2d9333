"""The one place where torchvision is imported.

Its wheel is built against a CUDA torch. On a CPU torch its compiled library cannot be loaded, and
its import then fails for want of two operators that datasets never call; declaring their schemas is
enough.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import torch

_schemas: list[torch.library.Library] = []
"""Kept alive: a library's definitions vanish with it."""


@cache
def torchvision_datasets() -> Any:
    """The module `torchvision.datasets`."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _schemas.append(library)
    return importlib.import_module("torchvision.datasets")
