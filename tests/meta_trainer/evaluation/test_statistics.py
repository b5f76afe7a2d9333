"""Means and standard errors over the starts that did not diverge."""

from __future__ import annotations

import math

import pytest
import torch

from meta_trainer.evaluation.statistics import (
    MeanWithError,
    crowd_steps,
    judge,
    mean_curve,
    mean_with_error,
    thin_steps,
    to_finite_list,
)


def test_mean_and_standard_error() -> None:
    result = mean_with_error(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))
    assert result.mean == pytest.approx(7 / 3)
    assert result.stderr == pytest.approx(
        math.sqrt(((4 / 3) ** 2 + (1 / 3) ** 2 + (5 / 3) ** 2) / 2 / 3)
    )
    assert result.n == 3


def test_diverged_starts_are_left_out_and_counted() -> None:
    result = mean_with_error(torch.tensor([1.0, math.nan, 3.0, math.inf], dtype=torch.float64))
    assert (result.mean, result.n) == (2.0, 2)
    assert result.stderr == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "mean"), [([math.nan], None), ([], None), ([5.0, math.nan], 5.0)]
)
def test_too_few_starts_have_no_standard_error(values: list[float], mean: float | None) -> None:
    assert mean_with_error(torch.tensor(values, dtype=torch.float64)).to_json() == {
        "mean": mean,
        "stderr": None,
    }


def test_curves_have_no_value_where_everything_diverged() -> None:
    mean, stderr = mean_curve(
        torch.tensor([[1.0, 3.0], [2.0, math.inf], [math.nan, math.inf]], dtype=torch.float64)
    )
    assert mean == [2.0, 2.0, None]
    assert stderr == [1.0, None, None]


def test_values_as_json_can_say_them() -> None:
    assert to_finite_list(torch.tensor([0.5, math.nan, -math.inf])) == [0.5, None, None]


def test_long_curves_are_thinned_evenly() -> None:
    assert thin_steps(4).tolist() == [0, 1, 2, 3]
    kept = thin_steps(10_000, 101)
    assert (len(kept), int(kept[0]), int(kept[-1])) == (101, 0, 9_999)
    assert set(kept.diff().tolist()) <= {99, 100, 101}


@pytest.mark.parametrize(
    ("mean", "stderr", "n_more_diverged", "verdict"),
    [
        (-1.0, 0.49, 0, "win"),
        (-1.0, 0.51, 0, "tie"),
        (1.0, 0.49, 0, "loss"),
        (1.0, 0.51, 0, "tie"),
        (0.0, 0.0, 0, "tie"),
        (-1.0, math.nan, 0, "tie"),
        (math.nan, math.nan, 0, "tie"),
        (-1.0, 0.1, 1, "loss"),
        (1.0, 0.1, -1, "win"),
        (math.nan, math.nan, -1, "win"),
    ],
)
def test_a_win_is_two_standard_errors_or_fewer_divergences(
    mean: float, stderr: float, n_more_diverged: int, verdict: str
) -> None:
    assert judge(MeanWithError(mean, stderr, 3), n_more_diverged) == verdict


def test_crowded_steps_are_dense_early_and_keep_first_and_last() -> None:
    assert crowd_steps(4, 10).tolist() == [0, 1, 2, 3]
    assert crowd_steps(100, 1).tolist() == [0]
    steps = crowd_steps(10_000, 24)
    assert (len(steps), int(steps[0]), int(steps[-1])) == (24, 0, 9_999)
    distances = steps.diff().tolist()
    assert distances == sorted(distances)
    assert crowd_steps(12, 11).tolist() == sorted(set(crowd_steps(12, 11).tolist()))
