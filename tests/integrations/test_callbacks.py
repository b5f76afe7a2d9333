"""The callbacks with the real Lightning and Transformers, to where these write."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import hyperadam
import pytest
import torch
from torch import nn

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # theirs

N_STEPS = 4
J = hyperadam.pretrained().rule.spec.n_candidates
NAMES = {
    "hyperadam/effective_lr",
    "hyperadam/direction_norm",
    "hyperadam/relative_step",
    "hyperadam/n_skipped_steps",
    "hyperadam/mixture/1",
    f"hyperadam/mixture/{J}",
    f"hyperadam/beta/{J}",
    "hyperadam/gamma/1",
}


@pytest.fixture
def data() -> torch.utils.data.TensorDataset:
    inputs = torch.randn(16 * N_STEPS, 8)
    return torch.utils.data.TensorDataset(inputs, inputs.sum(1, keepdim=True))


def read_scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Tag → step → value, of TensorBoard's files below a folder."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    scalars: dict[str, dict[int, float]] = {}
    for file in sorted(folder.rglob("events.out.tfevents.*")):
        accumulator = events.EventAccumulator(str(file))
        accumulator.Reload()
        for tag in accumulator.Tags()["scalars"]:
            found = {event.step: event.value for event in accumulator.Scalars(tag)}
            scalars.setdefault(tag, {}).update(found)
    return scalars


def test_lightning_writes_what_the_optimizer_says(
    data: torch.utils.data.TensorDataset, tmp_path: Path
) -> None:
    lightning = pytest.importorskip("lightning", reason="lightning is not installed")
    from hyperadam.integrations.lightning import LearnedOptimizerMonitor

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(8, 1)

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            return nn.functional.mse_loss(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return hyperadam.HyperAdam(self.parameters())

    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=[CSVLogger(tmp_path, "csv", ""), TensorBoardLogger(tmp_path, "board", "")],
        callbacks=[LearnedOptimizerMonitor(every_n_steps=2)],
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(Module(), torch.utils.data.DataLoader(data, batch_size=16))

    with next((tmp_path / "csv").rglob("metrics.csv")).open() as file:
        rows = [row for row in csv.DictReader(file) if row["hyperadam/effective_lr"]]
    assert [int(row["step"]) for row in rows] == [2, 4]
    assert set(rows[0]) >= NAMES
    scalars = read_scalars(tmp_path / "board")
    assert set(scalars) >= NAMES
    [optimizer] = trainer.optimizers
    rate = optimizer.effective_lr(optimizer.param_groups[0])
    assert float(rows[-1]["hyperadam/effective_lr"]) == pytest.approx(rate)
    assert scalars["hyperadam/effective_lr"][4] == pytest.approx(rate, rel=1e-6)


def test_lightnings_callback_ends_with_the_average(data: torch.utils.data.TensorDataset) -> None:
    lightning = pytest.importorskip("lightning", reason="lightning is not installed")
    from lightning.pytorch.callbacks import WeightAveraging

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(8, 1)
            self.seen: list[torch.Tensor] = []

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            return nn.functional.mse_loss(self.net(batch[0]), batch[1])

        def on_train_batch_end(self, *_: Any) -> None:
            self.seen.append(self.net.weight.detach().clone())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return hyperadam.HyperAdam(self.parameters())

    module = Module()
    average = WeightAveraging(multi_avg_fn=hyperadam.PolynomialAverage(1.0))
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        callbacks=[average],
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=16))
    counts = torch.arange(1.0, N_STEPS + 1)  # what η = 1 weighs by
    expected = torch.einsum("n,nij->ij", counts / counts.sum(), torch.stack(module.seen))
    torch.testing.assert_close(module.net.weight.detach(), expected)
    assert not torch.equal(expected, module.seen[-1])


def test_the_trainer_of_transformers_writes_it_too(
    data: torch.utils.data.TensorDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    from hyperadam.integrations.transformers import LearnedOptimizerCallback

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(8, 1)

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": nn.functional.mse_loss(self.net(x), labels)}

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    network = Network()
    optimizer = hyperadam.HyperAdam(network.parameters())
    arguments = transformers.TrainingArguments(
        str(tmp_path),
        max_steps=N_STEPS,
        save_strategy="no",
        report_to="tensorboard",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        network,
        arguments,
        train_dataset=[{"x": x, "labels": y} for x, y in data],
        optimizers=(optimizer, transformers.get_constant_schedule(optimizer)),
    )
    trainer.add_callback(LearnedOptimizerCallback(trainer, every_n_steps=2))
    trainer.train()

    history = [entry for entry in trainer.state.log_history if "hyperadam/beta/1" in entry]
    assert [entry["step"] for entry in history] == [2, 4]
    assert set(history[0]) >= NAMES
    rate = optimizer.effective_lr(optimizer.param_groups[0])
    assert history[-1]["hyperadam/effective_lr"] == pytest.approx(rate)
    tags = set(read_scalars(tmp_path))
    assert {f"train/{name}" for name in NAMES} <= tags


@pytest.mark.parametrize("module", ["lightning", "transformers"])
def test_no_interval_below_one(module: str) -> None:
    pytest.importorskip(module, reason=f"{module} is not installed")
    if module == "lightning":
        from hyperadam.integrations.lightning import LearnedOptimizerMonitor

        with pytest.raises(ValueError, match="every_n_steps must be at least 1, got 0"):
            LearnedOptimizerMonitor(0)
    else:
        from hyperadam.integrations.transformers import LearnedOptimizerCallback

        with pytest.raises(ValueError, match="every_n_steps must be at least 1, got 0"):
            LearnedOptimizerCallback(None, 0)
