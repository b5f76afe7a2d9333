"""A job that goes on where another left off: as one job where nothing else changed, else with
moments alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hyperadam.theta import Theta
from pydantic import ValidationError

from meta_trainer.datasets import load
from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.runs.continuation import START
from meta_trainer.runs.translation import translate_checkpoint, validate_alike
from meta_trainer.specs import MetaTrainingSpec, merge
from meta_trainer.specs.study import StudySpec
from meta_trainer.training.checkpoints import BEST_CHECKPOINT, Checkpoint
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Trained
from meta_trainer.training.units import make_rule
from registry import Registry, connect
from tests.meta_trainer.conftest import TINY, MemoryRecorder
from tests.meta_trainer.driver.jobs import read_done, read_events

SETTINGS = DriverSettings(tracking_uri="memory://", runner="in-process")
CONSTANT = merge(
    TINY,
    {
        "meta_optimizer": {"schedule": "constant"},
        "n_episodes": 2,
        "validation": {"n_learners": 1},
    },
)
"""2 episodes of 2 periods, whose rates do not depend on how many follow."""


def spec_of(*changes: dict[str, Any]) -> MetaTrainingSpec:
    content = CONSTANT
    for change in changes:
        content = merge(content, change)
    return MetaTrainingSpec.model_validate(content)


def on_from(update: int | str, **changes: Any) -> dict[str, Any]:
    return {"continue_from": {"job": "job_1", "checkpoint": update}, **changes}


def train(spec: MetaTrainingSpec, start: bytes | None = None) -> tuple[Trained, MemoryRecorder]:
    recorder = MemoryRecorder()
    return MetaTraining(
        spec, load("mnist5k"), InProcessRunner(), recorder, start=start
    ).run(), recorder


def translated(
    recorder: MemoryRecorder, update: int, original: MetaTrainingSpec, spec: MetaTrainingSpec
) -> Checkpoint:
    return translate_checkpoint(
        Checkpoint.from_bytes(recorder.checkpoints[update], make_rule(spec.rule)), original, spec
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "switch",
    [
        pytest.param({}, id="plain"),
        pytest.param({"meta_optimizer": {"averaging": 0.5}}, id="averaging"),
        pytest.param(
            {"meta_optimizer": {"weight_decay": 1.0, "decay_towards": "start"}},
            id="decay towards the start",
        ),
        pytest.param({"estimator": {"kind": "pes"}}, id="pes"),
        pytest.param(
            {"tasks": {"mlp": {"width": [2, 4]}, "horizon": [3, 9]}, "task": None},
            id="drawn horizons",
        ),
    ],
)
def test_more_episodes_give_the_theta_of_a_job_that_had_them_from_the_start(
    switch: dict[str, Any],
) -> None:
    short = spec_of(switch)
    long = spec_of(switch, {"n_episodes": 4})
    _, recorder = train(short)
    on = spec_of(switch, on_from(short.n_updates, n_episodes=4))
    second, _ = train(on, translated(recorder, short.n_updates, short, on).to_bytes())
    whole, _ = train(long)
    assert second.n_updates == whole.n_updates
    assert torch.equal(second.final_theta, whole.final_theta)
    assert torch.equal(second.theta, whole.theta)
    assert (second.best_update, second.best_loss) == (whole.best_update, whole.best_loss)


def test_another_horizon_begins_a_new_episode_with_the_moments_and_a_best_of_its_own() -> None:
    original = spec_of()
    first, recorder = train(original)
    longer = spec_of(on_from(4, n_episodes=3, unroll={"horizon": 12}))
    start = translated(recorder, 4, original, longer)
    before = Checkpoint.from_bytes(recorder.checkpoints[4], make_rule(original.rule))
    assert start.update == 8  # two episodes, of what are now four periods
    assert start.states == ()
    for name in ("theta", "exp_avg", "exp_avg_sq", "adam_step"):
        assert torch.equal(start.meta_optimizer[name], before.meta_optimizer[name])
    second, second_recorder = train(longer, start.to_bytes())
    assert sorted(second_recorder.series("meta_loss")) == [9, 10, 11, 12]
    assert torch.equal(second.initial_theta, first.final_theta)
    assert second.initial_loss == second_recorder.series("validation_loss")[8]
    assert second.best_loss <= second.initial_loss
    assert not validate_alike(original, longer)


def test_the_rest_of_an_episode_under_way_is_left_out() -> None:
    original = spec_of()
    _, recorder = train(original)
    on = spec_of(on_from(3, n_episodes=4))
    start = translated(recorder, 3, original, on)
    assert (start.update, start.states) == (4, ())


def test_a_mean_is_not_taken_over_by_a_job_without_averaging() -> None:
    original = spec_of({"meta_optimizer": {"averaging": 0.9}})
    _, recorder = train(original)
    on = spec_of(on_from(4, n_episodes=3))
    start = translated(recorder, 4, original, on)
    assert torch.equal(start.meta_optimizer["mean"], start.meta_optimizer["theta"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"n_episodes": 2},
            "n_episodes must be more than 2, the episodes that job_1 has behind it at update 4",
        ),
        (
            {"rule": {"n_candidates": 4}},
            "continue_from.job job_1 has rule.n_candidates 3, but the job has 4",
        ),
    ],
)
def test_what_cannot_be_gone_on_from_names_the_field(change: dict[str, Any], message: str) -> None:
    original = spec_of()
    _, recorder = train(original)
    with pytest.raises(ValueError, match=message):
        translated(recorder, 4, original, spec_of(on_from(4, n_episodes=4), change))


def test_a_checkpoint_of_another_spec_is_refused() -> None:
    _, recorder = train(spec_of())
    with pytest.raises(
        ValueError, match=r"continue_from\.checkpoint belongs to a job with another spec"
    ):
        translated(recorder, 4, spec_of({"seed": 8}), spec_of(on_from(4, n_episodes=4)))


def test_a_start_must_be_given_where_the_spec_names_one() -> None:
    with pytest.raises(
        ValueError,
        match=r"continue_from is ContinueSpec.* in the spec, but no checkpoint was given",
    ):
        MetaTraining(
            spec_of(on_from(4, n_episodes=4)), load("mnist5k"), InProcessRunner(), LogRecorder()
        )


def test_one_start_alone_and_none_in_a_study() -> None:
    with pytest.raises(ValidationError, match="continue_from must be null where parent is given"):
        spec_of(on_from("newest", parent="older@1"))
    with pytest.raises(ValidationError, match=r"base\.continue_from must be null"):
        StudySpec.model_validate(
            {
                "base": on_from("newest"),
                "space": {"unroll.lr": {"kind": "choice", "options": [0.1, 0.2]}},
            }
        )


class TestDriver:
    """Jobs `job_1` and `job_2` of a registry; the second continues the first."""

    @pytest.fixture
    def registry(self) -> Registry:
        registry = connect("memory://")
        self.open(registry, "job_1", CONSTANT)
        assert run_attempt(registry, registry.open_run("job_1", name=""), 1, SETTINGS)
        return registry

    def open(
        self, registry: Registry, job: str, spec: dict[str, Any], original: str | None = None
    ) -> str:
        run_id = registry.open_run(job, name="")
        order = {
            "job_id": job,
            "kind": "meta-training",
            "name": None,
            "spec": spec,
            "original_run_id": original,
        }
        registry.put_artifact(run_id, "job.json", json.dumps(order).encode())
        return run_id

    def go_on(
        self, registry: Registry, update: int = 4, original: str | None = None, **changes: Any
    ) -> str:
        """The run of `job_2`, in the registry but not begun."""
        spec = merge(CONSTANT, on_from(update, n_episodes=4, **changes))
        return self.open(registry, "job_2", spec, original or registry.open_run("job_1", name=""))

    def test_lineage_stands_in_manifest_event_and_start(self, registry: Registry) -> None:
        run_id = self.go_on(registry)
        assert run_attempt(registry, run_id, 1, SETTINGS)
        lineage = registry.version("hyperadam", "2").manifest["provenance"]
        origin = lineage["continued_from"]
        assert lineage["parent"] is None
        assert (origin["job"], origin["update"]) == ("job_1", 4)
        assert len(origin["sha256"]) == 64
        assert registry.version("hyperadam", "1").manifest["provenance"]["continued_from"] is None
        events = read_events(registry, run_id)
        continuations = [event["data"] for event in events if event["type"] == "continued"]
        assert continuations == [{"job": "job_1", "update": 4}]
        start = Theta.from_bytes(registry.get_artifact(run_id, "result/initial.safetensors"))
        assert start.provenance["made_by"] == "update 4 of job_1"
        assert [point.step for point in registry.metrics(run_id, "meta_loss")] == [5, 6, 7, 8]

    def test_later_attempts_do_not_need_the_job_that_is_continued(self, registry: Registry) -> None:
        run_id = self.go_on(registry)
        assert run_attempt(registry, run_id, 1, SETTINGS)
        first = registry.weights("hyperadam", 2)
        registry.delete_run(registry.open_run("job_1", name=""))
        # as if it had been killed before its first checkpoint
        for info in registry.list_artifacts(run_id, "checkpoints"):
            registry.delete_artifact(run_id, info.path)
        registry.delete_artifact(run_id, BEST_CHECKPOINT)
        assert run_attempt(registry, run_id, 2, SETTINGS)
        assert registry.weights("hyperadam", 2) == first
        assert len(registry.versions("hyperadam")) == 2
        events = read_events(registry, run_id)
        starts = [event["data"] for event in events if event["type"] == "started"]
        assert [start["resumed_from"] for start in starts] == [4, 4]

    def test_the_best_checkpoint_counts_where_the_newest_are_gone(self, registry: Registry) -> None:
        run = registry.open_run("job_1", name="")
        best = Checkpoint.from_bytes(
            registry.get_artifact(run, BEST_CHECKPOINT), make_rule(spec_of().rule)
        )
        for info in registry.list_artifacts(run, "checkpoints"):
            registry.delete_artifact(run, info.path)
        run_id = self.go_on(registry, best.update)
        assert run_attempt(registry, run_id, 1, SETTINGS)
        start = Checkpoint.from_bytes(
            registry.get_artifact(run_id, START), make_rule(spec_of().rule)
        )
        assert start.update == spec_of().timeline.begun(best.update) * 2

    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            ("deleted", "continue_from.job job_1 was deleted before this job began"),
            ("damaged", "continue_from.checkpoint 4 of job_1 cannot be used: damaged"),
            ("gone", "continue_from.checkpoint 4 of job_1 is gone"),
        ],
    )
    def test_what_is_gone_or_damaged_fails_for_good(
        self, registry: Registry, harm: str, message: str
    ) -> None:
        run_id = self.go_on(registry)
        run = registry.open_run("job_1", name="")
        path = "checkpoints/00000004.safetensors"
        if harm == "deleted":
            self.open(registry, "job_2", merge(CONSTANT, on_from(4, n_episodes=4)))
        elif harm == "damaged":
            data = bytearray(registry.get_artifact(run, path))
            data[-1] ^= 1
            registry.put_artifact(run, path, bytes(data))
        else:
            for info in registry.list_artifacts(run, "checkpoints"):
                registry.delete_artifact(run, info.path)
            registry.delete_artifact(run, BEST_CHECKPOINT)
        assert not run_attempt(registry, run_id, 1, SETTINGS)
        error = read_done(registry, run_id)["error"]
        assert message in error["message"]
        assert error["final"] is True
