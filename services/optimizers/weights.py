"""Files of Θ close at hand.

A version never changes, so what was read from the registry once need not be read again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from registry import Registry

MAX_CACHED_BYTES: Final = 64 * 2**20
MAX_PINNED: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class PinnedVersion:
    """A version, as far as its download needs to know it."""

    optimizer: str
    number: int
    sha256: str
    n_bytes: int


class WeightsCache:
    """Reads Θ files through the registry, and keeps the latest used ones in memory. Thread-safe.

    Only the memory of files is bounded by `max_bytes`. What is known of versions is a few hundred
    bytes for each of at most `MAX_PINNED`.
    """

    def __init__(self, registry: Registry, max_bytes: int = MAX_CACHED_BYTES) -> None:
        self._registry = registry
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._pinned: OrderedDict[tuple[str, int], PinnedVersion] = OrderedDict()
        self._files: OrderedDict[str, bytes] = OrderedDict()
        """Digest → file, the latest used last."""
        self._n_bytes = 0

    def recall(self, optimizer: str, ref: str) -> PinnedVersion | None:
        """The version, if `ref` is a number that was asked for before. Never asks the registry."""
        if not ref.isdigit():
            return None
        with self._lock:
            return self._pinned.get((optimizer, int(ref)))

    def resolve(self, optimizer: str, ref: str) -> PinnedVersion:
        """The version behind a number or a name, as the registry knows it now.

        Raises:
            OptimizerNotFound, VersionNotFound, AliasNotFound.
        """
        pinned = self.recall(optimizer, ref)
        if pinned is not None:
            return pinned

        version = self._registry.version(optimizer, ref)
        pinned = PinnedVersion(
            optimizer=version.optimizer,
            number=version.number,
            sha256=version.sha256,
            n_bytes=version.size_bytes,
        )

        with self._lock:
            self._pinned[pinned.optimizer, pinned.number] = pinned
            while len(self._pinned) > MAX_PINNED:
                self._pinned.popitem(last=False)
        return pinned

    def forget(self, optimizer: str, number: int) -> None:
        """The version is deleted. Other processes that had it in memory serve it until they end."""
        with self._lock:
            self._pinned.pop((optimizer, number), None)

    def recall_file(self, pinned: PinnedVersion) -> bytes | None:
        """The version's file, if it is in memory. Never asks the registry."""
        with self._lock:
            data = self._files.get(pinned.sha256)
            if data is not None:
                self._files.move_to_end(pinned.sha256)
            return data

    def load_file(self, pinned: PinnedVersion) -> bytes:
        """The version's file, from memory or from the registry, which verifies it."""
        data = self.recall_file(pinned)
        if data is None:
            data = self._registry.weights(pinned.optimizer, pinned.number)
            self._keep(pinned.sha256, data)
        return data

    def _keep(self, sha256: str, data: bytes) -> None:
        with self._lock:
            if sha256 in self._files or len(data) > self._max_bytes:
                return

            self._files[sha256] = data
            self._n_bytes += len(data)
            while self._n_bytes > self._max_bytes:
                _, oldest = self._files.popitem(last=False)
                self._n_bytes -= len(oldest)
