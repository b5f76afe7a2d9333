"""Digests of data that is made up: of its definition in words, and of whole numbers in it.

Real numbers are left to the words and the seed that they follow from: their last bits depend on the
instructions of a CPU, and the same data would have another name there.
"""

from __future__ import annotations

import hashlib

from torch import Tensor


def digest_definition(definition: str, *numbers: Tensor) -> str:
    """sha256, as `Data.fingerprint` has it.

    Args:
        definition: everything that decides what is drawn, beside the numbers.
        numbers: whole ones, drawn once and for all.
    """
    digest = hashlib.sha256(definition.encode())
    for tensor in numbers:
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
