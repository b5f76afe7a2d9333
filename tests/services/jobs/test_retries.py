"""The arithmetic of retries: what counts as a loss without progress, and how long to wait after
it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.jobs.retries import Losses, compute_pause, is_final

shares = st.floats(min_value=0, max_value=1)


@given(st.lists(shares, max_size=30))
def test_only_losses_that_got_no_further_are_counted(progress: list[float]) -> None:
    losses = Losses()
    for number, share in enumerate(progress):
        furthest = max([0.0, *progress[:number]])
        after = losses.after_another(share)
        assert after.in_a_row == (0 if share > furthest else losses.in_a_row + 1)
        assert after.furthest == max(furthest, share)
        losses = after


def test_delays_double_up_to_a_minute() -> None:
    assert [compute_pause(in_a_row) for in_a_row in range(9)] == [
        timedelta(seconds=seconds) for seconds in (1, 1, 2, 4, 8, 16, 32, 60, 60)
    ]
    assert compute_pause(10_000) == timedelta(seconds=60)
    assert [compute_pause(in_a_row, 100.0) for in_a_row in range(3)] == [timedelta(seconds=100)] * 3
    assert compute_pause(5, 0.0) == timedelta()


def test_an_error_is_final_where_the_driver_says_so_or_it_came_before_at_the_same_update() -> None:
    error = {"type": "IndexError", "message": "index 7 is out of range", "update": 31, "seed": 5}
    assert is_final({**error, "final": True}, None)
    assert is_final(error, {**error, "seed": 6})
    assert not is_final(error, None)
    for other in ({"update": 30}, {"message": "index 8 is out of range"}, {"type": "KeyError"}):
        assert not is_final(error, {**error, **other})
