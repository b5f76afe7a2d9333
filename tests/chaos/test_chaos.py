"""One kill or accident of each kind; `make chaos` does fifty."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.service import run_service
from tests.chaos.storm import KINDS, Storm
from tests.meta_trainer.faults.cluster import FORGIVEN


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings(FORGIVEN)
def test_one_of_each_kind_loses_nothing(tmp_path: Path) -> None:
    with run_service(tmp_path) as service:
        outcome = Storm(service, seed=1).run(len(KINDS))
    assert outcome.is_well, outcome
    assert outcome.n_kills == len(KINDS)
    assert set(outcome.kills) == set(KINDS)
