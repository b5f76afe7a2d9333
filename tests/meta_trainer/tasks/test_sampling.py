"""What a distribution draws: within its ranges, in its proportions, from seeds alone."""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean
from typing import Any

import pytest
import torch

from meta_trainer.datasets import load
from meta_trainer.specs import (
    CNNTaskSpec,
    LSTMTaskSpec,
    MetaTrainingSpec,
    MLPTaskSpec,
    NetworkTaskSpec,
    TaskDistribution,
)
from meta_trainer.specs.timeline import Place, Timeline, timeline
from meta_trainer.tasks import SpecTaskSource, build_training_optimizee, sample_scales, sample_task
from meta_trainer.tasks.tricks import RandomScaling
from meta_trainer.training.objectives import weigh_steps

N = 600


def distribution(**given: Any) -> TaskDistribution:
    return TaskDistribution.model_validate(given)


def within(share: float, expected: float, n: int = N) -> bool:
    """Within four standard errors of a binomial."""
    return abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


def test_kinds_come_in_proportion_to_their_shares() -> None:
    drawn = distribution(mlp={"share": 3}, cnn={}, lstm={"share": 2})
    kinds = Counter(sample_task(drawn, 0, episode, 0).kind for episode in range(N))
    assert all(
        within(kinds[kind] / N, share / 6) for kind, share in (("mlp", 3), ("cnn", 1), ("lstm", 2))
    )


def test_mlps_fill_their_ranges() -> None:
    drawn = distribution(
        mlp={
            "depth": [0, 3],
            "width": [4, 64],
            "activations": ["relu", "tanh"],
            "batch_sizes": [8, 16, 32],
        }
    )
    tasks = [task for i in range(N) if isinstance(task := sample_task(drawn, 1, i, 0), MLPTaskSpec)]
    depths = Counter(len(task.hidden) for task in tasks)
    assert sorted(depths) == [0, 1, 2, 3]
    assert all(within(n / N, 1 / 4) for n in depths.values())
    widths = [width for task in tasks for width in task.hidden]
    assert min(widths) == 4
    assert max(widths) > 58
    assert max(widths) <= 64
    below = sum(width < 16 for width in widths) / len(widths)
    assert within(below, math.log(16 / 4) / math.log(65 / 4), len(widths))
    assert any(len(set(task.hidden)) > 1 for task in tasks)
    assert within(sum(task.activation == "relu" for task in tasks) / N, 1 / 2)
    assert {task.batch_size for task in tasks} == {8, 16, 32}


def test_small_mlps_take_every_side_and_start() -> None:
    drawn = distribution(
        mlp={
            "sides": [7, None],
            "initializations": ["normal", "torch", "lecun"],
            "init_std": [0.2, 0.3],
        }
    )
    tasks = [sample_task(drawn, 2, episode, 0) for episode in range(N)]
    starts = Counter(
        (t.side, t.initialization, t.init_std) for t in tasks if isinstance(t, MLPTaskSpec)
    )
    assert set(starts) == {
        (side, *start)
        for side in (7, None)
        for start in (("normal", 0.2), ("torch", 0.1), ("lecun", 0.1))
    }
    assert all(within(n / N, 1 / 6) for n in starts.values())


def test_cnns_and_lstms_take_every_choice() -> None:
    drawn = distribution(
        cnn={
            "architectures": ["cnn-1", "cnn-2"],
            "batch_norm": [False, True],
            "dropout": [False, True],
        },
        lstm={"n_layers": [1, 2], "hidden": [10, 20], "noise_stds": [0.1, 0.01]},
    )
    tasks = [sample_task(drawn, 0, episode, 0) for episode in range(N)]
    cnns = {(t.architecture, t.batch_norm, t.dropout) for t in tasks if isinstance(t, CNNTaskSpec)}
    lstms = {(t.n_layers, t.noise_std) for t in tasks if isinstance(t, LSTMTaskSpec)}
    assert (len(cnns), len(lstms)) == (8, 4)


def test_networks_take_every_choice() -> None:
    drawn = distribution(
        network={"networks": ["gru", "regression"], "widths": [4, 8], "sides": [7, 14]}
    )
    tasks = [t for i in range(N) if isinstance(t := sample_task(drawn, 0, i, 0), NetworkTaskSpec)]
    drawn_shapes = Counter((t.network, t.width, t.side) for t in tasks)
    assert len(drawn_shapes) == 8
    assert all(within(n / N, 1 / 8) for n in drawn_shapes.values())
    assert len({t.variant for t in tasks}) == N


def test_scales_are_each_learners_own() -> None:
    drawn = distribution(
        mlp={"init_std": [0.01, 1]}, random_scaling=[0, 3], convex_scaling=[0.5, 1]
    )
    scales = [sample_scales(drawn, 0, 0, 0, learner) for learner in range(N)]
    logs = [math.log10(s.init_std) for s in scales]
    assert -2 <= min(logs) < -1.95 < -0.05 < max(logs) <= 0
    assert abs(fmean(logs) + 1) < 4 * 2 / math.sqrt(12 * N)
    ranges = [s.random_scaling or 0.0 for s in scales]
    assert abs(fmean(ranges) - 1.5) < 4 * 3 / math.sqrt(12 * N)
    assert all(0.5 <= (s.convex_scaling or 0) <= 1 for s in scales)
    assert sample_scales(distribution(mlp={}), 0, 0, 0, 0) == (0.1, None, None)


