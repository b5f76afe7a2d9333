"""Θ files that were read and verified already, so that a download need not do it again."""

from __future__ import annotations

import threading
from collections import OrderedDict


class BytesCache:
    """The most recently used values up to a total size. Versions are immutable, so nothing here
    goes stale."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._values: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, int]) -> bytes | None:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def drop(self, key: tuple[str, int]) -> None:
        with self._lock:
            self._bytes -= len(self._values.pop(key, b""))

    def put(self, key: tuple[str, int], value: bytes) -> None:
        with self._lock:
            replaced = self._values.pop(key, b"")
            self._values[key] = value
            self._bytes += len(value) - len(replaced)

            while self._bytes > self._max_bytes:
                _, evicted = self._values.popitem(last=False)
                self._bytes -= len(evicted)
