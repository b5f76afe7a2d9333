"""The loop: it learns, repeats itself bit for bit, and continues from any checkpoint."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
import torch

from meta_trainer.datasets import load
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec, merge
from meta_trainer.tasks import SpecTaskSource, build_training_optimizee
from meta_trainer.training.checkpoints import Checkpoint, CheckpointError
from meta_trainer.training.gradients import GradientAdder
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.meta_optimizer import find_moved
from meta_trainer.training.result import Stopped, Trained
from meta_trainer.training.units import PeriodOutcome, make_rule, run_period
from meta_trainer.unrolls.episodes import EpisodeState
from meta_trainer.unrolls.optimizers import Learned
from meta_trainer.unrolls.rollout import rollout
from tests.meta_trainer.conftest import TINY, MemoryRecorder


def train(spec: MetaTrainingSpec, recorder: Any, resume: bytes | None = None) -> Any:
    training = MetaTraining(spec, load("mnist5k"), InProcessRunner(), recorder)
    if resume is not None:
        training.restore(resume)
    return training.run()


class Whole(NamedTuple):
    """A job from its start to its end."""

    trained: Trained
    recorder: MemoryRecorder


@pytest.fixture(scope="module")
def whole() -> Whole:
    """The tiny job, trained once for all who only look at it."""
    recorder = MemoryRecorder()
    return Whole(train(MetaTrainingSpec.model_validate(TINY), recorder), recorder)


def test_same_spec_gives_the_same_theta(
    tiny_spec: MetaTrainingSpec, recorder: Any, whole: Whole
) -> None:
    first = whole.trained
    second = train(tiny_spec, recorder)
    assert torch.equal(first.theta, second.theta)
    assert torch.equal(first.final_theta, second.final_theta)
    assert not torch.equal(first.final_theta, first.initial_theta)


def test_the_meta_rate_has_fallen_at_the_last_update(
    tiny_spec: MetaTrainingSpec, whole: Whole
) -> None:
    rates = whole.recorder.series("meta_rate")
    meta_optimizer = tiny_spec.meta_optimizer
    final_rate = meta_optimizer.rate * meta_optimizer.final_fraction
    assert rates[meta_optimizer.warmup_updates] == pytest.approx(meta_optimizer.rate)
    assert rates[tiny_spec.n_updates] == pytest.approx(final_rate)


def test_another_seed_gives_another_theta(
    tiny_spec: MetaTrainingSpec, recorder: Any, whole: Whole
) -> None:
    other = tiny_spec.model_copy(update={"seed": 8})
    assert not torch.equal(whole.trained.final_theta, train(other, recorder).final_theta)


def test_resumes_bit_for_bit_from_every_checkpoint(
    tiny_spec: MetaTrainingSpec, whole: Whole
) -> None:
    trained, recorder = whole
    meta_loss = recorder.series("meta_loss")
    assert sorted(recorder.checkpoints) == list(range(1, tiny_spec.n_updates + 1))
    for update, data in list(recorder.checkpoints.items()):
        resumed_recorder = type(recorder)()
        resumed = train(tiny_spec, resumed_recorder, resume=data)
        assert torch.equal(resumed.final_theta, trained.final_theta)
        assert torch.equal(resumed.theta, trained.theta)
        assert (resumed.best_update, resumed.best_loss) == (trained.best_update, trained.best_loss)
        rest = {later: loss for later, loss in meta_loss.items() if later > update}
        assert resumed_recorder.series("meta_loss") == rest


ONE_LEARNER = {"validation": {"n_learners": 1}}
"""Of a job whose validation is not what is looked at: it takes as long as the updates."""
PES = {"kind": "pes", "n_pairs": 2, "sigma": 0.1}
ESTIMATORS: list[dict[str, Any]] = [
    {"unroll": {"period": None}, "estimator": {"kind": "es", "n_pairs": 2}},
    {"estimator": PES},
    {"estimator": {"kind": "es-single", "n_pairs": 2}},
    {
        "estimator": {
            "kind": "mix",
            "parts": [{"estimator": PES}, {"weight": 2, "estimator": {"kind": "tbptt"}}],
        }
    },
    {"unroll": {"period": None}, "estimator": {"kind": "tbptt", "truncation": 2}},
    {"estimator": {"kind": "tbptt", "order": 2}},
    {"unroll": {"period": None}, "estimator": {"kind": "tbptt", "order": 2, "truncation": 3}},
]
ESTIMATOR_IDS = [
    "es",
    "pes",
    "es-single",
    "mix",
    "tbptt-in-parts",
    "second-order",
    "second-order-in-parts",
]


@pytest.mark.slow
@pytest.mark.parametrize("fields", ESTIMATORS, ids=ESTIMATOR_IDS)
def test_resumes_bit_for_bit_with_every_estimator(
    fields: dict[str, Any], tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    """PES' and ES-Single's particles are in the middle of an episode in these checkpoints."""
    base = tiny_spec.model_dump(exclude={"estimator"})
    spec = MetaTrainingSpec.model_validate(merge(base, {"n_episodes": 2, **ONE_LEARNER, **fields}))
    whole = train(spec, recorder)
    assert not torch.equal(whole.final_theta, whole.initial_theta)
    assert whole.n_updates == (2 if spec.unroll.period is None else 4)
    for update in {1, whole.n_updates - 1}:
        resumed = train(spec, type(recorder)(), resume=recorder.checkpoints[update])
        assert torch.equal(resumed.final_theta, whole.final_theta)


def test_an_episode_comes_to_rest_at_its_own_end(tiny_spec: MetaTrainingSpec) -> None:
    """Its learners stand where a run does that is told the steps of the episode, not the period."""
    fields = {"unroll": {"rate": {"rest": 1.0}}}
    spec = MetaTrainingSpec.model_validate(merge(tiny_spec.model_dump(), fields))
    source = SpecTaskSource({"mnist5k": load("mnist5k")})
    theta = make_initial_theta(spec)
    _, state = run_period(spec, source, theta, episode=0, chunk=0, state=None)
    optimizee = build_training_optimizee(spec, source, episode=0, chunk=0)
    rate = spec.unroll.rate.over(6)
    expected = rollout(Learned(make_rule(spec.rule), theta, rate), optimizee, 3).parameters
    assert state is not None
    torch.testing.assert_close(state.w, expected)
    untold = rollout(Learned(make_rule(spec.rule), theta, spec.unroll.rate), optimizee, 3)
    assert not torch.allclose(state.w, untold.parameters)


@pytest.mark.parametrize("fields", [{}, *ESTIMATORS], ids=["tbptt", *ESTIMATOR_IDS])
def test_a_period_leaves_the_state_it_is_given_as_it_was(
    fields: dict[str, Any], tiny_spec: MetaTrainingSpec
) -> None:
    """A runner hands workers the state itself, not a copy; and nobody stores one that no period
    will read."""
    spec = MetaTrainingSpec.model_validate(
        merge(tiny_spec.model_dump(exclude={"estimator"}), fields)
    )
    source = SpecTaskSource({"mnist5k": load("mnist5k")})
    theta = make_initial_theta(spec)

    def run(state: EpisodeState | None) -> tuple[PeriodOutcome, EpisodeState | None]:
        return run_period(spec, source, theta, episode=0, chunk=0, state=state)

    first, state = run(None)
    if spec.unroll.period is None:
        assert state is None
        return
    assert state is not None
    before = [tensor.clone() for tensor in (state.w, *state.current, *state.rule_state)]
    second, state_after = run(state)
    assert all(map(torch.equal, before, (state.w, *state.current, *state.rule_state)))
    assert state_after is None
    repeated, _ = run(state)
    assert torch.equal(second.gradient, repeated.gradient)
    assert not torch.equal(second.losses, first.losses)


def test_stops_with_a_checkpoint_and_goes_on(
    tiny_spec: MetaTrainingSpec, recorder: Any, whole: Whole
) -> None:
    """And ends as the job that makes a checkpoint after every update."""
    spec = tiny_spec.model_copy(update={"checkpoint_every_updates": 1000})
    training = MetaTraining(spec, load("mnist5k"), InProcessRunner(), recorder)
    with pytest.raises(Stopped):
        training.run(should_stop=lambda: training.update == 3)
    assert list(recorder.checkpoints) == [3]
    resumed = train(spec, type(recorder)(), resume=recorder.checkpoints[3])
    assert torch.equal(resumed.final_theta, whole.trained.final_theta)


def test_refuses_foreign_and_damaged_checkpoints(
    tiny_spec: MetaTrainingSpec, recorder: Any, whole: Whole
) -> None:
    data = whole.recorder.checkpoints[3]
    with pytest.raises(CheckpointError, match="another spec"):
        train(tiny_spec.model_copy(update={"seed": 8}), recorder, resume=data)
    flipped = bytearray(data)
    flipped[-5] ^= 1
    for damaged in (bytes(flipped), data[:-1], data[:100], b"", b"x" * 1000):
        with pytest.raises(CheckpointError):
            train(tiny_spec, recorder, resume=damaged)


def test_checkpoint_round_trip(tiny_spec: MetaTrainingSpec, whole: Whole) -> None:
    recorder = whole.recorder
    rule = make_rule(tiny_spec.rule)
    for update, n_states in ((3, 2), (4, 0)):
        checkpoint = Checkpoint.from_bytes(recorder.checkpoints[update], rule)
        assert (checkpoint.update, len(checkpoint.states)) == (update, n_states)
        assert (
            checkpoint.to_bytes() == recorder.checkpoints[update] or n_states
        )  # one tensor order, one header


def test_validation_keeps_the_best(whole: Whole) -> None:
    trained, recorder = whole
    series = recorder.series("validation_loss")
    assert sorted(series) == [0, 2, 4, 6]
    assert trained.best_loss == min(series.values())
    assert series[trained.best_update] == trained.best_loss
    assert trained.initial_loss == series[0]


def test_validation_over_several_horizons_is_the_geometric_mean_of_each(
    tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    """Every horizon by itself: a job that validates at nothing else."""

    def initial_loss(**validation: Any) -> float:
        fields = {"n_episodes": 1, "validation": {"n_learners": 3, **validation}}
        return train(
            MetaTrainingSpec.model_validate({**tiny_spec.model_dump(), **fields}), recorder
        ).initial_loss

    alone = [initial_loss(horizons=[n_steps]) for n_steps in (2, 6, 9)]
    assert len(set(alone)) == 3
    assert alone[1] == initial_loss()  # that of `unroll`
    assert initial_loss(horizons=[2, 6, 9]) == pytest.approx(math.prod(alone) ** (1 / 3), rel=1e-12)


def test_learns(recorder: Any) -> None:
    """From the paper's start, which hardly moves, a handful of updates already lowers the
    validation loss."""
    spec = MetaTrainingSpec.model_validate(
        {
            "init": "paper",
            "rule": {"n_candidates": 5},
            "task": {"hidden": [5], "batch_size": 32},
            "tricks": {"random_scaling": 0.5},
            "unroll": {"horizon": 20, "period": 10},
            "meta_optimizer": {"rate": 0.05, "warmup_updates": 0},
            "n_learners": 4,
            "n_episodes": 8,
            "validation": {"every_episodes": 4, "n_learners": 4},
        }
    )
    trained = train(spec, recorder)
    assert trained.best_loss < trained.initial_loss - 0.2


def test_reports_what_a_follower_needs(tiny_spec: MetaTrainingSpec, whole: Whole) -> None:
    recorder = whole.recorder
    kinds = [kind for kind, _ in recorder.events]
    assert kinds[0] == "started"
    assert {"progress", "validation", "checkpoint"} <= set(kinds)
    last = [data for kind, data in recorder.events if kind == "progress"][-1]
    assert last["update"] == last["n_updates"] == tiny_spec.n_updates
    assert math.isfinite(last["meta_loss"])
    assert recorder.series("progress")[tiny_spec.n_updates] == 1


def test_start_is_drawn_from_the_seed(tiny_spec: MetaTrainingSpec) -> None:
    assert torch.equal(make_initial_theta(tiny_spec), make_initial_theta(tiny_spec))
    assert make_initial_theta(tiny_spec).dtype == torch.float32


def test_updates_move_the_named_tensors_alone(tiny_spec: MetaTrainingSpec, recorder: Any) -> None:
    """Of the others no derivative counts, in no norm either, not even one that is not finite."""
    names = ["weight_cell.weight", "weight_cell.bias"]
    document = merge(tiny_spec.model_dump(), {"meta_optimizer": {"tensors": names}})
    spec = MetaTrainingSpec.model_validate(document)
    trained = train(spec, recorder)
    rule = make_rule(spec.rule)
    before, after = (rule.unpack(theta) for theta in (trained.initial_theta, trained.final_theta))
    assert {name for name in before if not torch.equal(before[name], after[name])} == set(names)

    moved = find_moved(rule, spec.meta_optimizer)
    assert moved is not None
    wild = torch.full((rule.n_theta,), math.nan).where(~moved, 1.0)
    outcome = PeriodOutcome(wild, torch.ones(spec.chunk_size))
    gradient = GradientAdder(spec, moved).add(0, [outcome] * spec.n_chunks).gradient
    assert torch.equal(gradient * spec.n_learners, spec.n_chunks * moved.float())