def test_draws_are_named_by_seed_episode_and_chunk() -> None:
    drawn = distribution(mlp={"width": [1, 1024]})
    assert sample_task(drawn, 0, 5, 1) == sample_task(drawn, 0, 5, 1)
    names = [(0, 5, 1), (1, 5, 1), (0, 6, 1), (0, 5, 2)]
    assert len({sample_task(drawn, *name) for name in names}) == len(names)


def test_random_scaling_takes_each_learners_range() -> None:
    given = {"mlp": {"width": [2, 2]}, "random_scaling": [0, 3]}
    spec = MetaTrainingSpec.model_validate({"tasks": given, "n_learners": 4, "chunk_size": 4})
    optimizee = build_training_optimizee(spec, load("mnist5k"), 0, 0)
    assert isinstance(optimizee, RandomScaling)
    assert spec.tasks
    widest = optimizee.scale[:, :-20].log().abs().amax(1)
    expected = [
        sample_scales(spec.tasks, spec.seed, 0, 0, learner).random_scaling for learner in range(4)
    ]
    torch.testing.assert_close(widest, torch.tensor(expected), rtol=0.01, atol=0)


def test_a_distribution_of_one_is_the_simple_task() -> None:
    tasks = {"mlp": {"activations": ["relu"], "width": [4, 4], "batch_sizes": [8]}}
    simple = MetaTrainingSpec.model_validate(
        {"task": {"activations": ["relu"], "hidden": [4], "batch_size": 8}}
    )
    drawn = MetaTrainingSpec.model_validate({"tasks": tasks})
    a, b = (build_training_optimizee(spec, load("mnist5k"), 2, 1) for spec in (simple, drawn))
    assert torch.equal(a.start(), b.start())
    assert torch.equal(a.losses(a.start(), 7), b.losses(b.start(), 7))
    source = SpecTaskSource({"mnist5k": load("mnist5k")})
    assert torch.equal(
        *(source.build_validation(spec, 0, range(2)).start() for spec in (simple, drawn))
    )


def test_places_in_a_timeline() -> None:
    line = Timeline([2, 1, 3])
    assert line.n_updates == 6
    assert [line.locate(u) for u in range(7)] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (2, 0),
        (2, 1),
        (2, 2),
        Place(3, 0),
    ]


def test_horizons_are_log_uniform_multiples_of_the_period() -> None:
    lengths = timeline(3, 4000, 1, 7).lengths
    for k in range(1, 8):
        assert within(lengths.count(k) / 4000, math.log((k + 1) / k) / math.log(8), 4000)
    assert timeline(3, 50, 1, 7).lengths == lengths[:50]
    assert timeline(4, 50, 1, 7).lengths != lengths[:50]
    assert set(timeline(3, 50, 5, 5).lengths) == {5}


def test_horizons_of_whole_episodes_are_log_uniform() -> None:
    given = {
        "tasks": {"mlp": {}, "horizon": [30, 300]},
        "n_episodes": 2000,
        "unroll": {"period": None},
    }
    spec = MetaTrainingSpec.model_validate(given)
    horizons = spec.timeline.horizons
    assert spec.n_updates == 2000
    assert (min(horizons), spec.period_of(7)) == (30, horizons[7])
    assert 290 < max(horizons) <= 300
    below = sum(horizon < 95 for horizon in horizons) / 2000
    assert within(below, math.log(95 / 30) / math.log(301 / 30), 2000)


def test_late_weights_follow_the_drawn_horizon() -> None:
    given = {
        "tasks": {"mlp": {}, "horizon": [20, 200]},
        "n_episodes": 40,
        "unroll": {"late_weight": 1},
    }
    spec = MetaTrainingSpec.model_validate(given)
    for episode, n_periods in enumerate(spec.timeline.lengths):
        horizon = spec.horizon_of(episode)
        assert horizon == 20 * n_periods
        last = weigh_steps(spec.unroll, horizon - 20, horizon)
        assert float(last[-1]) == 2
        whole = torch.cat(
            [weigh_steps(spec.unroll, first, horizon) for first in range(0, horizon, 20)]
        )
        assert float(whole.mean()) == pytest.approx(1 + 1 / horizon)


@pytest.mark.parametrize(("horizon", "n_updates"), [(None, 50), ([20, 20], 10), ([100, 100], 50)])
def test_counts(horizon: list[int] | None, n_updates: int) -> None:
    spec = MetaTrainingSpec.model_validate(
        {"tasks": {"mlp": {}, "horizon": horizon}, "n_episodes": 10}
    )
    assert spec.n_updates == n_updates


def test_listed_tasks_are_drawn_as_they_are() -> None:
    tasks = [
        {"kind": "mlp", "hidden": [4], "init_std": 0.25},
        {"kind": "lstm", "hidden": 3, "init_std": 0.5},
    ]
    distribution = TaskDistribution.model_validate({"listed": {"tasks": tasks}})
    assert distribution.listed is not None
    drawn = [sample_task(distribution, 0, episode, 0) for episode in range(20)]
    assert set(drawn) == set(distribution.listed.tasks) == set(distribution.validation)
    for episode, task in enumerate(drawn):
        assert sample_scales(distribution, 0, episode, 0, 1).init_std == task.init_std
