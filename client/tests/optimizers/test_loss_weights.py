"""A loss weight that is lowered in mid-run.

First moments remember gradients of before, which are thousands of times those of now, and steps go
on in their direction. AdamW, the control, does the same for some steps, and stands still after
them: its second moment forgets more slowly. Divided by its norm, a gradient has no weight.
"""

from __future__ import annotations

from typing import Any

import hyperadam
import pytest
import torch
from every_optimizer import Make, every_learned, flatten, make_adamw, make_model
from torch import nn

LOWERED = 2.0**-10


def train(make: Make, weights: tuple[float, float], n_steps: int = 12, **options: Any) -> Any:
    """Weights and losses of a regression whose loss has the second weight from half-way on."""
    model = make_model()
    optimizer = make(model.parameters(), **options)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for step in range(n_steps):
        inputs = torch.randn(16, 3, generator=generator)
        targets = inputs[:, :2] + 0.1 * torch.randn(16, 2, generator=generator)
        loss = nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        (loss * weights[2 * step >= n_steps]).backward()
        optimizer.step()
        losses.append(loss.item())
    return flatten(model), losses


@every_learned
def test_is_nothing_to_a_gradient_over_its_norm(make: Make) -> None:
    """And so is a constant one: a power of two changes no digit."""
    courses = ((1.0, 1.0), (1.0, LOWERED), (LOWERED, LOWERED))
    ends = [train(make, weights, normalize_gradients=True)[0] for weights in courses]
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ends[2], ends[0], rtol=1e-5, atol=1e-6)
    control = [train(make_adamw, weights)[0] for weights in ((1.0, 1.0), (1.0, LOWERED))]
    assert float((control[1] - control[0]).abs().max()) > 0.001


def test_of_a_gradient_that_is_zero_is_no_matter() -> None:
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.zeros(3)
    hyperadam.HyperAdam([weight], normalize_gradients=True).step()
    assert weight.isfinite().all()


def make_network(n_hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(20, n_hidden), nn.Tanh(), nn.Linear(n_hidden, 1))


def find_peak(make: Make, lowered: float, **options: Any) -> float:
    """The highest loss, averaged over five steps, after 150 of 300 steps towards a teacher."""
    torch.manual_seed(0)
    student = make_network(32)
    teacher = make_network(16)
    optimizer = make(student.parameters(), **options)
    losses = []
    for step in range(300):
        inputs = torch.randn(32, 20)
        with torch.no_grad():
            targets = 2 * teacher(inputs)
        loss = nn.functional.mse_loss(student(inputs), targets)
        optimizer.zero_grad()
        (loss if step < 150 else lowered * loss).backward()
        optimizer.step()
        losses.append(loss.item())
    return float(torch.tensor(losses[150:]).unfold(0, 5, 1).mean(-1).max())


def make_pretrained(parameters: Any, **options: Any) -> torch.optim.Optimizer:
    return hyperadam.HyperAdam(parameters, hyperadam.pretrained("hyperadam-v1"), **options)


@pytest.mark.slow
def test_of_a_thousandth_makes_the_loss_rise_but_for_the_option() -> None:
    """Against the same run without it; when written down, twelvefold, and AdamW threefold."""
    rises = [find_peak(make, 1e-3) / find_peak(make, 1.0) for make in (make_pretrained, make_adamw)]
    assert rises[0] > 5
    assert rises[1] > 2
    steady = find_peak(make_pretrained, 1.0, normalize_gradients=True)
    lowered = find_peak(make_pretrained, 1e-3, normalize_gradients=True)
    assert lowered == pytest.approx(steady, rel=0.01)
    assert steady < 1.1 * find_peak(make_pretrained, 1.0)
