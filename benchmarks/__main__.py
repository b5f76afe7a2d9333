"""All rows in one table, and as JSON.

python -m benchmarks [--only ROW]... [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import batching, coordinator, deployed, floors, memory, period_rows, ray_rows
from benchmarks.rows import FULL, QUICK, Effort, NotMeasured, Row, Spread

ROWS = [
    *period_rows.ROWS,
    *deployed.ROWS,
    *batching.ROWS,
    *memory.ROWS,
    *ray_rows.ROWS,
    *coordinator.ROWS,
]
_COLUMNS = "{:16} {:36} {:28} {:>9} {:>7} {:>22} {:8} {}"


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "copy_bytes_a_second": floors.copy_bandwidth(),
    }


def run(row: Row, effort: Effort) -> dict[str, Any]:
    """One row, measured or with the reason why not, as it goes into JSON."""
    told = {
        name: getattr(row, name)
        for name in ("name", "what", "compared_with", "better", "at_least", "aim")
    }
    began = time.monotonic()
    try:
        measured = row.measure(effort)
    except NotMeasured as reason:
        return {**told, "not_measured": str(reason)}
    spread = Spread.of(measured.ratios)
    found = {"ratio": asdict(spread), "ratios": measured.ratios, "floor": measured.floor}
    verdict = row.verdict(spread.median)
    return {
        **told,
        **found,
        "verdict": verdict,
        "seconds_to_measure": round(time.monotonic() - began, 1),
    }


def line(told: dict[str, Any]) -> str:
    """A row of the table."""
    sign = "≤" if told["better"] == "below" else "≥"
    bounds = ["" if told[key] is None else f"{sign} {told[key]:g}" for key in ("at_least", "aim")]
    before = (told["name"], told["what"], told["compared_with"], *bounds)
    if "not_measured" in told:
        return _COLUMNS.format(*before, "", "", f"not measured: {told['not_measured']}").rstrip()
    ratio = told["ratio"]
    text = f"{ratio['median']:.2f} [{ratio['least']:.2f}–{ratio['most']:.2f}]"
    return _COLUMNS.format(*before, text, told["verdict"], told["floor"]).rstrip()


def main(arguments: list[str] | None = None) -> None:
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
    given = parser.parse_args(arguments)
    chosen = [row for row in ROWS if not given.only or row.name in given.only]
    measure(chosen, QUICK if given.quick else FULL, given.json)


def measure(chosen: list[Row], effort: Effort, target: Path | None) -> None:
    """Print the table of these rows, and write it."""
    torch.set_num_threads(1)
    began, here = time.monotonic(), machine()
    gigabytes = here["copy_bytes_a_second"] / 1e9
    print(
        f"{here['cores']} cores, load {here['load']:.1f}; copies move {gigabytes:.1f} GB/s on one thread."
    )
    print(f"Medians of ratios, up to {effort.rounds} rounds in turn [range].\n")
    print(
        _COLUMNS.format(
            "row", "what", "compared with", "at least", "aim", "ratio", "", "measured beside it"
        )
    )
    told = []
    for row in chosen:
        told.append(run(row, effort))
        print(line(told[-1]), flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"\nMeasured in {minutes:.1f} minutes; the load is now {os.getloadavg()[0]:.1f}.")
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
        found = {
            "machine": here,
            "rounds": effort.rounds,
            "minutes": round(minutes, 2),
            "rows": told,
        }
        target.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
