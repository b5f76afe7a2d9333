"""Where every random number of the meta-trainer comes from.

A draw is named by (seed, purpose, indices), not by when or where it happens: the same job gives the
same numbers in one process or on a cluster, for any number of workers, interrupted or not.
"""

from __future__ import annotations

import hashlib

import torch


def derive_seed(seed: int, purpose: str, *indices: int) -> int:
    """A 63-bit seed for one purpose; any two different names give independent ones."""
    name = "/".join((str(seed), purpose, *map(str, indices)))
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1


def make_generator(seed: int, purpose: str, *indices: int) -> torch.Generator:
    """A generator on the CPU for one purpose."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *indices))
