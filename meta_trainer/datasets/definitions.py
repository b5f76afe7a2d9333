"""Digests of data that is made up: of its definition in words, and of the numbers in it."""

from __future__ import annotations

import hashlib

from torch import Tensor


def digest_definition(definition: str, *numbers: Tensor) -> str:
    """sha256, as `Data.fingerprint` has it.

    Args:
        definition: everything that decides what is drawn, beside the numbers.
        numbers: drawn once and for all.
    """
    digest = hashlib.sha256(definition.encode())
    for tensor in numbers:
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
