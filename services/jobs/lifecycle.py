"""The life of a job, as one table and nothing else: no clock, no database, no executor.

    queued ──▶ starting ──▶ running ──▶ succeeded | failed
      ▲             └────┬─────┘
      │ resume           ├──▶ pausing ──▶ paused
      ├──────────────────┼──────────────────┘
      │                  ├──▶ cancelling ──▶ cancelled
      │                  └──▶ expiring ──▶ failed
      ├── retry: of a failed or cancelled job; extend: of a study that has ended
      └──▶ waiting: for nodes that could hold it, or because its key has ended; back when it may

(A queued job is paused or cancelled at once, and expires at once; so does one that is paused or
waits. A job whose attempt was lost goes back into the queue, as one that was stopped without having
been asked to. An attempt that finds no room on the cluster ends, and its job waits.)

Whatever may happen to a job is a `Trigger`; a pair that the table does not name is impossible.
Requests of people (pause, resume, cancel, retry), the deadline (expire) and the ends of attempts
(succeed, fail, stop, lose, give up) meet here in any order: a job that succeeded before it heard of
its cancellation has succeeded, and one that crashed while being cancelled is cancelled.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    QUEUED = "queued"
    WAITING = "waiting"
    """It cannot start as things are, for a reason that is told; others go first."""
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    EXPIRING = "expiring"
    """Its deadline has passed; the attempt is asked to stop, and the job fails."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Trigger(StrEnum):
    """What may happen to a job."""

    START = "start"
    """The reconciler takes it from the queue."""
    HOLD = "hold"
    """It cannot start, or its attempt found no room."""
    ADMIT = "admit"
    """What it waited for is there."""
    RUN = "run"
    """Its driver works."""
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    EXPIRE = "expire"
    """Its deadline has passed."""
    RETRY = "retry"
    """It has failed or was cancelled, and is to go on from its newest checkpoint after all."""
    EXTEND = "extend"
    """A study that has ended is to have more trials."""
    SUCCEED = "succeed"
    FAIL = "fail"
    STOP = "stop"
    """The attempt ended early because it was asked to, and can be continued."""
    LOSE = "lose"
    """The attempt's process vanished without a last word; another attempt goes on."""
    GIVE_UP = "give up"
    """The same, once too often."""
    FALTER = "falter"
    """The attempt failed, but might do better another time; another attempt goes on."""


class ImpossibleTransition(Exception):
    """The job's state does not allow what was asked."""

    def __init__(self, state: State, trigger: Trigger) -> None:
        super().__init__(f"a job that is {state} cannot {trigger}")
        self.state = state
        self.trigger = trigger


ENDED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
"""States in which nothing more happens by itself; only a retry, or a study's extension, leaves
them."""
ACTIVE: Final = frozenset(
    {State.STARTING, State.RUNNING, State.PAUSING, State.CANCELLING, State.EXPIRING}
)
"""States with an attempt that the reconciler watches."""
STOPPING: Final = frozenset({State.PAUSING, State.CANCELLING, State.EXPIRING})
"""States in which the attempt has been, or is to be, asked to stop."""

TRANSITIONS: Final[dict[State, dict[Trigger, State]]] = {
    State.QUEUED: {
        Trigger.START: State.STARTING,
        Trigger.HOLD: State.WAITING,
        Trigger.PAUSE: State.PAUSED,
        Trigger.CANCEL: State.CANCELLED,
        Trigger.EXPIRE: State.FAILED,
    },
    State.WAITING: {
        Trigger.HOLD: State.WAITING,
        Trigger.ADMIT: State.QUEUED,
        Trigger.PAUSE: State.PAUSED,
        Trigger.CANCEL: State.CANCELLED,
        Trigger.EXPIRE: State.FAILED,
    },
    State.STARTING: {
        Trigger.RUN: State.RUNNING,
        Trigger.PAUSE: State.PAUSING,
        Trigger.CANCEL: State.CANCELLING,
        Trigger.EXPIRE: State.EXPIRING,
        Trigger.SUCCEED: State.SUCCEEDED,
        Trigger.FAIL: State.FAILED,
        Trigger.HOLD: State.WAITING,
        Trigger.STOP: State.QUEUED,
        Trigger.LOSE: State.QUEUED,
        Trigger.GIVE_UP: State.FAILED,
        Trigger.FALTER: State.QUEUED,
    },
    State.RUNNING: {
        Trigger.RUN: State.RUNNING,
        Trigger.PAUSE: State.PAUSING,
        Trigger.CANCEL: State.CANCELLING,
        Trigger.EXPIRE: State.EXPIRING,
        Trigger.SUCCEED: State.SUCCEEDED,
        Trigger.FAIL: State.FAILED,
        Trigger.HOLD: State.WAITING,
        Trigger.STOP: State.QUEUED,
        Trigger.LOSE: State.QUEUED,
        Trigger.GIVE_UP: State.FAILED,
        Trigger.FALTER: State.QUEUED,
    },
    State.PAUSING: {
        Trigger.RUN: State.PAUSING,
        Trigger.PAUSE: State.PAUSING,
        Trigger.CANCEL: State.CANCELLING,
        Trigger.EXPIRE: State.EXPIRING,
        Trigger.SUCCEED: State.SUCCEEDED,
        Trigger.FAIL: State.FAILED,
        Trigger.HOLD: State.PAUSED,
        Trigger.STOP: State.PAUSED,
        Trigger.LOSE: State.PAUSED,
        Trigger.GIVE_UP: State.PAUSED,
        Trigger.FALTER: State.PAUSED,
    },
    State.PAUSED: {
        Trigger.PAUSE: State.PAUSED,
        Trigger.RESUME: State.QUEUED,
        Trigger.CANCEL: State.CANCELLED,
        Trigger.EXPIRE: State.FAILED,
    },
    State.CANCELLING: {
        Trigger.RUN: State.CANCELLING,
        Trigger.CANCEL: State.CANCELLING,
        Trigger.SUCCEED: State.SUCCEEDED,
        Trigger.FAIL: State.CANCELLED,
        Trigger.HOLD: State.CANCELLED,
        Trigger.STOP: State.CANCELLED,
        Trigger.LOSE: State.CANCELLED,
        Trigger.GIVE_UP: State.CANCELLED,
        Trigger.FALTER: State.CANCELLED,
    },
    State.EXPIRING: {
        Trigger.RUN: State.EXPIRING,
        Trigger.CANCEL: State.CANCELLING,
        Trigger.EXPIRE: State.EXPIRING,
        Trigger.SUCCEED: State.SUCCEEDED,
        Trigger.FAIL: State.FAILED,
        Trigger.HOLD: State.FAILED,
        Trigger.STOP: State.FAILED,
        Trigger.LOSE: State.FAILED,
        Trigger.GIVE_UP: State.FAILED,
        Trigger.FALTER: State.FAILED,
    },
    State.SUCCEEDED: {Trigger.EXTEND: State.QUEUED},
    State.FAILED: {Trigger.RETRY: State.QUEUED, Trigger.EXTEND: State.QUEUED},
    State.CANCELLED: {Trigger.RETRY: State.QUEUED, Trigger.EXTEND: State.QUEUED},
}


def next_state(state: State, trigger: Trigger) -> State:
    """Where the trigger leads; the same state where it changes nothing.

    Raises:
        ImpossibleTransition: the table does not allow it.
    """
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        raise ImpossibleTransition(state, trigger) from None
