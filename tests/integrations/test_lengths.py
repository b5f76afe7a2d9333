"""Callbacks that tell an optimizer how long the run is, with the real Lightning and Transformers:
to the bit what a plain loop does that knows it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hyperadam
import pytest
import torch
from torch import Tensor, nn

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # theirs

BATCH = 16
N_BATCHES = 6
ACCUMULATED = 2
N_EPOCHS = 2
N_STEPS = N_EPOCHS * N_BATCHES // ACCUMULATED


def make_model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))


def make_data() -> torch.utils.data.TensorDataset:
    inputs = torch.randn(BATCH * N_BATCHES, 8, generator=torch.Generator().manual_seed(1))
    return torch.utils.data.TensorDataset(inputs, inputs.sum(1, keepdim=True))


def make_loader() -> torch.utils.data.DataLoader[Any]:
    return torch.utils.data.DataLoader(make_data(), batch_size=BATCH)


def run_plainly(total_steps: int | None, n_epochs: int = N_EPOCHS) -> list[Tensor]:
    """The weights after a loop of torch alone."""
    model = make_model()
    optimizer = hyperadam.HyperAdam(model.parameters(), total_steps=total_steps)
    for _ in range(n_epochs):
        for number, (x, y) in enumerate(make_loader(), 1):
            (nn.functional.mse_loss(model(x), y) / ACCUMULATED).backward()
            if number % ACCUMULATED == 0:
                optimizer.step()
                optimizer.zero_grad()
    return copy_weights(model)


def copy_weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def are_equal(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def read_told(optimizer: torch.optim.Optimizer) -> list[int]:
    return [group["total_steps"] for group in optimizer.param_groups]


def keep_ours(caught: Iterable[warnings.WarningMessage]) -> list[str]:
    """Of the warnings, those that speak of lengths."""
    texts = [str(warning.message) for warning in caught]
    return [text for text in texts if "total_steps" in text]


def test_the_length_is_worth_a_test() -> None:
    assert not are_equal(run_plainly(N_STEPS), run_plainly(None))


def make_stop(lightning: Any) -> Any:
    """A callback that ends the run with its first epoch."""

    class Stop(lightning.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            trainer.should_stop = True

    return Stop()


class TestLightning:
    @pytest.fixture(autouse=True)
    def lightning(self) -> None:
        self.lightning = pytest.importorskip("lightning", reason="lightning is not installed")

    def make_module(self, **arguments: Any) -> Any:
        class Module(self.lightning.LightningModule):
            def __init__(self) -> None:
                super().__init__()
                self.net = make_model()

            def training_step(self, batch: Any, index: int) -> Tensor:
                return nn.functional.mse_loss(self.net(batch[0]), batch[1])

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return hyperadam.HyperAdam(self.parameters(), **arguments)

        return Module()

    def make_trainer(self, *callbacks: Any, tell_length: bool = True, **options: Any) -> Any:
        from hyperadam.integrations.lightning import LearnedOptimizerMonitor

        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        own = {"accumulate_grad_batches": ACCUMULATED, "max_epochs": N_EPOCHS}
        return self.lightning.Trainer(
            accelerator="cpu",
            enable_model_summary=False,
            callbacks=[*callbacks, LearnedOptimizerMonitor(tell_length=tell_length)],
            **{**quiet, **own, **options},
        )

    def fit(self, trainer: Any, module: Any, **options: Any) -> list[str]:
        """What it said of lengths."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trainer.fit(module, make_loader(), **options)
        return keep_ours(caught)

    @pytest.mark.parametrize(
        ("limits", "n_epochs", "n_steps"),
        [({}, N_EPOCHS, N_STEPS), ({"max_epochs": -1, "max_steps": 3}, 1, 3)],
        ids=["epochs", "steps"],
    )
    def test_a_run_is_that_of_a_loop_that_knows_its_length(
        self, limits: dict[str, int], n_epochs: int, n_steps: int
    ) -> None:
        module = self.make_module()
        trainer = self.make_trainer(**limits)
        assert self.fit(trainer, module) == []
        assert read_told(trainer.optimizers[0]) == [n_steps]
        assert are_equal(copy_weights(module.net), run_plainly(n_steps, n_epochs))

    def test_who_does_not_ask_gets_the_run_as_it_was(self) -> None:
        module = self.make_module()
        trainer = self.make_trainer(tell_length=False)
        assert self.fit(trainer, module) == []
        assert are_equal(copy_weights(module.net), run_plainly(None))

    def test_a_resumed_run_ends_where_it_would_have(self, tmp_path: Path) -> None:
        stop = make_stop(self.lightning)
        first = self.make_trainer(stop)
        assert self.fit(first, self.make_module()) == []
        first.save_checkpoint(tmp_path / "half.ckpt")

        module = self.make_module()
        trainer = self.make_trainer()
        assert self.fit(trainer, module, ckpt_path=tmp_path / "half.ckpt") == []
        assert are_equal(copy_weights(module.net), run_plainly(N_STEPS))

    def test_a_run_that_goes_on_for_longer_is_told_so(self, tmp_path: Path) -> None:
        first = self.make_trainer(max_epochs=1)
        self.fit(first, self.make_module())
        first.save_checkpoint(tmp_path / "end.ckpt")

        trainer = self.make_trainer()
        [said] = self.fit(trainer, self.make_module(), ckpt_path=tmp_path / "end.ckpt")
        assert f"the trainer now stops at step {N_STEPS}" in said
        assert read_told(trainer.optimizers[0]) == [N_STEPS]

    def test_a_second_fit_counts_on(self) -> None:
        """The optimizer stays: N counts from its first step."""
        module = self.make_module()
        optimizer = module.configure_optimizers()
        module.configure_optimizers = lambda: optimizer
        assert self.fit(self.make_trainer(), module) == []
        trainer = self.make_trainer()
        assert self.fit(trainer, module) == []
        assert read_told(trainer.optimizers[0]) == [2 * N_STEPS]

    def test_what_the_optimizer_was_made_with_stays(self) -> None:
        module = self.make_module(total_steps=N_BATCHES * N_EPOCHS)
        trainer = self.make_trainer()
        [said] = self.fit(trainer, module)
        assert "Count steps of the optimizer, not minibatches" in said
        assert are_equal(copy_weights(module.net), run_plainly(N_BATCHES * N_EPOCHS))

    def test_of_a_run_without_an_end_nothing_is_told(self) -> None:
        trainer = self.make_trainer(make_stop(self.lightning), max_epochs=-1)
        module = self.make_module()
        assert self.fit(trainer, module) == []
        assert read_told(trainer.optimizers[0]) == [0]
        assert are_equal(copy_weights(module.net), run_plainly(None, 1))

    def test_several_optimizers_step_as_often_as_their_module_likes(self) -> None:
        module = self.make_module()
        module.automatic_optimization = False
        first, last = module.net[0], module.net[2]
        optimizers = [hyperadam.HyperAdam(one.parameters()) for one in (first, last)]
        module.configure_optimizers = lambda: optimizers
        module.training_step = lambda *_: None
        trainer = self.make_trainer(accumulate_grad_batches=1)
        [said] = self.fit(trainer, module)
        assert said.startswith("tell_length: with manual optimization, Lightning does not know")
        assert [read_told(optimizer) for optimizer in optimizers] == [[0], [0]]

    def test_a_changing_accumulation_is_no_count(self) -> None:
        from lightning.pytorch.callbacks import GradientAccumulationScheduler

        changing = GradientAccumulationScheduler({0: 3})
        module = self.make_module()
        trainer = self.make_trainer(changing, accumulate_grad_batches=1)
        [said] = self.fit(trainer, module)
        assert said.startswith("tell_length: with GradientAccumulationScheduler")
        assert read_told(trainer.optimizers[0]) == [0]


