"""Recurrent networks over symbols, whose embeddings torch starts as N(0, 1)."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

WIDTH: Final = 32
HIDDEN: Final = 64


class RecurrentLanguageModel(nn.Module):
    """Embedding, one recurrent layer, logits of the next symbol; all at torch's start."""

    def __init__(self, layer: type[nn.LSTM] | type[nn.GRU], n_symbols: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_symbols, WIDTH)
        self.recurrent = layer(WIDTH, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, n_symbols)

    def forward(self, symbols: Tensor) -> Tensor:
        states, _ = self.recurrent(self.embed(symbols))
        logits: Tensor = self.head(states)
        return logits
