"""Fan-in and places of every parameter of the layers of torch.nn, and of modules as timm, Hugging
Face and peft write them: none is so far from its use that it would stand still.

Those are written here by the shapes that those libraries give their parameters.
"""

from __future__ import annotations

import math

import pytest
import torch
from hyperadam.rates import Rate
from hyperadam.shapes import fan_in, is_vector, places, swap_ends
from torch import nn

VECTOR = (1, 1)
Uses = dict[str, tuple[int, int]]
"""Parameter → inputs that it weighs in each sum, and places of each."""

TORCH: dict[str, tuple[nn.Module, Uses]] = {
    "linear": (nn.Linear(24, 3), {"weight": (24, 1), "bias": VECTOR}),
    "embedding": (nn.Embedding(50, 24), {"weight": (24, 1)}),
    "bag": (nn.EmbeddingBag(50, 24), {"weight": (24, 1)}),
    "conv 1d": (nn.Conv1d(4, 6, 5), {"weight": (20, 5), "bias": VECTOR}),
    "conv 2d": (nn.Conv2d(4, 6, 3), {"weight": (36, 9), "bias": VECTOR}),
    "conv 3d": (nn.Conv3d(4, 6, 3), {"weight": (108, 27), "bias": VECTOR}),
    "depthwise": (nn.Conv2d(8, 8, 7, groups=8), {"weight": (49, 49), "bias": VECTOR}),
    "patches of 32": (nn.Conv2d(3, 64, 32, 32), {"weight": (3072, 1024), "bias": VECTOR}),
    "one map": (nn.Conv2d(64, 1, 7), {"weight": (3136, 49), "bias": VECTOR}),
    "attention": (
        nn.MultiheadAttention(24, 2, add_bias_kv=True),
        {
            "in_proj_weight": (24, 1),
            "in_proj_bias": VECTOR,
            "bias_k": VECTOR,
            "bias_v": VECTOR,
            "out_proj.weight": (24, 1),
            "out_proj.bias": VECTOR,
        },
    ),
    "lstm": (
        nn.LSTM(24, 32),
        {
            "weight_ih_l0": (24, 1),
            "weight_hh_l0": (32, 1),
            "bias_ih_l0": VECTOR,
            "bias_hh_l0": VECTOR,
        },
    ),
    "gru cell": (
        nn.GRUCell(24, 32),
        {"weight_ih": (24, 1), "weight_hh": (32, 1), "bias_ih": VECTOR, "bias_hh": VECTOR},
    ),
    "layer norm": (nn.LayerNorm(8), {"weight": VECTOR, "bias": VECTOR}),
    "group norm": (nn.GroupNorm(2, 8), {"weight": VECTOR, "bias": VECTOR}),
    "batch norm": (nn.BatchNorm2d(8), {"weight": VECTOR, "bias": VECTOR}),
    "rms norm": (nn.RMSNorm(8), {"weight": VECTOR}),
    "prelu": (nn.PReLU(8), {"weight": VECTOR}),
    "bilinear": (nn.Bilinear(20, 24, 3), {"weight": (24, 1), "bias": VECTOR}),
}


@pytest.mark.parametrize("name", TORCH)
def test_layers_of_torch(name: str) -> None:
    module, uses = TORCH[name]
    found = {
        name: (fan_in(parameter.shape), places(parameter.shape))
        for name, parameter in module.named_parameters()
    }
    assert found == uses


TRANSPOSED: dict[str, tuple[nn.Module, tuple[int, int]]] = {
    "conv transpose 1d": (nn.ConvTranspose1d(24, 6, 5), (120, 5)),
    "conv transpose 2d": (nn.ConvTranspose2d(24, 6, 3), (216, 9)),
    "conv transpose 3d": (nn.ConvTranspose3d(24, 6, 3), (648, 27)),
}


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_layers_of_torch(name: str) -> None:
    module, use = TRANSPOSED[name]
    assert isinstance(module.weight, nn.Parameter)
    shape = swap_ends(module.weight.shape)
    assert (fan_in(shape), places(shape)) == use


OTHERS: dict[str, tuple[tuple[int, ...], tuple[int, int]]] = {
    "timm cls_token, dist_token": ((1, 1, 768), VECTOR),
    "timm register tokens": ((1, 4, 768), (768, 1)),
    "timm pos_embed": ((1, 197, 768), (768, 1)),
    "timm pos_embed of maps": ((1, 768, 14, 14), (14, 1)),
    "SAM pos_embed": ((1, 64, 64, 768), (768, 1)),
    "timm LayerScale": ((768,), VECTOR),
    "timm LayerScale2d": ((64, 1, 1), VECTOR),
    "ConvNeXt GRN": ((1, 1, 1, 256), VECTOR),
    "ResMLP affine": ((1, 1, 384), VECTOR),
    "Swin relative positions": ((169, 6), (6, 1)),
    "Swin logit_scale": ((6, 1, 1), VECTOR),
    "MViT relative positions": ((111, 96), (96, 1)),
    "ViT/32 patches": ((768, 3, 32, 32), (3072, 1024)),
    "weight norm of a kernel": ((64, 1, 1, 1), VECTOR),
    "Mixtral experts": ((8, 2048, 1024), (1024, 1)),
    "heads in four dimensions": ((3, 12, 768, 64), (64, 1)),
    "T5 relative attention": ((32, 8), (8, 1)),
    "Mamba A_log": ((1536, 16), (16, 1)),
    "Mamba conv": ((1536, 1, 4), (4, 4)),
    "RWKV time_mix": ((1, 1, 768), VECTOR),
    "LoRA A": ((8, 768), (768, 1)),
    "LoRA B": ((768, 8), (8, 1)),
    "DETR queries": ((100, 256), (256, 1)),
    "wav2vec positions": ((768, 48, 128), (128, 1)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_parameters_of_others(name: str) -> None:
    shape, use = OTHERS[name]
    assert (fan_in(shape), places(shape)) == use
    assert is_vector(shape) == (use == VECTOR)


STORED_IN_OUT: dict[str, tuple[tuple[int, ...], int]] = {
    "GPT-2 Conv1D": ((768, 3072), 768),
    "GPT-OSS experts": ((32, 2880, 5760), 2880),
    "heads": ((12, 768, 64), 768),
    "heads in four dimensions": ((3, 12, 768, 64), 768),
}


@pytest.mark.parametrize("name", STORED_IN_OUT)
def test_weights_that_are_stored_in_out(name: str) -> None:
    """In a group with `transposed=True`."""
    shape, n_inputs = STORED_IN_OUT[name]
    swapped = swap_ends(shape)
    assert math.prod(swapped) == math.prod(shape)
    assert (fan_in(swapped), places(swapped)) == (n_inputs, 1)


def test_none_of_them_stands_still() -> None:
    """At the shares of the pretrained Θ; a patch of 32 has 3,072 inputs that look alike."""
    rate = Rate(lr=1.0, base_fan_in=392, least_fan_in=3, base_places=2)
    shapes = [shape for shape, _ in OTHERS.values()]
    for module, _ in TORCH.values():
        shapes += [tuple(parameter.shape) for parameter in module.parameters()]
    shares = {shape: rate.share(torch.Size(shape)) for shape in shapes}
    slowest = {shape: share for shape, share in shares.items() if share < 0.03}
    assert set(slowest) == {(768, 3, 32, 32), (64, 3, 32, 32), (1, 64, 7, 7)}
