"""No learner owns an update: its gradient counts for at most so many medians."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from meta_trainer.datasets import load
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import MetaTrainingSpec, merge
from meta_trainer.tasks import SpecTaskSource
from meta_trainer.training import units
from meta_trainer.training.checkpoints import Checkpoint
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.learner_clip import N_NORMS, LearnerClip
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.units import compute_chunk_gradient, make_rule, run_period


def with_norms(*norms: float) -> Tensor:
    """Gradients of two coordinates."""
    return torch.tensor(norms)[:, None] * torch.tensor([0.6, 0.8])


def norms_of(gradients: Tensor) -> list[float]:
    return gradients.double().norm(dim=1).tolist()


def test_a_long_gradient_is_shortened_to_so_many_medians() -> None:
    clipped = LearnerClip(2.0, n_learners=5).clip(with_norms(1, 3, 2, 7, 1e18))
    assert norms_of(clipped.gradients) == pytest.approx([1, 3, 2, 6, 6])
    assert clipped.n_clipped == 2
    assert torch.equal(clipped.gradients[:3], with_norms(1, 3, 2))
    assert torch.allclose(clipped.gradients[4], torch.tensor([3.6, 4.8]))


def test_the_median_runs_over_earlier_updates() -> None:
    clip = LearnerClip(1.0, n_learners=2)
    for _ in range(3):
        clip.clip(with_norms(1, 2))
    assert clip.median == pytest.approx(1)
    assert norms_of(clip.clip(with_norms(8, 9)).gradients) == pytest.approx([2, 2])


def test_it_forgets() -> None:
    clip = LearnerClip(1.0, n_learners=2)
    for _ in range(N_NORMS):
        clip.clip(with_norms(5, 5))
    for _ in range(N_NORMS // 2):
        clip.clip(with_norms(3, 3))
    assert len(clip.state()) == N_NORMS
    assert clip.median == pytest.approx(3)


def test_learners_that_diverged_say_nothing_of_norms() -> None:
    clip = LearnerClip(1.0, n_learners=4)
    clipped = clip.clip(with_norms(0, 0, 0, 3))
    assert clip.median == pytest.approx(3)
    assert norms_of(clipped.gradients) == pytest.approx([0, 0, 0, 3])
    nothing = LearnerClip(1.0, n_learners=1).clip(with_norms(0))
    assert (nothing.n_clipped, norms_of(nothing.gradients)) == (0, [0.0])


def test_norms_beyond_the_range_of_float32_are_clipped() -> None:
    clipped = LearnerClip(1.0, n_learners=3).clip(with_norms(1, 1, 3e38))
    assert norms_of(clipped.gradients) == pytest.approx([1, 1, 1])


def test_it_goes_on_from_its_state() -> None:
    first, second = LearnerClip(2.0, 3), LearnerClip(2.0, 3)
    first.clip(with_norms(1, 2, 9))
    second.load(first.state())
    gradients = with_norms(4, 5, 60)
    assert torch.equal(first.clip(gradients).gradients, second.clip(gradients).gradients)
    assert torch.equal(first.state(), second.state())


def train(spec: MetaTrainingSpec, recorder: Any, resume: bytes | None = None) -> Any:
    training = MetaTraining(spec, load("mnist5k"), InProcessRunner(), recorder)
    if resume is not None:
        training.restore(resume)
    return training.run()


TBPTT, EXACT, PES = (
    {"kind": "tbptt"},
    {"kind": "tbptt", "order": 2},
    {"kind": "pes", "n_pairs": 2, "sigma": 0.1},
)
MIX = {"kind": "mix", "parts": [{"estimator": PES}, {"weight": 2, "estimator": TBPTT}]}
WHOLE = {"unroll": {"period": None}}
ESTIMATORS: dict[str, dict[str, Any]] = {
    "first-order": {"estimator": TBPTT},
    "second-order": {"estimator": EXACT},
    "in-parts": {"estimator": TBPTT | {"truncation": 2}, **WHOLE},
    "es": {"estimator": {"kind": "es", "n_pairs": 2}, **WHOLE},
    "es-single": {"estimator": {"kind": "es-single", "n_pairs": 2}},
    "pes": {"estimator": PES},
    "mix": {"estimator": MIX},
}
EACH_ESTIMATOR = pytest.mark.parametrize("given", ESTIMATORS.values(), ids=ESTIMATORS)


ONE_LEARNER = {"validation": {"n_learners": 1}}
"""Validation is not what is looked at here, and takes as long as the updates."""


def clipping(
    spec: MetaTrainingSpec, factor: float, given: dict[str, Any] | None = None
) -> MetaTrainingSpec:
    base = spec.model_dump(exclude={"estimator"})
    return MetaTrainingSpec.model_validate(
        merge(base, {**(given or {}), "meta_optimizer": {"clip_learners": factor}})
    )


@EACH_ESTIMATOR
def test_the_gradients_of_learners_add_up_to_that_of_their_chunk(
    given: dict[str, Any], tiny_spec: MetaTrainingSpec
) -> None:
    clipped = clipping(tiny_spec, 1.0, given)
    plain_options = clipped.meta_optimizer.model_copy(update={"clip_learners": None})
    plain = clipped.model_copy(update={"meta_optimizer": plain_options})
    source = SpecTaskSource({"mnist5k": load("mnist5k")})
    gradients = []
    for spec in (plain, clipped):
        outcome, _ = run_period(spec, source, make_initial_theta(spec), 0, 1, None)
        gradients.append(compute_chunk_gradient(spec, 0, 1, outcome))
    n_theta = make_rule(plain.rule).n_theta
    assert [tuple(g.shape) for g in gradients] == [(n_theta,), (plain.chunk_size, n_theta)]
    assert gradients[1].abs().amax(1).min() > 0
    torch.testing.assert_close(gradients[1].sum(0), gradients[0], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@EACH_ESTIMATOR
def test_resumes_bit_for_bit(
    given: dict[str, Any], tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    spec = clipping(tiny_spec, 0.5, {"n_episodes": 2, **ONE_LEARNER, **given})
    whole = train(spec, recorder)
    assert sum(recorder.series("n_clipped").values()) > 0
    for update in {1, whole.n_updates - 1}:
        resumed = train(spec, type(recorder)(), resume=recorder.checkpoints[update])
        assert torch.equal(resumed.final_theta, whole.final_theta)


def test_a_clip_that_is_never_reached_changes_nothing(
    tiny_spec: MetaTrainingSpec, recorder: Any
) -> None:
    """Up to the order of sums."""
    unclipped = train(tiny_spec, type(recorder)())
    clipped = train(clipping(tiny_spec, 1e6), recorder)
    assert set(recorder.series("n_clipped").values()) == {0.0}
    torch.testing.assert_close(clipped.final_theta, unclipped.final_theta, rtol=1e-4, atol=1e-4)


def explode(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """The gradient of the job's first learner is so many times what it is."""
    true_estimate = units.estimate_gradient

    def estimate_gradient(estimator: Any, period: Any, state: Any) -> Any:
        result = true_estimate(estimator, period, state)
        if 0 not in period.learners:
            return result
        gradient = result.gradient.clone()
        gradient[0] *= factor
        return result._replace(gradient=gradient)

    monkeypatch.setattr(units, "estimate_gradient", estimate_gradient)


