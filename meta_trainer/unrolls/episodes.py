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


class Evaluation(NamedTuple):
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
    here: Evaluation
    """At w, on the minibatch of `step`: shared by the two periods that meet here."""
    rule_state: Any
    """The rule's state for gradients (L, p)."""
    step: int
    """Steps taken since the episode began."""


def join_states(states: Sequence[EpisodeState]) -> EpisodeState:
    """Several groups of learners at the same step as one: rows one after the other."""
    here = [torch.cat(parts) for parts in zip(*(state.here for state in states), strict=True)]
    rule_state = join_rule_states([state.rule_state for state in states])
    return EpisodeState(
        torch.cat([state.w for state in states]), Evaluation(*here), rule_state, states[0].step
    )


def split_state(state: EpisodeState, sizes: Sequence[int]) -> list[EpisodeState]:
    """The inverse of `join_states` for groups of these sizes; rule states are copies."""
    heres = [
        Evaluation(*parts)
        for parts in zip(*(field.split(list(sizes)) for field in state.here), strict=True)
    ]
    rule_states = split_rule_state(state.rule_state, sizes)
    parts = zip(state.w.split(list(sizes)), heres, rule_states, strict=True)
    return [EpisodeState(w, here, rule_state, state.step) for w, here, rule_state in parts]


def join_rule_states(states: Sequence[Any]) -> Any:
    """A rule's states of several groups of learners as one: their fields are (·, L, p)."""
    return type(states[0])(*(torch.cat(fields, dim=1) for fields in zip(*states, strict=True)))


def split_rule_state(state: Any, sizes: Sequence[int]) -> list[Any]:
    """The inverse of `join_rule_states`, as contiguous copies, which may be written to."""
    fields = [
        [part.clone(memory_format=torch.contiguous_format) for part in f.split(list(sizes), 1)]
        for f in state
    ]
    return [type(state)(*parts) for parts in zip(*fields, strict=True)]


def begin(rule: Rule[Any], optimizee: Optimizee) -> EpisodeState:
    """The state before an episode's first step."""
    w = optimizee.start()
    here = evaluate(optimizee, w, 0, torch.zeros(w.shape[0], dtype=torch.bool))
    return EpisodeState(w, here, rule.init_state(here.gradient), 0)


def evaluate(optimizee: Optimizee, w: Tensor, step: int, diverged: Tensor) -> Evaluation:
    """The learners at w (L, p) on the minibatch of `step`; `diverged` (L,) are those that did so
    before.

    A learner that diverges is isolated: its gradient is zero from then on, so that it adds nothing
    to the meta-gradient and cannot carry a value that is not finite into a sum.
    """
    loss, gradient = optimizee.losses_and_gradients(w, step)
    sound = loss.isfinite() & (gradient.abs().amax(1) < LARGEST_GRADIENT)
    diverged = diverged | ~sound
    return Evaluation(loss, torch.where(diverged[:, None], 0.0, gradient), diverged)
