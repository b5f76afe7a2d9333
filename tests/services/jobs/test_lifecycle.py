"""The table of the life cycle: what must hold for any sequence of triggers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.jobs.lifecycle import (
    ACTIVE,
    ENDED,
    STOPPING,
    TRANSITIONS,
    ImpossibleTransition,
    State,
    Trigger,
    next_state,
)

ENDS = (Trigger.SUCCEED, Trigger.FAIL, Trigger.STOP, Trigger.LOSE, Trigger.GIVE_UP, Trigger.FALTER)
"""Of attempts."""


_LEAVE_AN_END = {Trigger.RETRY, Trigger.EXTEND}


def _walk(triggers: list[Trigger], start: State = State.QUEUED) -> list[State]:
    states = [start]
    for trigger in triggers:
        try:
            states.append(next_state(states[-1], trigger))
        except ImpossibleTransition:
            assert trigger not in TRANSITIONS[states[-1]]
    return states


@given(st.lists(st.sampled_from(Trigger), max_size=40))
def test_any_sequence_of_triggers_keeps_the_rules(triggers: list[Trigger]) -> None:
    states = _walk(triggers)
    for before, after in itertools.pairwise(states):
        if before in ENDED:
            assert after is State.QUEUED
            assert before is not State.SUCCEEDED or Trigger.EXTEND in triggers
        if before is State.CANCELLING:
            assert after in {State.CANCELLING, State.CANCELLED, State.SUCCEEDED}
        if before is State.EXPIRING:
            assert after in {State.EXPIRING, State.CANCELLING, State.FAILED, State.SUCCEEDED}
        if after is State.RUNNING:
            assert before in {State.STARTING, State.RUNNING}
    if Trigger.CANCEL in triggers and not _LEAVE_AN_END & set(triggers):
        assert states[-1] in ENDED | {State.CANCELLING}


@given(
    st.lists(st.sampled_from(sorted(set(Trigger) - _LEAVE_AN_END)), max_size=20),
    st.sampled_from(State),
)
def test_only_a_retry_or_an_extension_leaves_an_end(triggers: list[Trigger], start: State) -> None:
    states = _walk(triggers, start)
    first_end = next((index for index, state in enumerate(states) if state in ENDED), len(states))
    assert len(set(states[first_end:])) <= 1


@given(st.lists(st.sampled_from(Trigger), max_size=20))
def test_whatever_is_not_over_can_expire_unless_it_is_being_cancelled(
    triggers: list[Trigger],
) -> None:
    state = _walk(triggers)[-1]
    if state in ENDED | {State.CANCELLING}:
        with pytest.raises(ImpossibleTransition):
            next_state(state, Trigger.EXPIRE)
    else:
        expired = next_state(state, Trigger.EXPIRE)
        assert expired is (State.EXPIRING if state in ACTIVE else State.FAILED)


@pytest.mark.parametrize("state", sorted(set(State) - ENDED))
def test_whatever_is_not_over_can_be_cancelled(state: State) -> None:
    cancelled = next_state(state, Trigger.CANCEL)
    assert cancelled is (State.CANCELLING if state in ACTIVE else State.CANCELLED)


@given(st.lists(st.sampled_from(Trigger), max_size=20), st.sampled_from(ENDS))
def test_an_active_job_always_hears_of_the_end_of_its_attempt(
    triggers: list[Trigger], end: Trigger
) -> None:
    state = _walk(triggers)[-1]
    if state in ACTIVE:
        assert next_state(state, end) not in ACTIVE
    else:
        with pytest.raises(ImpossibleTransition):
            next_state(state, end)


@given(st.lists(st.sampled_from(Trigger), max_size=20))
def test_a_lost_attempt_never_ends_a_job_that_was_not_to_end(triggers: list[Trigger]) -> None:
    state = _walk(triggers)[-1]
    if state in ACTIVE:
        assert (next_state(state, Trigger.LOSE) in ENDED) == (
            state in {State.CANCELLING, State.EXPIRING}
        )


def test_a_job_that_waits_starts_only_from_the_queue() -> None:
    assert next_state(State.RUNNING, Trigger.HOLD) is State.WAITING
    assert next_state(State.CANCELLING, Trigger.HOLD) is State.CANCELLED
    assert Trigger.START not in TRANSITIONS[State.WAITING]
    assert next_state(State.WAITING, Trigger.ADMIT) is State.QUEUED


def test_every_state_is_in_the_table_and_can_end() -> None:
    assert set(TRANSITIONS) == set(State)
    assert STOPPING < ACTIVE
    for state in State:
        seen = {state}
        new = {state}
        while new:
            new = {after for before in new for after in TRANSITIONS[before].values()} - seen
            seen |= new
        assert seen & ENDED


def test_impossible_transition_says_what_and_where() -> None:
    with pytest.raises(ImpossibleTransition, match="a job that is succeeded cannot cancel"):
        next_state(State.SUCCEEDED, Trigger.CANCEL)
