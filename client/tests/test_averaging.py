"""The average of a run's newest weights: closed forms, and torch's own AveragedModel."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from hyperadam.averaging import PolynomialAverage, newest_share
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def average(weights: Tensor, eta: float) -> Tensor:
    """w̄_n of (n, …), by the recursion."""
    mean = torch.full_like(weights[0], math.nan)
    mean.copy_(weights[0])
    for n in range(2, len(weights) + 1):
        mean.lerp_(weights[n - 1], newest_share(n, eta))
    return mean


def test_the_first_weights_are_their_own_average() -> None:
    assert newest_share(1, 8.0) == 1
    assert newest_share(1, 0.0) == 1


def test_small_etas_have_closed_forms() -> None:
    """Means, and means whose weights rise as i and as i (i + 1)."""
    weights = torch.randn(9, 4, dtype=torch.float64)
    i = torch.arange(1, 10, dtype=torch.float64)
    for eta, counts in ((0, torch.ones_like(i)), (1, i), (2, i * (i + 1))):
        expected = (counts[:, None] * weights).sum(0) / counts.sum()
        torch.testing.assert_close(average(weights, eta), expected)


@pytest.mark.parametrize("eta", [0.0, 3.0, 8.0, 24.0])
def test_it_is_a_part_of_the_run_old(eta: float) -> None:
    """Weights that say the step they are of: the average says its age."""
    n = 4000
    age = n - average(torch.arange(1, n + 1, dtype=torch.float64), eta)
    assert age.item() == pytest.approx(n / (eta + 2), rel=0.01)


def test_torchs_averaged_model_takes_it() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1).bfloat16())
    averaged = AveragedModel(model, multi_avg_fn=PolynomialAverage(3), use_buffers=True)
    history: list[dict[str, Tensor]] = []
    for step in range(5):
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.copy_(torch.randn(tensor.shape) * 3 + step)
        averaged.update_parameters(model)
        history.append({name: each.clone() for name, each in model.state_dict().items()})
    for name, tensor in averaged.module.state_dict().items():
        seen = torch.stack([each[name] for each in history])
        if tensor.is_floating_point():
            loose = {"rtol": 0.02, "atol": 0.02} if tensor.dtype == torch.bfloat16 else {}
            expected = average(seen.double(), 3).to(tensor.dtype)
            torch.testing.assert_close(tensor, expected, **loose)
        else:
            assert torch.equal(tensor, seen[-1])


def test_weights_in_bfloat16_have_an_average_in_float32() -> None:
    """Where one in bfloat16 would stand still: its steps are less than half of a last digit."""
    model = nn.Linear(1, 1, bias=False).bfloat16()
    precise = AveragedModel(copy.deepcopy(model).float(), multi_avg_fn=PolynomialAverage(3))
    rough = AveragedModel(model, multi_avg_fn=PolynomialAverage(3))
    history = []
    for step in range(4000):
        nn.init.constant_(model.weight, 1 + (step >= 2000) / 16)
        history.append(model.weight.detach().clone())
        for averaged in (precise, rough):
            averaged.update_parameters(model)
    expected = average(torch.stack(history).double(), 3).float()
    torch.testing.assert_close(precise.module.weight.detach(), expected, rtol=1e-4, atol=0)
    assert abs(rough.module.weight.item() - expected.item()) > 10 * abs(
        precise.module.weight.item() - expected.item()
    )


def test_what_does_not_move_is_its_own_average() -> None:
    model = nn.Linear(3, 2)
    averaged = AveragedModel(model, multi_avg_fn=PolynomialAverage())
    for _ in range(20):
        averaged.update_parameters(model)
    assert torch.equal(averaged.module.weight, model.weight)


def test_it_travels_to_other_processes() -> None:
    sent = pickle.dumps(PolynomialAverage(3.0))
    assert pickle.loads(sent) == PolynomialAverage(3.0)  # noqa: S301


@pytest.mark.parametrize("eta", [-1.0, math.inf, math.nan])
def test_an_eta_that_is_none_is_refused(eta: float) -> None:
    with pytest.raises(ValueError, match="eta must be a finite number of at least 0"):
        PolynomialAverage(eta)
