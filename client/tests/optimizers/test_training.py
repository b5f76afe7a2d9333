"""`hyperadam.HyperAdam` in a training loop: alone, with schedulers, with a gradient scaler."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hyperadam import HyperAdam
from small_run import copy_weights, find_moved, make_theta
from torch import Tensor, nn


def fit(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor) -> float:
    optimizer.zero_grad()
    loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=10),
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=10.0),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, max_lr=0.02, total_steps=10, cycle_momentum=False
        ),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    ],
    ids=["cosine", "plateau", "one-cycle", "lambda"],
)
def test_schedulers_set_the_rate(make: Any) -> None:
    model = nn.Linear(4, 1)
    inputs = torch.randn(32, 4)
    optimizer = HyperAdam(model.parameters(), make_theta(), lr=0.02)
    scheduler = make(optimizer)
    rates = []
    sizes = []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        before = nn.utils.parameters_to_vector(model.parameters()).detach()
        loss = fit(model, optimizer, inputs)
        sizes.append(
            (nn.utils.parameters_to_vector(model.parameters()).detach() - before).norm().item()
        )
        scheduler.step(*([loss] if "Plateau" in type(scheduler).__name__ else []))
    assert min(rates) < max(rates) / 2
    assert sizes[rates.index(min(rates))] < sizes[rates.index(max(rates))]


def test_grad_scaler_skips_what_overflows() -> None:
    model = nn.Linear(4, 1)
    inputs = torch.randn(32, 4)
    optimizer = HyperAdam(model.parameters(), make_theta())
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)

    def step(loss_factor: float) -> list[bool]:
        before = copy_weights(list(model.parameters()))
        optimizer.zero_grad()
        scaler.scale(loss_factor * model(inputs).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
        return find_moved(list(model.parameters()), before)

    assert step(1.0) == [True, True]
    assert step(float("inf")) == [False, False]
    assert step(1.0) == [True, True]
    assert scaler.get_scale() == 2.0**9


def test_trains_a_network_with_nothing_else_given() -> None:
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    inputs = torch.randn(128, 4)
    optimizer = HyperAdam(model.parameters())
    losses = [fit(model, optimizer, inputs) for _ in range(100)]
    assert losses[-1] < 0.2 * losses[0]
