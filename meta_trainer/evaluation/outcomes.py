"""What became of starts, kept by content: an evaluation that was cut off goes on where it was, and
the baselines beside the next version of Θ need not run again.

A file holds one `Outcome` as safetensors, with what decides it as JSON in its metadata. Its name is
the digest of that, of torch's version and of this project's own code: no file outlives a change
that may change what is in it. All can be deleted at any time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from meta_trainer.evaluation.cells import Outcome
from meta_trainer.evaluation.content_cache import fingerprint_code, hash_content, write_whole

logger = logging.getLogger(__name__)

_REQUIRED: Final = frozenset({"final_losses", "curves"})
_DIMENSIONS: Final = {"final_losses": 1, "curves": 2, "test": 2}


class OutcomeCache:
    """Outcomes by content, in a folder that all evaluations of a machine share; without one nothing
    is kept."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def get(self, content: Mapping[str, Any]) -> Outcome | None:
        """What was kept for this content; None: nothing, or a file that is damaged, which is
        told."""
        if self._folder is None:
            return None
        path = self._folder / _name_file(content)
        if not path.is_file():
            return None

        try:
            return _decode(path.read_bytes())
        except (OSError, SafetensorError, ValueError) as error:
            logger.warning("%s is damaged, and its run is made again: %s", path, error)
            return None

    def put(self, content: Mapping[str, Any], outcome: Outcome) -> None:
        """Keep it; where it cannot be written, it is not kept, which is told."""
        if self._folder is None:
            return
        try:
            write_whole(self._folder / _name_file(content), _encode(outcome, content))
        except OSError as error:
            logger.warning("what became of a run could not be kept in %s: %s", self._folder, error)


def _name_file(content: Mapping[str, Any]) -> str:
    digest = hash_content({"code": fingerprint_code(), "torch": torch.__version__, **content})
    return f"{digest}.safetensors"


def _encode(outcome: Outcome, content: Mapping[str, Any]) -> bytes:
    tensors = {
        name: tensor.contiguous()
        for name, tensor in outcome._asdict().items()
        if tensor is not None
    }
    metadata = {"content": json.dumps(dict(content), allow_nan=False)}
    return save(tensors, metadata)


def _decode(data: bytes) -> Outcome:
    """
    Raises:
        SafetensorError, ValueError: not what `_encode` gave.
    """
    tensors = load(data)
    if not _REQUIRED <= tensors.keys() <= _DIMENSIONS.keys():
        raise ValueError(f"tensors must be {', '.join(_DIMENSIONS)}, got {', '.join(tensors)}")

    for name, tensor in tensors.items():
        n_dimensions = _DIMENSIONS[name]
        if tensor.ndim != n_dimensions:
            shape = tuple(tensor.shape)
            raise ValueError(f"{name} must have {n_dimensions} dimensions, got shape {shape}")

    return Outcome(tensors["final_losses"], tensors["curves"], tensors.get("test"))