class TestTransformers:
    @pytest.fixture(autouse=True)
    def transformers(self, tmp_path: Path) -> None:
        reason = "transformers is not installed"
        self.transformers = pytest.importorskip("transformers", reason=reason)
        pytest.importorskip("accelerate", reason="accelerate is not installed")
        self.folder = tmp_path

    def make_trainer(
        self, *, tell_length: bool = True, n_epochs: float = N_EPOCHS, **arguments: Any
    ) -> Any:
        from hyperadam.integrations.transformers import LearnedOptimizerCallback

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.net = make_model()

            def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
                return {"loss": nn.functional.mse_loss(self.net(x), labels)}

        network = Network()
        optimizer = hyperadam.HyperAdam(network.parameters(), **arguments)
        trainer = self.transformers.Trainer(
            network,
            self.transformers.TrainingArguments(
                str(self.folder),
                num_train_epochs=n_epochs,
                per_device_train_batch_size=BATCH,
                gradient_accumulation_steps=ACCUMULATED,
                train_sampling_strategy="sequential",
                max_grad_norm=0.0,
                save_strategy="epoch",
                report_to="none",
                use_cpu=True,
                disable_tqdm=True,
            ),
            train_dataset=[{"x": x, "labels": y} for x, y in make_data()],
            optimizers=(optimizer, self.transformers.get_constant_schedule(optimizer)),
        )
        trainer.add_callback(LearnedOptimizerCallback(trainer, tell_length=tell_length))
        return trainer

    def train(self, trainer: Any, **options: Any) -> list[str]:
        """What it said of lengths."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trainer.train(**options)
        return keep_ours(caught)

    def test_a_run_of_epochs_is_that_of_a_loop_that_knows_its_length(self) -> None:
        """Through the optimizer that Accelerate has wrapped."""
        trainer = self.make_trainer()
        assert self.train(trainer) == []
        assert type(trainer.optimizer).__name__ == "AcceleratedOptimizer"
        assert read_told(trainer.optimizer) == [N_STEPS]
        assert are_equal(copy_weights(trainer.model), run_plainly(N_STEPS))

    def test_a_part_of_an_epoch_is_rounded_as_the_trainer_does(self) -> None:
        trainer = self.make_trainer(n_epochs=1.5)
        self.train(trainer)
        assert read_told(trainer.optimizer) == [math.ceil(1.5 * N_BATCHES / ACCUMULATED)]
        assert trainer.state.global_step == trainer.state.max_steps

    def test_who_does_not_ask_gets_the_run_as_it_was(self) -> None:
        trainer = self.make_trainer(tell_length=False)
        assert self.train(trainer) == []
        assert are_equal(copy_weights(trainer.model), run_plainly(None))

    def test_a_resumed_run_ends_where_it_would_have(self) -> None:
        self.train(self.make_trainer())
        trainer = self.make_trainer()
        half = str(self.folder / f"checkpoint-{N_STEPS // 2}")
        assert self.train(trainer, resume_from_checkpoint=half) == []
        assert trainer.state.global_step == N_STEPS
        assert are_equal(copy_weights(trainer.model), run_plainly(N_STEPS))

    def test_a_run_that_goes_on_for_longer_is_told_so(self) -> None:
        self.train(self.make_trainer(n_epochs=1))
        trainer = self.make_trainer()
        [said] = self.train(trainer, resume_from_checkpoint=True)
        assert f"the trainer now stops at step {N_STEPS}" in said
        assert read_told(trainer.optimizer) == [N_STEPS]

    def test_a_second_training_counts_on(self) -> None:
        """The trainer keeps its optimizer: N counts from the first step of that."""
        trainer = self.make_trainer()
        assert self.train(trainer) == []
        before = copy_weights(trainer.model)
        assert self.train(trainer) == []
        assert read_told(trainer.optimizer) == [2 * N_STEPS]
        assert not are_equal(copy_weights(trainer.model), before)

    def test_what_the_optimizer_was_made_with_stays(self) -> None:
        trainer = self.make_trainer(total_steps=N_BATCHES * N_EPOCHS)
        [said] = self.train(trainer)
        assert "Count steps of the optimizer, not minibatches" in said
        assert are_equal(copy_weights(trainer.model), run_plainly(N_BATCHES * N_EPOCHS))
