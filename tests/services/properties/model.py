"""The life of a job as its users were promised it, written down a second time and more simply than
in the service."""

from __future__ import annotations

from typing import Final, Literal

Fact = Literal["never submitted", "alive", "succeeded", "failed", "stopped", "lost"]
"""What is true of a job's newest attempt: its process lives, or how it ended (lost: without a last
word)."""

ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})
ACTIVE: Final = frozenset({"starting", "running", "pausing", "cancelling", "expiring"})

REQUESTS: Final = {
    "pause": {
        "queued": "paused",
        "starting": "pausing",
        "running": "pausing",
        "pausing": "pausing",
        "paused": "paused",
    },
    "resume": {"paused": "queued"},
    "cancel": {
        "queued": "cancelled",
        "starting": "cancelling",
        "running": "cancelling",
        "pausing": "cancelling",
        "paused": "cancelled",
        "cancelling": "cancelling",
        "expiring": "cancelling",
    },
    "retry": {"failed": "queued", "cancelled": "queued"},
}
"""Request → state → state after it; where a state is not named, the answer is 409."""

STEPS: Final = frozenset(
    {(old, new) for request in REQUESTS.values() for old, new in request.items() if old != new}
    | {("queued", "starting"), ("starting", "running")}
    | {(old, new) for old in ("starting", "running") for new in ("succeeded", "failed", "queued")}
    | {("pausing", new) for new in ("succeeded", "failed", "paused")}
    | {("cancelling", new) for new in ("succeeded", "cancelled")}
)
"""Every change of state that the events of a job may tell of."""

_WORKING: Final = ("starting", "running")
_AFTER: Final[dict[Fact, dict[str, set[str]]]] = {
    "never submitted": {"pausing": {"paused"}, "cancelling": {"cancelled"}},
    "alive": {"starting": {"starting", "running"}},
    "succeeded": {state: {"succeeded"} for state in (*_WORKING, "pausing", "cancelling")},
    "failed": {
        **{state: {"failed", "queued", "starting"} for state in _WORKING},
        "pausing": {"failed", "paused"},
        "cancelling": {"cancelled"},
    },
    "stopped": {
        **{state: {"queued", "starting"} for state in _WORKING},
        "pausing": {"paused"},
        "cancelling": {"cancelled"},
    },
    "lost": {
        **{state: {"failed", "queued", "starting"} for state in _WORKING},
        "pausing": {"paused"},
        "cancelling": {"cancelled"},
    },
}
"""What is true of the attempt → state → where it may lead; where a state is not named, it stays."""


def after_rest(state: str, fact: Fact) -> set[str]:
    """Where a job may be when the reconciler has had its time and nothing else has happened."""
    if state == "queued":
        return {"queued", "starting"}
    return _AFTER[fact].get(state, {state})
