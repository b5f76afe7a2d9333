"""Meta-train an optimizer on a network, a loss and data of your own, in this process.

    python -m examples.own_module [--episodes N]

A service takes only typed specs, never code; Python takes any `torch.nn.Module`. `ModuleTaskSource`
makes a learner of it: many copies run side by side through `torch.func`, each with the module's own
initialisation. Here the module is a small network with layer norm that learns the surface z =
sin(3x) · cos(2y) from noisy points. The Θ that comes out is saved, and runs as a
`torch.optim.Optimizer` on the same module beside Adam at its default rate.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Final

import hyperadam
import torch
from torch import nn

from meta_trainer.datasets import TensorData
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.seeds import make_generator
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import ModuleTaskSource
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Trained
from meta_trainer.training.units import make_rule

SPEC: Final = {
    "n_learners": 4,
    "tricks": {"random_scaling": 0.5},
    "unroll": {"meta_loss": "log"},
    "meta_optimizer": {"rate": 3e-3},
    "validation": {"every_episodes": 5},
}


def make_module() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 1))


def make_data(n: int = 4096) -> TensorData:
    g = make_generator(0, "surface")
    points = torch.rand(n, 2, generator=g) * 4 - 2
    heights = torch.sin(3 * points[:, :1]) * torch.cos(2 * points[:, 1:])
    return TensorData("surface", points, heights + 0.05 * torch.randn(n, 1, generator=g))


def meta_train(n_episodes: int) -> tuple[MetaTrainingSpec, Trained]:
    spec = MetaTrainingSpec.model_validate({**SPEC, "n_episodes": n_episodes})
    tasks = ModuleTaskSource(make_module, nn.functional.mse_loss, make_data(), batch_size=64)
    return spec, MetaTraining(spec, tasks, InProcessRunner(), LogRecorder()).run()


def train(optimizer: torch.optim.Optimizer, module: nn.Module, n_steps: int = 100) -> float:
    """The mean loss of the last ten steps."""
    data = make_data()
    losses = []
    for step in range(n_steps):
        inputs, targets = data.draw([make_generator(1, "minibatch", step)], 64)
        loss = nn.functional.mse_loss(module(inputs[0]), targets[0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[-10:]) / 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--episodes", type=int, default=20, help="episodes of meta-training, 5 updates of Θ each"
    )
    n_episodes = parser.parse_args().episodes

    spec, trained = meta_train(n_episodes)
    print(
        f"validation loss: {trained.initial_loss:.4f} before meta-training, "
        f"{trained.best_loss:.4f} after"
    )
    theta = hyperadam.Theta.from_vector(make_rule(spec.rule), trained.theta, rate=spec.unroll.rate)
    path = Path(tempfile.mkdtemp()) / "own.safetensors"
    theta.save(path)

    torch.manual_seed(0)
    module = make_module()
    same_start = make_module()
    same_start.load_state_dict(module.state_dict())
    hyperadam_optimizer = hyperadam.HyperAdam(module.parameters(), theta=hyperadam.Theta.load(path))
    with_hyperadam = train(hyperadam_optimizer, module)
    with_adam = train(torch.optim.Adam(same_start.parameters()), same_start)
    print(
        f"loss after 100 steps from one start: {with_hyperadam:.4f} with {path}, "
        f"{with_adam:.4f} with Adam at its default rate"
    )


if __name__ == "__main__":
    main()
