"""Tuning: on a quadratic the best rate is known; grids grow until it lies inside; what was found is kept by content."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from meta_trainer.evaluation.baselines import BASELINES
from meta_trainer.evaluation.tuning import (
    LARGEST_EXPONENT,
    SMALLEST_EXPONENT,
    Tuned,
    TuningCache,
    rate_of,
    tune,
)
from meta_trainer.optimizees import Optimizee

SGD = BASELINES["sgd"]


@dataclass
class Quadratic(Optimizee):
    """½ a ‖w‖²: one step of gradient descent at rate 1/a ends at exactly 0."""

    curvature: float
    n_copies: int

    def start(self) -> Tensor:
        return torch.ones(2 * self.n_copies, 3)

    def losses(self, w: Tensor, step: int) -> Tensor:
        return 0.5 * self.curvature * (w * w).sum(1)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.losses(w, step), self.curvature * w


@dataclass
class Downhill(Quadratic):
    """A slope without end: the larger the rate the better."""

    def losses(self, w: Tensor, step: int) -> Tensor:
        return -w.sum(1)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.losses(w, step), -torch.ones_like(w)


@dataclass
class Broken(Quadratic):
    """Never finite."""

    def losses(self, w: Tensor, step: int) -> Tensor:
        return torch.full((len(w),), torch.nan)


@dataclass
class HalfBroken(Quadratic):
    """One of two starts diverges at rates above 1."""

    def losses(self, w: Tensor, step: int) -> Tensor:
        losses = (w - 100).square().sum(1)
        broken = (w[:, 0] > 2) & (torch.arange(len(w)) % 2 == 0)
        return torch.where(broken, torch.inf, losses)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.losses(w, step), -torch.ones_like(w)


def test_rates_go_in_steps_of_root_two() -> None:
    assert [rate_of(k) for k in (-4, -2, 0, 2)] == [0.25, 0.5, 1.0, 2.0]
    assert rate_of(3) / rate_of(2) == pytest.approx(2**0.5)
    assert rate_of(-3) / rate_of(-4) == pytest.approx(2**0.5)


@pytest.mark.parametrize("exponent", [SGD.grid[0] + 1, SGD.grid[1] - 1, 14, -14])
def test_the_best_rate_is_found_inside_or_far_outside_the_first_grid(exponent: int) -> None:
    exponent -= exponent % 2  # so that 1/a is exact in binary
    tuned = tune(SGD, lambda n_copies: Quadratic(2.0 ** (-exponent // 2), n_copies), 1)
    assert tuned.rate == rate_of(exponent)
    assert not tuned.on_edge
    rates = [rate for rate, _ in tuned.trials]
    assert rates == sorted(rates)
    assert rates[0] < tuned.rate < rates[-1]
    assert dict(tuned.trials)[tuned.rate] == 0.0


def test_a_grid_with_the_best_inside_does_not_grow() -> None:
    sizes: list[int] = []

    def optimizee_of(n_copies: int) -> Optimizee:
        sizes.append(n_copies)
        return Quadratic(1.0, n_copies)

    tune(SGD, optimizee_of, 1)
    assert sizes == [SGD.grid[1] - SGD.grid[0] + 1]


def test_growth_ends_at_the_bounds_and_says_so() -> None:
    tuned = tune(SGD, lambda n_copies: Downhill(1.0, n_copies), 1)
    assert (tuned.rate, tuned.on_edge) == (rate_of(LARGEST_EXPONENT), True)


def test_where_everything_diverges_the_smallest_rate_is_given_and_marked() -> None:
    tuned = tune(SGD, lambda n_copies: Broken(1.0, n_copies), 1)
    assert (tuned.rate, tuned.on_edge) == (rate_of(SMALLEST_EXPONENT), True)
    assert all(loss is None for _, loss in tuned.trials)


def test_a_rate_at_which_any_start_diverges_is_never_chosen() -> None:
    tuned = tune(SGD, lambda n_copies: HalfBroken(1.0, n_copies), 1)
    assert tuned.rate == 1.0
    assert not tuned.on_edge
    assert dict(tuned.trials)[2.0] is None


CONTENT = {"task": {"kind": "mlp"}, "horizon": 100}
TUNED = Tuned(0.5, False, ((0.25, 2.0), (0.5, 1.0), (1.0, None)))


def test_tuned_rates_are_kept_by_content(tmp_path: Path) -> None:
    TuningCache(tmp_path / "cache").put(CONTENT, TUNED)
    again = TuningCache(tmp_path / "cache")
    assert again.get(dict(reversed(CONTENT.items()))) == TUNED
    assert again.get({**CONTENT, "horizon": 101}) is None
    (file,) = (tmp_path / "cache").iterdir()
    assert json.loads(file.read_text())["content"] == CONTENT


def test_without_a_folder_they_are_kept_in_memory() -> None:
    cache = TuningCache()
    cache.put(CONTENT, TUNED)
    assert cache.get(CONTENT) == TUNED
    assert TuningCache().get(CONTENT) is None


NO_NUMBER = b'{"tuned": {"rate": "x", "on_edge": false, "trials": []}}'


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"tuned": {}}', NO_NUMBER])
def test_a_damaged_file_is_reported_and_replaced(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    TuningCache(tmp_path).put(CONTENT, TUNED)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    cache = TuningCache(tmp_path)
    assert cache.get(CONTENT) is None
    assert "damaged" in caplog.text
    cache.put(CONTENT, TUNED)
    assert TuningCache(tmp_path).get(CONTENT) == TUNED
