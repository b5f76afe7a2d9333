"""Seeds are named, not ordered."""

from __future__ import annotations

import torch

from meta_trainer.seeds import derive_seed, make_generator


def test_seeds_are_named_not_ordered() -> None:
    assert derive_seed(1, "a", 2) == derive_seed(1, "a", 2)
    names = [
        (1, "a", (2,)),
        (2, "a", (2,)),
        (1, "b", (2,)),
        (1, "a", (3,)),
        (1, "a", (2, 0)),
        (1, "a", ()),
    ]
    seeds = {derive_seed(seed, purpose, *indices) for seed, purpose, indices in names}
    assert len(seeds) == len(names)

    first = torch.rand(3, generator=make_generator(0, "x"))
    again = torch.rand(3, generator=make_generator(0, "x"))
    assert torch.equal(first, again)
