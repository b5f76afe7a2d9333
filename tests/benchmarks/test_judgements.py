"""How optimizers are judged at their best lengths, where the judgement is known."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.judgements import find_best, format_table, judge
from benchmarks.lengths import LENGTHS

N_LENGTHS = len(LENGTHS)


def test_each_is_judged_at_its_own_best_length() -> None:
    usual = torch.zeros(3, N_LENGTHS)
    usual[:, 2] = -1.0
    logs = torch.zeros(3, N_LENGTHS)
    logs[:, 5] = torch.tensor([-1.1, -1.2, -1.3])
    judgement = judge("6", logs, usual)
    assert judgement.length == LENGTHS[5]
    assert judgement.difference == pytest.approx(-0.2)
    assert judgement.standard_error == pytest.approx(0.1 / math.sqrt(3))
    assert judgement.as_it_is == 1.0
    assert judge("4", usual, usual).difference == 0.0
    table = format_table([judgement], "J", "J = 4")
    assert "| 6 | 1.4 | -0.200 ± 0.058 | +1.000 |" in table


def test_a_length_that_diverges_is_not_the_best() -> None:
    logs = torch.zeros(2, N_LENGTHS)
    logs[0, 1] = -0.4
    logs[1, 1] = math.inf
    assert find_best(logs) == 0


def test_a_difference_has_a_bound() -> None:
    usual = torch.zeros(2, N_LENGTHS)
    logs = torch.full((2, N_LENGTHS), math.inf)
    assert judge("worse", logs, usual).difference == 1.0
