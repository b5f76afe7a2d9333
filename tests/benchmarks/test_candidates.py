"""A number of first moments, by an untrained Θ that has it."""

from __future__ import annotations

from benchmarks.candidates import CANDIDATES, USUAL, make_untrained


def test_an_untrained_one_has_so_many_moments() -> None:
    assert USUAL in CANDIDATES
    for n_candidates in CANDIDATES:
        assert make_untrained(n_candidates).rule.spec.n_candidates == n_candidates
