"""Functions to fit: odd scales, drawn once for a variant; new examples at every draw."""

from __future__ import annotations

import torch

from meta_trainer.datasets import Regression


def draw(variant: int, seed: int = 0, n: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return Regression(variant).draw([generator], n, torch.float64)


def test_scales_lie_where_they_are_said_to() -> None:
    inputs = torch.stack([draw(variant)[0][0].std(0) for variant in range(60)]).log10()
    assert -2.1 < float(inputs.min()) < -1.8
    assert 1.8 < float(inputs.max()) < 2.1
    targets = torch.stack([draw(variant)[1][0] for variant in range(60)])
    shifts = targets.median(1).values
    assert float(shifts.min()) < -30
    assert float(shifts.max()) > 30
    units = targets.std(1).log10()
    assert float(units.max() - units.min()) > 3


def test_a_variant_is_one_function() -> None:
    """The same z and noise under another seed of examples give other examples of it."""
    first, _ = draw(3, seed=0)
    second, _ = draw(3, seed=1)
    assert not torch.equal(first, second)
    torch.testing.assert_close(first.std(1), second.std(1), rtol=0.1, atol=0)
    assert Regression(3).fingerprint != Regression(4).fingerprint
    assert (Regression(3).name, Regression(3)) == ("regression-3", Regression(3))
