"""Random requests, drivers and crashes, against a model of the life of jobs, on both databases."""

from __future__ import annotations

import os

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from services.settings import Settings
from tests.services.properties.machine import MAX_RUNNING, LifeOfJobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

N_PLAYS = int(os.environ.get("HYPERADAM_TEST_PLAYS", "0"))
"""More of them, each time other ones; by default a few, always the same."""


def test_no_sequence_of_requests_and_crashes_disagrees_with_the_model(settings: Settings) -> None:
    of_the_play = {
        "max_running_jobs": MAX_RUNNING,
        "max_attempts": 3,
        "requests_per_second": 0,
        "writes_per_second": 0,
    }
    run_state_machine_as_test(
        lambda: LifeOfJobs(settings.model_copy(update=of_the_play)),
        settings=hypothesis.settings(
            max_examples=N_PLAYS or 12,
            stateful_step_count=25,
            deadline=None,
            derandomize=not N_PLAYS,
            database=None,
            print_blob=True,
            phases=(Phase.generate,),  # to shrink a play takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
