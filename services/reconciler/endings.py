"""How an attempt ended, and what that means for its job: from the driver's last word, or from the
lack of one. Pure rules; `attempts` carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from meta_trainer.driver.heartbeat import alive_path
from registry import ArtifactNotFound, Registry
from services.executors.contract import ProcessStatus
from services.jobs.lifecycle import Trigger
from services.reconciler.driver_json import read_driver_json

_TRIGGERS: Final[Mapping[str, Trigger]] = {
    "succeeded": Trigger.SUCCEED,
    "stopped": Trigger.STOP,
    "waiting": Trigger.HOLD,
    "failed": Trigger.FAIL,
}
"""By the outcome in `done.json`."""
_ERROR_FIELDS: Final = ("type", "message", "update", "episode", "period", "seed")
"""Of a driver's error, what the job store keeps."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The end of an attempt."""

    trigger: Trigger
    error: Mapping[str, Any] | None = None
    version: object = None
    """What the driver says of the version that it registered; not checked."""
    reason: str | None = None
    """Why its job is to wait."""

    @property
    def stored_error(self) -> dict[str, Any] | None:
        """What the job store keeps of the error."""
        if not self.error:
            return None
        return {name: self.error[name] for name in _ERROR_FIELDS if name in self.error}


def read_record(registry: Registry, run_id: str, attempt: int) -> dict[str, Any] | None:
    """The driver's last word, `done.json`; None while there is none, empty where it is damaged."""
    try:
        content = registry.get_artifact(run_id, f"attempts/{attempt:04d}/done.json")
    except ArtifactNotFound:
        return None
    try:
        record = read_driver_json(content)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def read_sign_of_life(registry: Registry, run_id: str, attempt: int) -> bytes | None:
    """The driver's newest one; None: it has left none."""
    try:
        return registry.get_artifact(run_id, alive_path(attempt))
    except ArtifactNotFound:
        return None


def ending_of_record(record: Mapping[str, Any]) -> Ending:
    """What a last word means. One that makes no sense is a failure that no other attempt mends."""
    trigger = _TRIGGERS.get(str(record.get("outcome")))
    if trigger is None:
        message = f"done.json says {record!r:.200}"
        error = {"type": "InvalidRecord", "message": message, "final": True}
        return Ending(trigger=Trigger.FAIL, error=error)
    if trigger is Trigger.FAIL:
        return Ending(trigger=trigger, error=_error_of_record(record))
    if trigger is Trigger.HOLD:
        return Ending(trigger=trigger, reason=str(record.get("reason", "no room"))[:1000])
    return Ending(trigger=trigger, version=record.get("version"))


def _error_of_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    error = record.get("error")
    if isinstance(error, Mapping):
        return error
    return {"type": "Unknown", "message": "the driver failed without saying why"}


def ending_of_lost(attempt: int, status: ProcessStatus, log_tail: str, trigger: Trigger) -> Ending:
    """What it means that a process ended without a last word."""
    message = f"the process of attempt {attempt} ended ({status}) without a last word"
    if log_tail:
        message += f"\nThe end of its log:\n{log_tail}"
    return Ending(trigger=trigger, error={"type": "DriverLost", "message": message})
