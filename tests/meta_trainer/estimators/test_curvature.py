"""Graphs of gradients are kept for the way back as far as memory allows, and change no number."""

from __future__ import annotations

import pytest
import torch

from meta_trainer.estimators.curvature import Curvature, count_bytes
from tests.meta_trainer.estimators.small_periods import LEARNERS, make_optimizee

STEPS = range(3, 8)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("n_kept", [0, 2, 5])
def test_what_is_kept_gives_the_same_products(name: str, n_kept: int) -> None:
    optimizee = make_optimizee(name, tricks=True)
    w = optimizee.start()
    none_diverged = torch.zeros(len(w), dtype=torch.bool)
    n_bytes = count_bytes(optimizee, w, STEPS.start)
    assert n_bytes > w.nbytes

    kept = Curvature(optimizee, STEPS, n_kept * n_bytes)
    for step in (STEPS.start, *STEPS, STEPS.stop):  # one of them is measured twice
        measured = kept.measure(w, step, none_diverged)
        losses, gradients = optimizee.losses_and_gradients(w, step)
        assert torch.equal(measured.loss, losses)
        torch.testing.assert_close(measured.gradient, gradients)
    assert kept.n_kept == n_kept

    vectors = torch.randn(w.shape, generator=torch.Generator().manual_seed(1), dtype=w.dtype)
    for step in reversed(STEPS):
        products = kept.multiply(w, step, vectors)
        assert torch.equal(products, optimizee.expand_losses(w, step).multiply(vectors))
    assert kept.n_kept == 0
