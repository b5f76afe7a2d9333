"""Transformers: GPT-2 with its start and its tied embedding, a vision transformer as timm has it, a
masked language model as Hugging Face's BERT."""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meta_trainer.datasets.characters import N_CHARACTERS, WINDOW

N_HEADS: Final = 4
PATCHES: Final = 4
"""Patches of an image in its height, and in its width."""


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, *, causal: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self._causal = causal

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, N_HEADS, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self._causal)
        projected: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return projected


class Block(nn.Module):
    """Attention and a perceptron of four times the width, each behind a layer norm."""

    def __init__(self, width: int, *, causal: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, causal=causal)
        self.norm2 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        inner: Tensor = self.contract(F.gelu(self.expand(self.norm2(x))))
        return x + inner


class GPT2(nn.Module):
    """GPT-2 (Radford et al., 2019) over characters.

    Weights are N(0, .02²), those of projections back into the residual stream divided by
    √(2 layers), biases 0; logits are by the embedding itself.
    """

    def __init__(self, width: int = 48, n_layers: int = 2) -> None:
        super().__init__()
        self.wte = nn.Embedding(N_CHARACTERS, width)
        self.wpe = nn.Embedding(WINDOW, width)
        self.blocks = nn.ModuleList(Block(width, causal=True) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self._start(n_layers)

    def _start(self, n_layers: int) -> None:
        for name, parameter in self.named_parameters():
            is_projection = name.endswith(("proj.weight", "contract.weight"))
            std = 0.02 / math.sqrt(2 * n_layers) if is_projection else 0.02
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=std)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, characters: Tensor) -> Tensor:
        x = self.wte(characters) + self.wpe.weight
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.wte.weight)


class VisionTransformer(nn.Module):
    """A vision transformer (Dosovitskiy et al., 2021): a class token (1, 1, d) before 4 × 4
    patches, and places (1, 17, d).

    As in timm, weights and places are N(0, .02²), cut at two, biases 0, the class token almost 0.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        width: int = 32,
        n_layers: int = 2,
    ) -> None:
        super().__init__()
        self._image_shape = image_shape
        channels, height, image_width = image_shape
        patch = (height // PATCHES, image_width // PATCHES)
        self.cls_token = nn.Parameter(1e-6 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, PATCHES**2 + 1, width))
        self.patch_embed = nn.Conv2d(channels, width, kernel_size=patch, stride=patch)
        self.blocks = nn.ModuleList(Block(width, causal=False) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)
        self._start()

    def _start(self) -> None:
        _truncate_normal(self.pos_embed)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                _truncate_normal(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embed(images.view(-1, *self._image_shape))
        tokens = patches.flatten(2).transpose(1, 2)
        first = self.cls_token.expand(len(tokens), -1, -1)
        x = torch.cat([first, tokens], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x)[:, 0])
        return logits


class MaskedLanguageModel(nn.Module):
    """An encoder with layer norms behind its parts (Devlin et al., 2019), over characters of which
    some are hidden.

    As in Hugging Face's transformers, weights are N(0, .02²) and biases 0.
    """

    def __init__(self, width: int = 32, n_layers: int = 2) -> None:
        super().__init__()
        self.words = nn.Embedding(N_CHARACTERS + 1, width)
        self.places = nn.Embedding(WINDOW, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(_make_encoder_layer(width) for _ in range(n_layers))
        self.head = nn.Linear(width, N_CHARACTERS)
        self._start()

    def _start(self) -> None:
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, characters: Tensor) -> Tensor:
        x = self.norm(self.words(characters) + self.places.weight)
        for layer in self.layers:
            x = layer(x)
        logits: Tensor = self.head(x)
        return logits


def _make_encoder_layer(width: int) -> nn.Module:
    return nn.TransformerEncoderLayer(
        d_model=width,
        nhead=N_HEADS,
        dim_feedforward=4 * width,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
    )


def _truncate_normal(parameter: Tensor) -> None:
    """In place; timm's `trunc_normal_` with its std of .02."""
    nn.init.trunc_normal_(parameter, std=0.02)
