"""The table of slopes shows a lie, and no lie where there is none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from benchmarks.gradients import main
from benchmarks.slope_table import PromisedSlope, Slope
from benchmarks.slopes import EXACT, Setting, Subject, clip_gradients, name_directions

DIRECTIONS = ("scale", "memory", "tilt", "response")


@pytest.mark.slow
def test_slopes_of_second_order_are_true_and_those_of_first_order_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "slopes.json"
    main(["--slopes", "--quick", "--json", str(target)])
    printed = capsys.readouterr().out
    (table,) = json.loads(target.read_text())["tables"]
    rows = {(row["estimator"], row["direction"]): row for row in table["rows"]}
    assert len(rows) == 6 * len(DIRECTIONS)
    assert printed.count("\n| ") == len(rows) / len(DIRECTIONS) + 3
    for direction in ("scale", "tilt"):
        exact = rows[EXACT, direction]
        first_order = rows["first order, periods of 10", direction]
        assert exact["true"] == first_order["true"]
        assert exact["ratio"] == pytest.approx(1, abs=0.02)
        assert not 0.8 < first_order["ratio"] < 1.25


def test_directions_are_the_named_changes() -> None:
    subject = Subject.of(Setting(theta="untrained", meta_loss="log"))
    directions = name_directions(subject.rule, subject.theta)
    assert tuple(directions) == DIRECTIONS
    tensors = subject.rule.unpack(subject.theta)
    parts = {name: subject.rule.unpack(way) for name, way in directions.items()}
    mixture = tensors["weight_cell.bias"]
    n_candidates = len(mixture)
    torch.testing.assert_close(parts["scale"]["weight_cell.bias"], mixture)
    assert parts["memory"]["adam_cell.bias"][:n_candidates] == pytest.approx(1, abs=1e-3)
    assert not parts["memory"]["adam_cell.bias"][n_candidates:].any()
    positions = torch.linspace(-0.5, 0.5, n_candidates)
    torch.testing.assert_close(
        parts["tilt"]["weight_cell.bias"], mixture * positions, rtol=0, atol=1e-3
    )
    torch.testing.assert_close(
        parts["response"]["weight_cell.weight"], tensors["weight_cell.weight"], rtol=0, atol=1e-4
    )


def test_means_and_their_errors() -> None:
    slope = Slope.over_tasks([1.0, 2.0, 3.0])
    assert (slope.mean, slope.error) == (2.0, pytest.approx(1 / math.sqrt(3)))
    assert str(slope) == "+2.0000 ± 0.5774"
    assert str(Slope(2e-6, 1e-6)) == "+2.0e-06 ± 1e-06"
    row = PromisedSlope("e", "d", true=slope, promised=Slope(-4.0, 1.0), difference=slope)
    assert row.ratio == -0.5
    assert row.to_json()["promised"] == [-4.0, 1.0]


def test_gradients_are_clipped_over_all_tasks() -> None:
    tasks = [torch.ones(2, 4), torch.ones(1, 4), 1e9 * torch.ones(1, 4)]
    clipped = clip_gradients(tasks)
    assert [tuple(rows.shape) for rows in clipped] == [(2, 4), (1, 4), (1, 4)]
    assert torch.equal(clipped[0], tasks[0])
    torch.testing.assert_close(clipped[2], 4 * torch.ones(1, 4))
