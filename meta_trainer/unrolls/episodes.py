"""Episodes: what one chunk of learners is trained on, and the state that is carried from period to
period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.tasks.optimizees import Optimizee

LARGEST_GRADIENT = 1e18
"""Entries beyond this would overflow when squared in float32; a learner that has one counts as
diverged."""


class LossAndGradient(NamedTuple):
    """L learners at one point of their way."""

    loss: Tensor
    """Shape (L,); not finite where a learner diverged."""
    gradient: Tensor
    """Shape (L, p); zero for diverged learners."""
    diverged: Tensor
    """Learners that met a value that is not finite; shape (L,), bool."""


class EpisodeState(NamedTuple):
    """Everything that the next period needs."""

    w: Tensor
    """Parameters, shape (L, p)."""
    current: LossAndGradient
    """At w, on the minibatch of `step`: shared by the two periods that meet here."""
    rule_state: Any
    """The rule's state for gradients (L, p)."""
    step: int
    """Steps taken since the episode began."""


def join_states(states: Sequence[EpisodeState]) -> EpisodeState:
    """Several groups of learners at the same step as one: rows one after the other."""
    w = torch.cat([state.w for state in states])
    fields = zip(*(state.current for state in states), strict=True)
    current = LossAndGradient(*(torch.cat(field) for field in fields))
    rule_state = join_rule_states([state.rule_state for state in states])
    return EpisodeState(w, current, rule_state, states[0].step)


def split_state(state: EpisodeState, sizes: Sequence[int]) -> list[EpisodeState]:
    """The inverse of `join_states` for groups of these sizes; rule states are copies."""
    lengths = list(sizes)
    weights = state.w.split(lengths)
    currents = zip(*(field.split(lengths) for field in state.current), strict=True)
    rule_states = split_rule_state(state.rule_state, lengths)
    groups = zip(weights, currents, rule_states, strict=True)
    return [
        EpisodeState(w, LossAndGradient(*fields), rule_state, state.step)
        for w, fields, rule_state in groups
    ]


def join_rule_states(states: Sequence[Any]) -> Any:
    """A rule's states of several groups of learners as one: their fields are (·, L, p)."""
    joined = [torch.cat(fields, dim=1) for fields in zip(*states, strict=True)]
    return type(states[0])(*joined)


def split_rule_state(state: Any, sizes: Sequence[int]) -> list[Any]:
    """The inverse of `join_rule_states`, as contiguous copies, which may be written to."""
    fields = [_split_learners(field, sizes) for field in state]
    return [type(state)(*parts) for parts in zip(*fields, strict=True)]


def _split_learners(
    field: Tensor,  # shape: (·, L, p)
    sizes: Sequence[int],
) -> list[Tensor]:
    parts = field.split(list(sizes), dim=1)
    return [part.clone(memory_format=torch.contiguous_format) for part in parts]


def begin_episode(rule: Rule[Any], optimizee: Optimizee) -> EpisodeState:
    """The state before an episode's first step."""
    w = optimizee.start()
    none_diverged = torch.zeros(w.shape[0], dtype=torch.bool)
    current = measure_learners(optimizee, w, 0, none_diverged)
    return EpisodeState(w, current, rule.init_state(w, optimizee.shapes), 0)


def measure_learners(
    optimizee: Optimizee,
    w: Tensor,  # shape: (L, p)
    step: int,
    diverged: Tensor,  # shape: (L,)
) -> LossAndGradient:
    """The learners at w on the minibatch of `step`; `diverged` are those that did so before."""
    loss, gradient = optimizee.losses_and_gradients(w, step)
    return isolate_diverged(loss, gradient, diverged)


def isolate_diverged(
    loss: Tensor,  # shape: (L,)
    gradient: Tensor,  # shape: (L, p)
    diverged: Tensor,  # shape: (L,)
) -> LossAndGradient:
    """What was measured of learners, of whom those `diverged` did so before.

    A learner that diverges is isolated: its gradient is zero from then on, so that it adds nothing
    to the meta-gradient and cannot carry a value that is not finite into a sum.
    """
    is_sound = loss.isfinite() & (gradient.abs().amax(1) < LARGEST_GRADIENT)
    diverged = diverged | ~is_sound
    return LossAndGradient(loss, torch.where(diverged[:, None], 0.0, gradient), diverged)
