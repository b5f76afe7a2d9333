"""Of every kind of task: the same seeds give the same learners, however they are batched."""

from __future__ import annotations

import pytest
import torch

from meta_trainer.datasets import load
from meta_trainer.specs import (
    CNNTaskSpec,
    LSTMTaskSpec,
    MLPTaskSpec,
    NetworkTaskSpec,
    PlainTaskSpec,
)
from meta_trainer.tasks import build_optimizee, load_data
from meta_trainer.tasks.optimizees import Supervised

TASKS: dict[str, PlainTaskSpec] = {
    "mlp": MLPTaskSpec(hidden=(4, 3), batch_size=6),
    "mlp-7": MLPTaskSpec(hidden=(4, 3), batch_size=6, side=7, initialization="lecun"),
    "network": NetworkTaskSpec(network="attention", width=4, batch_size=4),
    "language": NetworkTaskSpec(network="language", width=4, batch_size=4),
    "tied-language": NetworkTaskSpec(network="tied-language", width=4, batch_size=4),
    "text": NetworkTaskSpec(network="text", width=4, depth=2, batch_size=4, variant=5),
    "masked-text": NetworkTaskSpec(network="masked-text", width=4, batch_size=4, variant=5),
    "recommender": NetworkTaskSpec(network="recommender", width=4, batch_size=4, variant=5),
    "regression": NetworkTaskSpec(network="regression", width=4, batch_size=4, variant=3),
    "cnn": CNNTaskSpec(batch_norm=True, batch_size=3),
    "cnn-dropout": CNNTaskSpec(dropout=True, batch_size=3),
    "lstm": LSTMTaskSpec(n_layers=2, batch_size=6),
}


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> PlainTaskSpec:
    return TASKS[request.param]


def learners(task: PlainTaskSpec, *indices: int, seed: int = 0) -> Supervised:
    return build_optimizee(task, load_data([task], None), seed, "test", [(i,) for i in indices])


def test_batching_does_not_change_what_a_learner_sees(task: PlainTaskSpec) -> None:
    together = learners(task, 0, 1, 2)
    apart = learners(task, 2)
    w = together.start()
    assert torch.equal(w[2:], apart.start())
    losses, gradients = together.losses_and_gradients(w, 9)
    alone, own_gradients = apart.losses_and_gradients(w[2:], 9)
    torch.testing.assert_close(losses[2:], alone)
    torch.testing.assert_close(gradients[2:], own_gradients, rtol=1e-4, atol=1e-6)


def test_runs_repeat_and_differ_by_seed_learner_and_step(task: PlainTaskSpec) -> None:
    first = learners(task, 0, 1)
    again = learners(task, 0, 1)
    other = learners(task, 0, 1, seed=1)
    w = first.start()
    assert torch.equal(first.losses(w, 2), again.losses(w, 2))
    assert not torch.equal(w, other.start())
    losses = torch.cat([first.losses(w, 2), first.losses(w, 3), other.losses(w, 2)])
    assert len(losses.unique()) == 6


def test_final_loss_keeps_the_masks_of_the_run() -> None:
    with_dropout = learners(TASKS["cnn-dropout"], 0, 1)
    w = with_dropout.start()
    expected = torch.stack([with_dropout.losses(w, step) for step in range(3)]).double().mean(0)
    torch.testing.assert_close(with_dropout.final_losses(w, 3), expected)
    inputs, targets, _ = with_dropout.draw_minibatch(0)
    assert not torch.allclose(
        with_dropout.losses(w, 0), with_dropout.learner.losses(w, inputs, targets)
    )


def test_each_learner_may_have_its_own_scale() -> None:
    data = {"mnist5k": load("mnist5k")}
    indices = [(0,), (1,)]
    for name in ("mlp", "cnn", "cnn-dropout", "lstm"):
        task = TASKS[name]
        plain = build_optimizee(task, data, 0, "test", indices).start()
        scaled = build_optimizee(task, data, 0, "test", indices, init_std=[0.1, 0.3]).start()
        torch.testing.assert_close(scaled, plain * torch.tensor([[1.0], [3.0]]))


def test_missing_data_is_named() -> None:
    with pytest.raises(
        ValueError, match="dataset 'mnist' is wanted by a task, but only mnist5k given"
    ):
        build_optimizee(
            MLPTaskSpec(dataset="mnist"), {"mnist5k": load("mnist5k")}, 0, "test", [(0,)]
        )
