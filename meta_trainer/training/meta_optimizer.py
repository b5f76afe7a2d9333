"""The optimizer of Θ: Adam with clipping, decoupled weight decay and a rate schedule."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.estimators.perturbations import coordinates_of
from meta_trainer.specs import MetaOptimizerSpec


class MetaUpdate(NamedTuple):
    """What one update of Θ did."""

    gradient_norm: float
    """Euclidean norm of the meta-gradient before clipping."""
    rate: float
    skipped: bool
    """Whether Θ was left alone because the meta-gradient was not finite."""


def find_moved(rule: Rule[Any], spec: MetaOptimizerSpec) -> Tensor | None:
    """Which coordinates of Θ updates move, True or False, shape (n_theta,); None: all."""
    return None if spec.tensors is None else coordinates_of(rule, spec.tensors).bool()


class MetaOptimizer:
    """Holds Θ as one flat float32 vector and moves it."""

    def __init__(
        self,
        spec: MetaOptimizerSpec,
        theta: Tensor,
        n_updates: int,
        moved: Tensor | None = None,
    ) -> None:
        """
        Args:
            theta: where the job starts, shape (n_theta,).
            moved: see `find_moved`. The gradients of other coordinates must be 0.
        """
        self.update_count = 0
        self._moved = torch.ones_like(theta) if moved is None else moved.to(theta)
        self._spec = spec
        self._n_updates = n_updates
        self._theta = torch.nn.Parameter(theta.detach().clone())
        self._mean = self.theta
        self._adam = torch.optim.Adam([self._theta], lr=spec.rate, foreach=False)
        self._decays_towards_start = spec.decay_towards == "start" and spec.weight_decay > 0
        self._anchor = self.theta if self._decays_towards_start else torch.zeros_like(theta)

    @property
    def theta(self) -> Tensor:
        """Θ now, shape (n_theta,); a copy."""
        return self._theta.detach().clone()

    @property
    def mean(self) -> Tensor:
        """The running mean of Θ (Θ itself without averaging), shape (n_theta,); a copy."""
        return self._mean.clone()

    def rate(self, update: int) -> float:
        """The rate of update 0, 1, …: a linear warm-up, then constant or a half cosine down to
        `final_fraction`."""
        spec = self._spec
        if update < spec.warmup_updates:
            return spec.rate * (update + 1) / spec.warmup_updates
        if spec.schedule == "constant":
            return spec.rate
        n_falling = max(1, self._n_updates - 1 - spec.warmup_updates)
        position = (update - spec.warmup_updates) / n_falling
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, position)))
        return spec.rate * (spec.final_fraction + (1 - spec.final_fraction) * cosine)

    def step(
        self,
        gradient: Tensor,  # shape: (n_theta,)
    ) -> MetaUpdate:
        """One update of Θ; a gradient that is not finite leaves Θ as it is."""
        rate = self.rate(self.update_count)
        norm = float(torch.linalg.vector_norm(gradient))
        self.update_count += 1
        if not math.isfinite(norm):
            return MetaUpdate(norm, rate, skipped=True)

        self._decay(rate)
        self._theta.grad = self._clip(gradient, norm)
        self._adam.param_groups[0]["lr"] = rate
        self._adam.step()
        self._mean = torch.lerp(self.theta, self._mean, self._spec.averaging)
        return MetaUpdate(norm, rate, skipped=False)

    def _clip(self, gradient: Tensor, norm: float) -> Tensor:
        if norm == 0:
            return gradient
        return gradient * min(1.0, self._spec.clip_norm / norm)

    def _decay(self, rate: float) -> None:
        """Move Θ a little towards 0 or its start."""
        if self._spec.weight_decay:
            share = min(1.0, rate * self._spec.weight_decay)
            with torch.no_grad():
                self._theta.lerp_(self._anchor, share * self._moved)

    def state(self) -> dict[str, Tensor]:
        """Everything but `update_count`, for a checkpoint."""
        adam = self._adam.state[self._theta]
        zeros = torch.zeros_like(self._theta)
        state = {
            "theta": self.theta,
            "mean": self.mean,
            "exp_avg": adam.get("exp_avg", zeros).clone(),
            "exp_avg_sq": adam.get("exp_avg_sq", zeros).clone(),
            "adam_step": torch.as_tensor(adam.get("step", 0.0), dtype=torch.float32).clone(),
        }
        if self._decays_towards_start:
            state["anchor"] = self._anchor.clone()
        return state

    def load(self, state: dict[str, Tensor], update_count: int) -> None:
        """Continue from what `state` gave, bit for bit."""
        self.update_count = update_count
        self._mean = state["mean"].clone()
        with torch.no_grad():
            self._theta.copy_(state["theta"])
        if self._decays_towards_start:
            self._anchor = state.get("anchor", self._anchor).clone()
        self._adam.state[self._theta] = {
            "step": state["adam_step"].clone(),
            "exp_avg": state["exp_avg"].clone(),
            "exp_avg_sq": state["exp_avg_sq"].clone(),
        }
