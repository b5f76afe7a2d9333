"""The final loss is the mean over the minibatches of the run, however it is computed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from meta_trainer.datasets import Dataset, load
from meta_trainer.specs import CNNTaskSpec, MLPTaskSpec
from meta_trainer.tasks import build_optimizee
from meta_trainer.tasks.optimizees import Optimizee, Supervised

N_STEPS = 12
BATCH_SIZE = 8
SEPARABLE: dict[str, MLPTaskSpec | CNNTaskSpec] = {
    "mlp": MLPTaskSpec(hidden=(4,), batch_size=BATCH_SIZE),
    "cnn": CNNTaskSpec(batch_size=BATCH_SIZE),
}
OTHERS: dict[str, MLPTaskSpec | CNNTaskSpec] = {
    "batch norm": CNNTaskSpec(batch_norm=True, batch_size=BATCH_SIZE),
    "dropout": CNNTaskSpec(dropout=True, batch_size=BATCH_SIZE),
}


def few_images(n: int) -> Dataset:
    whole = load("mnist5k")
    images = whole.images[::50, :, ::4, ::4][:n].contiguous()
    labels = whole.labels[::50][:n]
    return replace(whole, images=images, labels=labels)


def optimizee(task: MLPTaskSpec | CNNTaskSpec, n_images: int) -> Supervised:
    data = {"mnist5k": few_images(n_images)}
    return build_optimizee(task, data, 3, "final", [(0,), (1,), (2,)], dtype=torch.float64)


def by_definition(one: Supervised, w: torch.Tensor) -> torch.Tensor:
    return torch.stack([one.losses(w, step) for step in range(N_STEPS)]).mean(0)


@pytest.mark.parametrize("n_images", [50, 95, N_STEPS * BATCH_SIZE])
@pytest.mark.parametrize("task", SEPARABLE | OTHERS)
def test_final_losses_are_the_mean_over_the_minibatches(task: str, n_images: int) -> None:
    one = optimizee((SEPARABLE | OTHERS)[task], n_images)
    w = one.start()
    torch.testing.assert_close(
        one.final_losses(w, N_STEPS), by_definition(one, w), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("task", SEPARABLE)
def test_few_images_are_passed_once(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Supervised, "losses", lambda *_: pytest.fail("minibatch by minibatch"))
    one = optimizee(SEPARABLE[task], 50)
    assert one.final_losses(one.start(), N_STEPS).isfinite().all()


@pytest.mark.parametrize("task", OTHERS)
def test_examples_that_act_on_each_other_are_not_taken_apart(task: str) -> None:
    one = optimizee(OTHERS[task], 50)
    assert torch.equal(
        one.final_losses(one.start(), N_STEPS), Optimizee.final_losses(one, one.start(), N_STEPS)
    )


def test_a_diverged_learner_has_no_final_loss_and_leaves_the_others_alone() -> None:
    one = optimizee(SEPARABLE["mlp"], 50)
    w = one.start()
    alone = one.final_losses(w, N_STEPS)
    w[1] = torch.nan
    losses = one.final_losses(w, N_STEPS)
    assert losses[1].isnan()
    assert torch.equal(losses[[0, 2]], alone[[0, 2]])
