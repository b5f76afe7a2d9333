"""The made-up language is drawn as it is defined."""

from __future__ import annotations

import math

import torch

from meta_trainer.datasets import Language
from meta_trainer.datasets.language import LENGTH, N_SYMBOLS, probabilities
from meta_trainer.seeds import make_generator


def draw(*indices: int, batch_size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    return Language().draw([make_generator(0, "language", i) for i in indices], batch_size)


def test_targets_follow_their_symbols() -> None:
    symbols, targets = draw(0, 1)
    assert (symbols.shape, symbols.dtype) == ((2, 4, LENGTH), torch.int64)
    assert torch.equal(symbols[..., 1:], targets[..., :-1])
    assert 0 <= int(symbols.min()) <= int(targets.max()) < N_SYMBOLS


def test_a_small_one_is_another_language() -> None:
    small = Language(n_symbols=4, length=5, seed=1)
    symbols, targets = small.draw([make_generator(0, "language", 0)], 3)
    assert (symbols.shape, targets.shape) == ((1, 3, 5), (1, 3, 5))
    assert int(targets.max()) < 4
    assert not torch.equal(probabilities(4, seed=1), probabilities(4, seed=0))
    assert (small.name, Language().name) == ("language-4-5-1", "language")
    assert Language().fingerprint != Language(seed=1).fingerprint


def test_each_row_is_of_its_own_generator() -> None:
    symbols, _ = draw(0, 1)
    assert not torch.equal(symbols[0], symbols[1])
    assert torch.equal(symbols[1:], draw(1)[0])


def test_symbols_come_as_often_as_their_two_predecessors_say() -> None:
    symbols, targets = (drawn[0] for drawn in draw(0, batch_size=20_000))
    a = symbols[:, :-1].flatten()
    b = symbols[:, 1:].flatten()
    c = targets[:, 1:].flatten()
    counts = torch.zeros(N_SYMBOLS**3, dtype=torch.float64)
    counts.index_put_(
        ((a * N_SYMBOLS + b) * N_SYMBOLS + c,),
        torch.ones(len(c), dtype=torch.float64),
        accumulate=True,
    )
    counts = counts.view(N_SYMBOLS, N_SYMBOLS, N_SYMBOLS)
    expected = counts.sum(-1, keepdim=True) * probabilities()
    often = expected >= 10
    surprises = (counts - expected).square() / expected  # 1 − P on the mean, if so it is
    assert int(often.sum()) > 4_000
    assert abs(float(surprises[often].sum() / (1 - probabilities())[often].sum()) - 1) < 0.08
    assert symbols[:, 0].bincount(minlength=N_SYMBOLS).double().std() < 2 * math.sqrt(
        20_000 / N_SYMBOLS
    )


def test_the_fingerprint_stays() -> None:
    """Reports of evaluations name it."""
    assert Language().fingerprint.startswith("0d23277ba602840d")


def test_what_the_docstring_says_of_losses() -> None:
    symbols, targets = (drawn[0] for drawn in draw(3, batch_size=10_000))
    known = -probabilities()[symbols[:, :-1], symbols[:, 1:], targets[:, 1:]].log()
    assert abs(float(known.mean()) - 1.58) < 0.01
    assert abs((float(known.sum(1).mean()) + math.log(N_SYMBOLS)) / LENGTH - 1.64) < 0.01
