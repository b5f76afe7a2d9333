"""Random requests, drivers and crashes, against a model of the life of jobs, on both databases.

By default twelve plays, always the same. Where `CI` is set they are new ones each time; the test
tells their seed, with which `HYPERADAM_TEST_SEED` repeats them. `HYPERADAM_TEST_PLAYS` says how
many they are, and new ones they are then, too.
"""

from __future__ import annotations

import os
import random
import sys

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from services.settings import Settings
from tests.services.properties.machine import MAX_RUNNING, LifeOfJobs

FIXED_SEED = 0
DEFAULT_PLAYS = 12


def choose_seed() -> int:
    """The one that is asked for, or a new one in CI and for a chosen number of plays."""
    asked = os.environ.get("HYPERADAM_TEST_SEED")
    if asked is not None:
        return int(asked)
    draws_new_ones = bool(os.environ.get("CI") or os.environ.get("HYPERADAM_TEST_PLAYS"))
    return random.SystemRandom().randrange(2**32) if draws_new_ones else FIXED_SEED


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_sequence_of_requests_and_crashes_disagrees_with_the_model(settings: Settings) -> None:
    settings_of_the_play = settings.model_copy(
        update={
            "max_running_jobs": MAX_RUNNING,
            "max_attempts": 3,
            "requests_per_second": 0,
            "writes_per_second": 0,
        }
    )
    seed = choose_seed()
    how_to_repeat = f"these plays again: HYPERADAM_TEST_SEED={seed}"
    sys.stdout.write(f"{how_to_repeat}\n")

    @hypothesis.seed(seed)
    def set_the_stage() -> LifeOfJobs:
        return LifeOfJobs(settings_of_the_play)

    try:
        run_state_machine_as_test(
            set_the_stage,
            settings=hypothesis.settings(
                max_examples=int(os.environ.get("HYPERADAM_TEST_PLAYS", DEFAULT_PLAYS)),
                stateful_step_count=25,
                deadline=None,
                database=None,
                print_blob=True,
                phases=(Phase.generate,),  # to shrink a play takes minutes
                suppress_health_check=list(HealthCheck),
            ),
        )
    except BaseException as failure:
        failure.add_note(how_to_repeat)
        raise


@pytest.mark.parametrize(
    ("environment", "is_fixed"),
    [({}, True), ({"CI": "true"}, False), ({"HYPERADAM_TEST_PLAYS": "50"}, False)],
)
def test_a_seed_is_new_where_it_is_to_be(
    environment: dict[str, str], is_fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "HYPERADAM_TEST_PLAYS", "HYPERADAM_TEST_SEED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (choose_seed() == FIXED_SEED) is is_fixed
    monkeypatch.setenv("HYPERADAM_TEST_SEED", "17")
    assert choose_seed() == 17