@pytest.mark.parametrize("factor", [1e9, 1e18])
@pytest.mark.parametrize("order", [1, 2])
def test_a_learner_with_a_huge_gradient_has_no_more_than_its_share(
    order: int,
    factor: float,
    tiny_spec: MetaTrainingSpec,
    recorder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The update's gradient is hardly longer than a usual one, from the first update on."""
    c = 2.0
    given = {"estimator": {"kind": "tbptt", "order": order}, **ONE_LEARNER}
    spec = clipping(tiny_spec, c, given)
    train(spec, recorder)
    usual = max(norms(recorder))
    exploding = type(recorder)()
    explode(monkeypatch, factor)
    trained = train(spec, exploding)
    assert trained.final_theta.isfinite().all()
    checkpoint = Checkpoint.from_bytes(exploding.checkpoints[1], make_rule(spec.rule))
    assert checkpoint.learner_norms is not None
    sorted_norms = checkpoint.learner_norms.sort().values
    assert sorted_norms[-1] > 1e6 * sorted_norms[-2]
    assert all(norm < c * usual + usual for norm in norms(exploding))


def norms(recorder: Any) -> list[float]:
    return list(recorder.series("gradient_norm").values())


def test_a_learner_whose_gradient_is_not_finite_leaves_the_others_of_its_chunk(
    tiny_spec: MetaTrainingSpec, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    explode(monkeypatch, math.inf)
    spec = clipping(tiny_spec, 2.0, ONE_LEARNER)
    trained = train(spec, recorder)
    assert trained.final_theta.isfinite().all()
    assert set(recorder.series("n_diverged").values()) == {1.0}
    checkpoint = Checkpoint.from_bytes(recorder.checkpoints[1], make_rule(spec.rule))
    assert checkpoint.learner_norms is not None
    assert len(checkpoint.learner_norms) == spec.n_learners - 1


def test_checkpoints_without_norms_load(tiny_spec: MetaTrainingSpec, recorder: Any) -> None:
    """Those of today, and of jobs that do not clip."""
    spec = clipping(tiny_spec, 2.0, ONE_LEARNER)
    train(spec, recorder)
    rule = make_rule(spec.rule)
    checkpoint = Checkpoint.from_bytes(recorder.checkpoints[2], rule)
    older = replace(checkpoint, learner_norms=None).to_bytes()
    assert Checkpoint.from_bytes(older, rule).learner_norms is None
    resumed = train(spec, type(recorder)(), resume=older)
    assert resumed.n_updates == spec.n_updates
