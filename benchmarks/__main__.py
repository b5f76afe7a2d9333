"""All rows in one table, and as JSON.

python -m benchmarks [--only ROW]... [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import (
    batching,
    coordinator,
    deployed,
    floors,
    memory,
    period_rows,
    ray_rows,
    tensor_steps,
)
from benchmarks.measuring import Spread, write_json
from benchmarks.rows import FULL, QUICK, Effort, NotMeasured, Row
from benchmarks.verdicts import format_bound

ROWS = [
    *period_rows.ROWS,
    *deployed.ROWS,
    *tensor_steps.ROWS,
    *batching.ROWS,
    *memory.ROWS,
    *ray_rows.ROWS,
    *coordinator.ROWS,
]
_COLUMNS = "{:16} {:36} {:28} {:>9} {:>7} {:>22} {:8} {}"
_HEAD = ("row", "what", "compared with", "at least", "aim", "ratio", "", "measured beside it")


def describe_machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "copy_bytes_a_second": floors.measure_copy_bandwidth(),
    }


def measure_row(row: Row, effort: Effort) -> dict[str, Any]:
    """One row, measured or with the reason why not, as it goes into JSON."""
    description = {
        "name": row.name,
        "what": row.what,
        "compared_with": row.compared_with,
        "better": row.better,
        "at_least": row.at_least,
        "aim": row.aim,
    }
    began = time.monotonic()
    try:
        measured = row.measure(effort)
    except NotMeasured as reason:
        return {**description, "not_measured": str(reason)}

    spread = Spread.of(measured.ratios)
    return {
        **description,
        "ratio": asdict(spread),
        "ratios": measured.ratios,
        "floor": measured.floor,
        "verdict": row.judge(spread.median),
        "seconds_to_measure": round(time.monotonic() - began, 1),
    }


def format_row(figures: dict[str, Any]) -> str:
    """A row of the table, from what `measure_row` gives."""
    bounds = [format_bound(figures[key], figures["better"]) for key in ("at_least", "aim")]
    first_cells = (figures["name"], figures["what"], figures["compared_with"], *bounds)
    if "not_measured" in figures:
        reason = f"not measured: {figures['not_measured']}"
        return _COLUMNS.format(*first_cells, "", "", reason).rstrip()

    ratio = figures["ratio"]
    text = f"{ratio['median']:.2f} [{ratio['least']:.2f}–{ratio['most']:.2f}]"
    return _COLUMNS.format(*first_cells, text, figures["verdict"], figures["floor"]).rstrip()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Ratios, floors and spreads, in one table."
    )
    parser.add_argument(
        "--only", action="append", metavar="ROW", choices=[row.name for row in ROWS]
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK.rounds} rounds instead of {FULL.rounds}"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write everything to this file"
    )
    options = parser.parse_args(arguments)

    rows = [row for row in ROWS if not options.only or row.name in options.only]
    effort = QUICK if options.quick else FULL
    measure_table(rows, effort, options.json)


def measure_table(rows: list[Row], effort: Effort, target: Path | None) -> None:
    """Print the table of these rows, and write it."""
    torch.set_num_threads(1)
    began = time.monotonic()
    machine = describe_machine()
    print_head(machine, effort)

    figures_of_rows = []
    for row in rows:
        figures = measure_row(row, effort)
        figures_of_rows.append(figures)
        print(format_row(figures), flush=True)

    minutes = (time.monotonic() - began) / 60
    print(f"\nMeasured in {minutes:.1f} minutes; the load is now {os.getloadavg()[0]:.1f}.")
    if target:
        table = {
            "machine": machine,
            "rounds": effort.rounds,
            "minutes": round(minutes, 2),
            "rows": figures_of_rows,
        }
        write_json(target, table)


def print_head(machine: dict[str, Any], effort: Effort) -> None:
    gigabytes = machine["copy_bytes_a_second"] / 1e9
    print(
        f"{machine['cores']} cores, load {machine['load']:.1f}; "
        f"copies move {gigabytes:.1f} GB/s on one thread."
    )
    print(f"Medians of ratios, up to {effort.rounds} rounds in turn [range].\n")
    print(_COLUMNS.format(*_HEAD))


if __name__ == "__main__":
    main()
