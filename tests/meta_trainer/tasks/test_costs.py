"""Estimates of what jobs take."""

from __future__ import annotations

from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks.costs import estimate_cost


def test_each_horizon_of_validation_is_a_run_where_a_run_is_told_its_length() -> None:
    def count_steps(rest: float) -> int:
        spec = {
            "task": {"hidden": [3]},
            "unroll": {"horizon": 20, "period": None, "rate": {"rest": rest}},
            "validation": {"every_episodes": 1, "n_learners": 3, "horizons": [20, 100]},
            "n_learners": 4,
            "chunk_size": 4,
            "n_episodes": 2,
        }
        return estimate_cost(MetaTrainingSpec.model_validate(spec)).n_learner_steps

    n_runs = 3 * len(MetaTrainingSpec.model_validate({"task": {"hidden": [3]}}).validation_tasks)
    assert count_steps(0.0) == 2 * 4 * 20 + 3 * n_runs * 100
    assert count_steps(0.2) == 2 * 4 * 20 + 3 * n_runs * (20 + 100)
