"""A text of made-up words, as characters: what small language models are tried on.

A lexicon has 64 words of one to three syllables, from 5 vowels and 11 consonants. What follows a
word is drawn with probabilities in proportion to 1 / rank, where the ranks are a permutation of the
lexicon that is drawn for each word. The text is 100,000 characters long, with a space behind each
word. A minibatch is windows of it, at random places.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from meta_trainer.datasets.definitions import digest_definition

N_CHARACTERS: Final = 17
"""A space is the last."""
MASK: Final = N_CHARACTERS
"""Stands for a character that is hidden."""
WINDOW: Final = 32
"""Characters of an input."""
NO_TARGET: Final = -100
"""The target of a place that is not asked for, which torch's cross-entropy leaves out."""

_N_WORDS: Final = 64
_TEXT_LENGTH: Final = 100_000
_MASKED_SHARE: Final = 0.15
_N_VOWELS: Final = 5
_N_CONSONANTS: Final = 11


@functools.cache
def make_text(seed: int) -> Tensor:
    """The text of a seed; shape (100_000,), int64."""
    generator = torch.Generator().manual_seed(seed)
    lexicon = [_make_word(generator) for _ in range(_N_WORDS)]
    followers = [torch.randperm(_N_WORDS, generator=generator) for _ in range(_N_WORDS)]
    weights = 1.0 / torch.arange(1, _N_WORDS + 1)
    ranks = torch.multinomial(weights, _TEXT_LENGTH // 2, replacement=True, generator=generator)

    text: list[int] = []
    word = 0
    for rank in ranks.tolist():
        text += lexicon[word]
        text.append(N_CHARACTERS - 1)
        word = int(followers[word][rank])
        if len(text) >= _TEXT_LENGTH:
            break
    return torch.tensor(text[:_TEXT_LENGTH])


def _make_word(generator: torch.Generator) -> list[int]:
    """Syllables of a consonant and a vowel, and sometimes a consonant behind them."""
    n_more_syllables, has_last = _draw_integers(generator, (3, 2))
    letters: list[int] = []
    for _ in range(1 + n_more_syllables):
        consonant, vowel = _draw_integers(generator, (_N_CONSONANTS, _N_VOWELS))
        letters += [_N_VOWELS + consonant, vowel]
    if has_last:
        (consonant,) = _draw_integers(generator, (_N_CONSONANTS,))
        letters.append(_N_VOWELS + consonant)
    return letters


def _draw_integers(generator: torch.Generator, bounds: Sequence[int]) -> list[int]:
    return [int(torch.randint(bound, (), generator=generator)) for bound in bounds]


@dataclass(frozen=True)
class Characters:
    """Windows of a text, and what follows each of their characters."""

    seed: int = 0
    """Of lexicon and text."""

    @property
    def name(self) -> str:
        return f"characters-{self.seed}"

    @property
    def fingerprint(self) -> str:
        return digest_definition(f"next of {WINDOW}", make_text(self.seed))

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """Characters (L, batch, 32) and what follows each of them (L, batch, 32), int64; row i from
        generator i."""
        windows = torch.stack([_draw_windows(self.seed, batch_size, g) for g in generators])
        return windows[..., :-1], windows[..., 1:]


@dataclass(frozen=True)
class MaskedCharacters:
    """Windows of a text of which 15 % are hidden, which are asked for (Devlin et al., 2019)."""

    seed: int = 0

    @property
    def name(self) -> str:
        return f"masked-characters-{self.seed}"

    @property
    def fingerprint(self) -> str:
        return digest_definition(f"{_MASKED_SHARE} of {WINDOW}", make_text(self.seed))

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """Characters (L, batch, 32), `MASK` where they are hidden, and what is hidden
        (L, batch, 32), `NO_TARGET` elsewhere; int64. Of each window at least the first is
        hidden."""
        windows = torch.stack([_draw_windows(self.seed, batch_size, g) for g in generators])
        characters = windows[..., :-1]
        uniform = torch.stack([torch.rand(batch_size, WINDOW, generator=g) for g in generators])
        is_hidden = uniform < _MASKED_SHARE
        is_hidden[..., 0] = True
        return characters.masked_fill(is_hidden, MASK), characters.masked_fill(
            ~is_hidden, NO_TARGET
        )


def _draw_windows(seed: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Shape (batch, 33)."""
    text = make_text(seed)
    places = torch.randint(len(text) - WINDOW, (batch_size, 1), generator=generator)
    return text[places + torch.arange(WINDOW + 1)]
