"""Tuning: on a quadratic the best rate is known; a search agrees with the exhaustive grid, and ends
between two neighbours; what was found is kept by content."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from meta_trainer.evaluation import tuning
from meta_trainer.evaluation.baselines import HandDesigned
from meta_trainer.evaluation.rate_trials import LARGEST_EXPONENT, SMALLEST_EXPONENT, rate_at
from meta_trainer.evaluation.tuning import (
    LONG,
    Tuned,
    build_ladder,
    tune,
)
from meta_trainer.evaluation.tuning_cache import TuningCache
from meta_trainer.specs.baselines import BASELINES, Baseline
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.rollout import rollout

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
    assert [rate_at(k) for k in (-4, -2, 0, 2)] == [0.25, 0.5, 1.0, 2.0]
    assert rate_at(3) / rate_at(2) == pytest.approx(2**0.5)
    assert rate_at(-3) / rate_at(-4) == pytest.approx(2**0.5)


def found(make: Callable[[int, int], Optimizee], n_steps: int = 1) -> Tuned:
    return tune(SGD.grid, partial(HandDesigned, SGD), make, [n_steps])[n_steps]


@pytest.mark.parametrize("exponent", [SGD.grid[0] + 1, SGD.grid[1] - 1, 14, -14])
def test_the_best_rate_is_found_inside_or_far_outside_the_first_grid(exponent: int) -> None:
    exponent -= exponent % 2  # so that 1/a is exact in binary
    tuned = found(lambda n_copies, _: Quadratic(2.0 ** (-exponent // 2), n_copies))
    assert tuned.rate == rate_at(exponent)
    assert not tuned.on_edge
    rates = [rate for rate, _ in tuned.trials]
    assert rates == sorted(rates)
    assert rates[0] < tuned.rate < rates[-1]
    assert dict(tuned.trials)[tuned.rate] == 0.0


def exhaustive(make: Callable[[int, int], Optimizee], baseline: Baseline, n_steps: int) -> float:
    """The best rate of all between the bounds, each tried alone."""
    losses = {}
    for k in range(SMALLEST_EXPONENT, LARGEST_EXPONENT + 1):
        finals = rollout(HandDesigned(baseline, [rate_at(k)] * 2), make(1, 0), n_steps).final_losses
        losses[rate_at(k)] = float(finals.mean()) if finals.isfinite().all() else math.inf
    return min(losses, key=losses.__getitem__)


@pytest.mark.parametrize("curvature", [3.0, 0.11, 1e-3, 7e3])
@pytest.mark.parametrize(
    ("name", "n_steps"), [("sgd", 1), ("sgd", 7), ("momentum", 1), ("adam", 1)]
)
def test_one_valley_gives_the_best_of_the_whole_grid(
    name: str, n_steps: int, curvature: float
) -> None:
    def make(n_copies: int, batch: int) -> Optimizee:
        return Quadratic(curvature, n_copies)

    baseline = BASELINES[name]
    tuned = tune(baseline.grid, partial(HandDesigned, baseline), make, [n_steps])[n_steps]
    assert tuned.rate == exhaustive(make, baseline, n_steps)


def test_both_neighbours_of_the_best_were_tried_and_few_others() -> None:
    tuned = found(lambda n_copies, _: Quadratic(1.0, n_copies))
    rates = [rate for rate, _ in tuned.trials]
    i = rates.index(tuned.rate)
    assert rates[i - 1 : i + 2] == [rate_at(k) for k in (-1, 0, 1)]
    assert len(rates) == 7  # −3, 1 and 5; then −1 and 3; then −2 and 0


def test_a_long_horizon_is_searched_on_a_ladder() -> None:
    assert build_ladder([100]) == [100]
    assert build_ladder([LONG]) == [LONG]
    assert build_ladder([2_000, 10_000]) == build_ladder([10_000]) == [400, 2_000, 10_000]
    assert build_ladder([2_000]) == [400, 2_000]


@dataclass
class Noisy(Quadratic):
    """Gradients off by ± 1: the longer the run, the smaller the best rate."""

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.losses(w, step), self.curvature * w + (-1) ** (step * (step + 1) // 2)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_on_a_ladder_every_horizon_ends_between_two_neighbours(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "LONG", 16)
    baseline = BASELINES[name]

    def search(horizons: list[int]) -> dict[int, Tuned]:
        return tune(
            baseline.grid, partial(HandDesigned, baseline), lambda n, _: Noisy(0.1, n), horizons
        )

    tuned = search([16, 80])
    assert list(tuned) == [16, 80]
    for one in tuned.values():
        losses = [math.inf if loss is None else loss for _, loss in one.trials]
        i = [rate for rate, _ in one.trials].index(one.rate)
        assert losses[i] == min(losses)
        assert one.trials[i + 1][0] / one.trials[i - 1][0] == pytest.approx(2.0)
    assert len(tuned[80].trials) < len(tuned[16].trials)
    assert search([16]) == {16: tuned[16]}
    assert search([80]) == {80: tuned[80]}


@dataclass
class Unlike(Quadratic):
    """Two starts of unlike curvature, so that each likes a rate of its own; those of later batches
    are flatter."""

    batch: int = 0

    @property
    def curvatures(self) -> Tensor:
        flatter = 0.5 if self.batch else 1.0
        return (torch.tensor([1.0, 4.0]) * flatter).repeat(self.n_copies)

    def losses(self, w: Tensor, step: int) -> Tensor:
        return 0.5 * self.curvatures * (w * w).sum(1)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.losses(w, step), self.curvatures[:, None] * w


def test_what_noise_leaves_open_is_settled_by_more_starts() -> None:
    """All candidates of the last round, the best and its neighbours among them, ran on the same
    starts; the best of the first few is not the best of all."""
    batches: list[int] = []

    def make(n_copies: int, batch: int) -> Optimizee:
        batches.append(batch)
        return Unlike(1.0, n_copies, batch)

    tuned = found(make)
    first = {rate: loss for rate, loss in tuned.trials if loss is not None}
    settled = {rate: loss for rate, loss in tuned.settled if loss is not None}
    assert set(batches) == {0, 1, 2, 3}
    assert tuned.n_starts == 8
    assert tuned.rate == min(settled, key=settled.__getitem__) > min(first, key=first.__getitem__)
    rates = list(settled)
    i = rates.index(tuned.rate)
    assert rates[i + 1] / rates[i - 1] == pytest.approx(2.0)

    for rate, loss in tuned.settled:
        finals = [
            rollout(HandDesigned(SGD, [rate] * 2), Unlike(1.0, 1, batch), 1).final_losses
            for batch in range(4)
        ]
        assert loss == pytest.approx(float(torch.cat(finals).mean()))


def test_starts_that_agree_leave_nothing_open() -> None:
    tuned = found(lambda n_copies, _: Quadratic(1.0, n_copies))
    assert (tuned.settled, tuned.n_starts) == ((), 2)


@dataclass
class OneStart(Quadratic):
    def start(self) -> Tensor:
        return torch.ones(self.n_copies, 3)


def test_one_start_says_nothing_of_noise() -> None:
    tuned = found(lambda n_copies, _: OneStart(0.9, n_copies))
    assert (tuned.settled, tuned.n_starts) == ((), 1)


def test_the_search_ends_at_the_bounds_and_says_so() -> None:
    tuned = found(lambda n_copies, _: Downhill(1.0, n_copies))
    assert (tuned.rate, tuned.on_edge) == (rate_at(LARGEST_EXPONENT), True)


def test_where_everything_diverges_the_smallest_rate_is_given_and_marked() -> None:
    tuned = found(lambda n_copies, _: Broken(1.0, n_copies))
    assert (tuned.rate, tuned.on_edge) == (rate_at(SMALLEST_EXPONENT), True)
    assert all(loss is None for _, loss in tuned.trials)


def test_a_rate_at_which_any_start_diverges_is_never_chosen() -> None:
    tuned = found(lambda n_copies, _: HalfBroken(1.0, n_copies))
    assert tuned.rate == 1.0
    assert not tuned.on_edge
    assert dict(tuned.trials)[rate_at(1)] is None


CONTENT = {"task": {"kind": "mlp"}, "horizon": 100}
TUNED = Tuned(0.5, False, ((0.25, 2.0), (0.5, 1.0), (1.0, None)), ((0.5, 1.5),), 16)


def test_tuned_rates_are_kept_by_content(tmp_path: Path) -> None:
    TuningCache(tmp_path / "cache").put(CONTENT, TUNED)
    again = TuningCache(tmp_path / "cache")
    assert again.get(dict(reversed(CONTENT.items()))) == TUNED
    assert again.get({**CONTENT, "horizon": 101}) is None
    (file,) = (tmp_path / "cache").iterdir()
    assert json.loads(file.read_text())["content"] == CONTENT


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file stands where the folder should be")
    cache = TuningCache(tmp_path / "cache")
    cache.put(CONTENT, TUNED)
    assert "could not be kept" in caplog.text
    assert cache.get(CONTENT) == TUNED


def test_without_a_folder_they_are_kept_in_memory() -> None:
    cache = TuningCache()
    cache.put(CONTENT, TUNED)
    assert cache.get(CONTENT) == TUNED
    assert TuningCache().get(CONTENT) is None


NO_NUMBER = (
    b'{"tuned": {"rate": "x", "on_edge": false, "trials": [], "settled": [], "n_starts": 8}}'
)


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
