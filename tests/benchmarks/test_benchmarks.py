"""Every row of the table can be measured, and tells what it must tell.

The sizes are small and say nothing about speed.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from benchmarks import memory, period_ways
from benchmarks.__main__ import ROWS, format_row, main, measure_row
from benchmarks.floors import ForwardProducts, measure_copy_bandwidth
from benchmarks.measuring import Spread, measure_in_turn
from benchmarks.rows import TINY, Measured, NotMeasured, Row

SLOW = ("ray-1", "ray-2", *(row.name for row in memory.ROWS))
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(period_ways, "N_STEPS", 2)


def check(row: Row) -> None:
    figures = measure_row(row, TINY)
    assert figures["name"] == row.name
    if "not_measured" in figures:
        assert row.name.endswith("-gpu")
        assert format_row(figures).endswith(f"not measured: {figures['not_measured']}")
        return

    assert figures["ratios"]
    assert all(math.isfinite(ratio) and ratio > 0 for ratio in figures["ratios"])
    spread = figures["ratio"]
    assert spread["least"] <= spread["median"] <= spread["most"]
    assert f"{spread['median']:.2f}" in format_row(figures)
    assert figures["floor"]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.name not in SLOW], ids=lambda row: row.name
)
def test_row(row: Row) -> None:
    check(row)


@pytest.mark.slow
def test_rows_of_several_processes() -> None:
    for row in ROWS:
        if row.name in SLOW:
            check(row)


def test_table_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("benchmarks.__main__.QUICK", TINY)
    monkeypatch.setattr("benchmarks.floors.measure_copy_bandwidth", lambda: 1e9)
    target = tmp_path / "new" / "bench.json"
    main(["--quick", "--only", "cnn-step", "--only", "coordinator-16", "--json", str(target)])
    table = capsys.readouterr().out
    written = json.loads(target.read_text())
    assert [row["name"] for row in written["rows"]] == ["cnn-step", "coordinator-16"]
    assert all(format_row(row) in table for row in written["rows"])
    assert written["minutes"] >= 0
    assert "Measured in " in table
    assert written["machine"]["copy_bytes_a_second"] == 1e9


def test_names_are_unique_and_asked_for_by_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    with pytest.raises(SystemExit):
        main(["--only", "nothing-of-the-kind"])


@pytest.mark.parametrize(
    ("better", "ratio", "verdict"),
    [
        ("below", 1.0, "aim"),
        ("below", 1.5, "holds"),
        ("below", 2.5, "misses"),
        ("above", 2.0, "aim"),
        ("above", 1.9, "holds"),
        ("above", 1.5, "misses"),
    ],
)
def test_verdicts(better: str, ratio: float, verdict: str) -> None:
    bounds = {"below": (2.0, 1.0), "above": (1.8, 2.0)}[better]
    row = Row(
        name="x",
        what="",
        compared_with="",
        better=better,  # type: ignore[arg-type]
        at_least=bounds[0],
        aim=bounds[1],
        measure=lambda effort: Measured([ratio]),
    )
    assert measure_row(row, TINY)["verdict"] == verdict


def test_what_cannot_be_measured_says_why() -> None:
    def refuse(effort: object) -> Measured:
        raise NotMeasured("no GPU")

    row = Row(name="x", what="y", compared_with="z", measure=refuse)
    figures = measure_row(row, TINY)
    assert figures["not_measured"] == "no GPU"
    assert "verdict" not in figures


def test_times_are_taken_in_turn() -> None:
    calls: list[str] = []
    ticks = iter(range(100))
    seconds = measure_in_turn(
        2, lambda: calls.append("a"), lambda: calls.append("b"), clock=lambda: float(next(ticks))
    )
    assert calls == ["a", "b"] * 3
    assert seconds == [[1.0, 1.0], [1.0, 1.0]]
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def test_floors() -> None:
    products = ForwardProducts([(4, 2), (2, 2)], 10)
    products()
    assert products.flops == 2 * 10 * (8 + 4)
    assert measure_copy_bandwidth(n_bytes=2**16, rounds=1) > 0
