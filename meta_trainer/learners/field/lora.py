"""Low-rank adaptation (Hu et al., 2022): a small language model that was trained on one text and
stands still, and adapters that learn another.

The frozen model is made here, by a fixed seed and 400 steps of AdamW: the same for every learner.
"""

from __future__ import annotations

import functools
import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meta_trainer.datasets import Characters
from meta_trainer.learners.field.transformers import GPT2
from meta_trainer.seeds import make_generator

RANK: Final = 4
ALPHA: Final = 8
"""α of adapters: they are added × α / rank."""
TEXT_BEFORE: Final = Characters(seed=0)
TEXT_AFTER: Final = Characters(seed=1)

_WIDTH: Final = 32
_N_STEPS: Final = 400
_BATCH_SIZE: Final = 16


class LoRALinear(nn.Module):
    """A linear layer that stands still, and A (rank, in) and B (out, rank) that do not: A at
    Kaiming's uniform start, B 0."""

    weight: Tensor
    bias: Tensor

    def __init__(self, frozen: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", frozen.weight.detach().clone())
        self.register_buffer("bias", frozen.bias.detach().clone())
        self.lora_a = nn.Parameter(torch.empty(RANK, frozen.in_features))
        self.lora_b = nn.Parameter(torch.zeros(frozen.out_features, RANK))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        adapted = F.linear(F.linear(x, self.lora_a), self.lora_b)
        return F.linear(x, self.weight, self.bias) + ALPHA / RANK * adapted


def make_adapted_model() -> nn.Module:
    """The frozen model with new adapters at all linear layers of its blocks."""
    model = GPT2(_WIDTH)
    model.load_state_dict(_train_frozen_model())
    _freeze(model)
    for block in model.blocks:
        assert isinstance(block, nn.Module)
        for module in list(block.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(module, name, LoRALinear(child))
    return model


def _freeze(model: nn.Module) -> None:
    """Parameters become buffers."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach())


@functools.cache
def _train_frozen_model() -> dict[str, Tensor]:
    """The state dict of the model that stands still."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        model = GPT2(_WIDTH)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for step in range(_N_STEPS):
            generator = make_generator(0, "field/lora", step)
            (characters,), (targets,) = TEXT_BEFORE.draw([generator], _BATCH_SIZE)
            loss = F.cross_entropy(model(characters).flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.state_dict()
