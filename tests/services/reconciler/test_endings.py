"""How attempts end: what each last word means, and what the job store keeps of an error."""

from __future__ import annotations

from typing import Any

import pytest

from registry.memory import InMemoryRegistry
from services.jobs.lifecycle import Trigger
from services.reconciler.endings import Ending, ending_of_lost, ending_of_record, read_record

VERSION = {"optimizer": "hyperadam", "number": 1, "sha256": "ab" * 32}


@pytest.mark.parametrize(
    ("record", "ending"),
    [
        ({"outcome": "stopped"}, Ending(trigger=Trigger.STOP)),
        (
            {"outcome": "succeeded", "version": VERSION, "error": {"type": "left over"}},
            Ending(trigger=Trigger.SUCCEED, version=VERSION),
        ),
        (
            {"outcome": "failed", "error": {"type": "E", "message": "m"}},
            Ending(trigger=Trigger.FAIL, error={"type": "E", "message": "m"}),
        ),
    ],
)
def test_a_last_word_is_taken_as_it_is_said(record: dict[str, Any], ending: Ending) -> None:
    assert ending_of_record(record) == ending


@pytest.mark.parametrize("error", [None, "went wrong", ["E"]])
def test_a_failure_without_an_error_says_so(error: object) -> None:
    ending = ending_of_record({"outcome": "failed", "error": error})
    assert ending.trigger is Trigger.FAIL
    assert ending.stored_error == {
        "type": "Unknown",
        "message": "the driver failed without saying why",
    }


@pytest.mark.parametrize("record", [{}, {"outcome": "splendid"}, {"outcome": ["failed"]}])
def test_a_last_word_without_sense_is_a_final_failure(record: dict[str, Any]) -> None:
    ending = ending_of_record(record)
    assert ending.trigger is Trigger.FAIL
    assert ending.error is not None
    assert (ending.error["type"], ending.error["final"]) == ("InvalidRecord", True)


def test_the_store_keeps_what_tells_where_an_update_failed_and_no_traceback() -> None:
    where = {"update": 7, "episode": 1, "period": 2, "seed": 3}
    error = {"type": "E", "message": "m", "traceback": "…", "final": False, **where}
    ending = Ending(trigger=Trigger.FAIL, error=error)
    assert ending.stored_error == {"type": "E", "message": "m", **where}
    assert Ending(trigger=Trigger.STOP).stored_error is None


def test_a_lost_process_is_told_with_the_end_of_its_log() -> None:
    with_log = ending_of_lost(2, "failed", "Killed", Trigger.LOSE)
    message = "the process of attempt 2 ended (failed) without a last word"
    assert with_log.error == {
        "type": "DriverLost",
        "message": f"{message}\nThe end of its log:\nKilled",
    }
    silent = ending_of_lost(2, "failed", "", Trigger.GIVE_UP)
    assert silent.error == {"type": "DriverLost", "message": message}


def test_a_record_is_read_as_an_object_or_as_nothing() -> None:
    registry = InMemoryRegistry()
    run_id = registry.open_run("job_1", name="job_1")
    assert read_record(registry, run_id, 1) is None
    for content, record in ((b'{"outcome": "stopped"}', {"outcome": "stopped"}), (b"[1]", {})):
        registry.put_artifact(run_id, "attempts/0001/done.json", content)
        assert read_record(registry, run_id, 1) == record
