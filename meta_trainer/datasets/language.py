"""A language to model, made up from seeds: each of its 32 symbols depends on the two before it.

    P(c | a, b) = softmax_c(2 (u_bc + v_abc)),    u, v ~ N(0, 1), drawn once and for all

The first two symbols are uniform. In nats a symbol, a model that knows nothing has a loss of
log 32 = 3.47, and one that knows what follows b a loss of 2.4. The least loss is that of a model
that knows what follows a b: 1.58, or 1.64 over the whole of a target, whose first symbol is one of
the uniform.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

N_SYMBOLS: Final = 32
LENGTH: Final = 32
"""Symbols of an input."""

_DEFINITION: Final = (
    "A language to model, made up from seeds: each of its 32 symbols depends on the two "
    "before it.\n"
    "\n"
    "    P(c | a, b) = softmax_c(2 (u_bc + v_abc)),    u, v ~ N(0, 1), drawn once and "
    "for all\n"
    "\n"
    "The first two symbols are uniform. A loss of log 32 = 3.47 nats knows nothing, one "
    "of 2.4 what follows b. That of who\n"
    "knows what follows a b is the least: 1.58 nats a symbol, and 1.64 over the whole of "
    "a target, whose first is one of the\n"
    "uniform.\n"
)
"""The definition in words, of which the fingerprint is made: it may never change."""


@functools.cache
def probabilities(n_symbols: int = N_SYMBOLS, seed: int = 0) -> Tensor:
    """P(c | a, b) at [a, b, c]; shape (n, n, n), float64."""
    generator = torch.Generator().manual_seed(seed)
    after_one = torch.randn(n_symbols, n_symbols, generator=generator, dtype=torch.float64)
    after_two = torch.randn(
        n_symbols, n_symbols, n_symbols, generator=generator, dtype=torch.float64
    )
    return torch.softmax(2 * (after_one + after_two), dim=-1)


@functools.cache
def _cumulative(n_symbols: int, seed: int) -> Tensor:
    """P(symbol ≤ c | a, b) at [a, b, c], without the last c, where it is 1.

    Shape (n, n, n − 1), float32.
    """
    return probabilities(n_symbols, seed).cumsum(-1)[..., :-1].float()


@dataclass(frozen=True)
class Language:
    """New sentences at every draw."""

    n_symbols: int = N_SYMBOLS
    length: int = LENGTH
    """Symbols of an input."""
    seed: int = 0
    """Which language: what its numbers are drawn from."""

    @property
    def name(self) -> str:
        is_usual = self == Language()
        return "language" if is_usual else f"language-{self.n_symbols}-{self.length}-{self.seed}"

    @property
    def fingerprint(self) -> str:
        """sha256 of the definition and its numbers."""
        digest = hashlib.sha256(f"{_DEFINITION} length {self.length}".encode())
        digest.update(_cumulative(self.n_symbols, self.seed).numpy().data)
        return digest.hexdigest()

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """Symbols (L, batch, length) and what follows each of them (L, batch, length), int64; row i
        from generator i."""
        first_two = torch.stack(
            [torch.randint(self.n_symbols, (batch_size, 2), generator=g) for g in generators]
        )
        uniform = torch.stack(
            [torch.rand(batch_size, self.length - 1, generator=g) for g in generators]
        )

        cumulative = _cumulative(self.n_symbols, self.seed)
        symbols = list(first_two.unbind(-1))
        for u in uniform.unbind(-1):
            below = cumulative[symbols[-2], symbols[-1]] <= u[..., None]
            symbols.append(below.sum(-1))

        sentence = torch.stack(symbols, dim=-1)
        return sentence[..., :-1], sentence[..., 1:]
