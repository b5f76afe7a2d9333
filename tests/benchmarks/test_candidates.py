"""How a number of first moments is judged, where the judgement is known."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.candidates import find_best, format_table, judge, make_untrained
from benchmarks.lengths import LENGTHS

N_LENGTHS = len(LENGTHS)


def test_each_is_judged_at_its_own_best_length() -> None:
    usual = torch.zeros(3, N_LENGTHS)
    usual[:, 2] = -1.0
    logs = torch.zeros(3, N_LENGTHS)
    logs[:, 4] = torch.tensor([-1.1, -1.2, -1.3])
    judgement = judge(logs, usual, 6)
    assert judgement.length == LENGTHS[4]
    assert judgement.difference == pytest.approx(-0.2)
    assert judgement.standard_error == pytest.approx(0.1 / math.sqrt(3))
    assert judge(usual, usual, 4).difference == 0.0
    assert "| 6 | 28 | 1 | -0.200 ± 0.058 |" in format_table([judgement])


def test_a_length_that_diverges_is_not_the_best() -> None:
    logs = torch.zeros(2, N_LENGTHS)
    logs[0, 1] = -0.4
    logs[1, 1] = math.inf
    assert find_best(logs) == 0


def test_an_untrained_one_has_so_many_moments() -> None:
    assert make_untrained(6).rule.spec.n_candidates == 6
