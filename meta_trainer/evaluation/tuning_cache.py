"""Tuned rates by content: what was found once is found again, by the digest of everything that
decides it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from meta_trainer.evaluation.content_cache import hash_content, write_whole
from meta_trainer.evaluation.tuning import FORMAT_VERSION, Tuned

logger = logging.getLogger(__name__)


class TuningCache:
    """Tuned rates in memory, and in a folder when there is one, which all evaluations of a machine
    share."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._in_memory: dict[str, Tuned] = {}

    def get(self, content: Mapping[str, Any]) -> Tuned | None:
        """What was found for this content."""
        digest = _hash(content)
        if digest not in self._in_memory:
            stored = self._read_file(digest)
            if stored is not None:
                self._in_memory[digest] = stored
        return self._in_memory.get(digest)

    def put(self, content: Mapping[str, Any], tuned: Tuned) -> None:
        """Keep it; the file is written whole or not at all. Where it cannot be written, it is kept
        in memory alone."""
        digest = _hash(content)
        self._in_memory[digest] = tuned
        if self._folder is None:
            return

        text = json.dumps({"content": dict(content), "tuned": tuned.to_json()}, allow_nan=False)
        try:
            write_whole(self._folder / f"{digest}.json", text.encode())
        except OSError as error:
            logger.warning("a tuned rate could not be kept in %s: %s", self._folder, error)

    def _read_file(self, digest: str) -> Tuned | None:
        """None where there is no file, or a damaged one, which is told."""
        if self._folder is None:
            return None
        path = self._folder / f"{digest}.json"
        if not path.is_file():
            return None

        try:
            return Tuned.from_json(json.loads(path.read_bytes())["tuned"])
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("%s is damaged and will be written anew: %s", path, error)
            return None


def _hash(content: Mapping[str, Any]) -> str:
    return hash_content({"format_version": FORMAT_VERSION, "torch": torch.__version__, **content})
