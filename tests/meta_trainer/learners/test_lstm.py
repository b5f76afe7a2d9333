"""The LSTM learner against torch's module; the sequences that it predicts."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from meta_trainer.datasets import SineSequences
from meta_trainer.learners import LSTM
from meta_trainer.seeds import make_generator


@pytest.mark.parametrize("n_layers", [1, 2])
def test_equals_one_module_at_a_time(n_layers: int) -> None:
    learner = LSTM(n_layers, hidden=6)
    w = learner.start([make_generator(0, "w", i) for i in range(3)], 0.5, torch.float64)
    inputs, targets = SineSequences().draw(
        [make_generator(0, "data", i) for i in range(3)], 7, torch.float64
    )
    losses, gradients = learner.losses_and_gradients(w, inputs, targets)
    for i in range(3):
        cell = nn.LSTM(1, 6, n_layers, batch_first=True).double()
        head = nn.Linear(6, 1).double()
        trained = [
            p
            for layer in range(n_layers)
            for name, p in cell.named_parameters()
            if name in (f"weight_ih_l{layer}", f"weight_hh_l{layer}", f"bias_ih_l{layer}")
        ]
        for name, parameter in cell.named_parameters():
            if name.startswith("bias_hh"):
                nn.init.zeros_(parameter)
        trained += [head.weight, head.bias]
        nn.utils.vector_to_parameters(w[i], trained)
        loss = F.mse_loss(head(cell(inputs[i, :, :, None])[0][:, -1])[:, 0], targets[i])
        expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, trained)])
        torch.testing.assert_close(losses[i], loss.detach())
        torch.testing.assert_close(gradients[i], expected)


def test_sizes() -> None:
    assert LSTM(1).n_coordinates == 4 * 20 * (1 + 20 + 1) + 21
    assert LSTM(2).n_coordinates == 4 * 20 * (1 + 20 + 1) + 4 * 20 * (20 + 20 + 1) + 21
    with pytest.raises(ValueError, match="n_layers"):
        LSTM(0)


def test_sequences_are_sines_with_noise_on_the_inputs_alone() -> None:
    clean, target = SineSequences(0.0).draw([make_generator(3, "x")], 2000, torch.float64)
    noisy, same_target = SineSequences(0.1).draw([make_generator(3, "x")], 2000, torch.float64)
    assert torch.equal(target, same_target)
    assert float((noisy - clean).std()) == pytest.approx(0.1, rel=0.03)
    values = torch.cat(
        [clean[0], target[0, :, None]], dim=1
    )  # f(x−1) + f(x+1) = 2 cos ω f(x) for every sine
    cosine = (values[:, :-2] + values[:, 2:]) / (2 * values[:, 1:-1])
    firm = values[:, 1:-1].abs() > 0.01
    assert float((cosine - cosine.median(1).values[:, None])[firm].abs().max()) < 1e-6
    frequency = torch.arccos(cosine.median(1).values.clamp(-1, 1))
    assert float(frequency.max()) <= math.pi / 2 + 1e-6
    assert float(frequency.mean()) == pytest.approx(math.pi / 4, rel=0.05)
    assert 9.5 < float(values.abs().max()) <= 10
    assert abs(float(values[:, 0].mean())) < 0.3


def test_sequences_are_named_by_their_noise() -> None:
    assert (SineSequences(0.1).name, SineSequences(0.01).name) == ("sine-0.1", "sine-0.01")
    assert (
        SineSequences(0.1).fingerprint
        == SineSequences(0.1).fingerprint
        != SineSequences(0.01).fingerprint
    )


def test_the_fingerprint_of_sequences_stays() -> None:
    """Manifests of Θ name it."""
    assert SineSequences(0.1).fingerprint.startswith("b4e3c4832087b45f")
