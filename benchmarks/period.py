"""One period of meta-training, forward and backward on one thread: how far is it from its floor?

    python -m benchmarks.period [--learners 1] [--rounds 7] [--json FILE]

The period: 20 steps of HyperAdam (J = 20) on the basic MLP 784-20-10, sigmoid, batch 128, with
random scaling and the 20-dimensional convex function added: p = 15,930 coordinates a learner. It is
done in three ways that give the same meta-gradient, which is checked:

    plain unroll     the learner is part of the meta-graph, eager autograd through everything
    eager surrogate  the learner's gradients outside any graph, autograd through the cell alone
    fused            the same with the compiled cell

and compared with the floor: the cell's matrix products alone, as `torch.mm` on the same shapes.
What counts is the ratio of two times taken in turn in one round; it is printed as its median over
the rounds, with the range.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.measuring import Spread, divide, measure_added_bytes, write_json
from benchmarks.period_ways import N_STEPS, WAYS, P, Products, Setting, check_agreement, measure

_COLUMNS = "{:16} {:>20} {:>20} {:>20} {:>14}"
_HEAD = ("seconds", "÷ matrix products", "× plain unroll", "MiB a learner")


def measure_peak(name: str, n_learners: int) -> int:
    """Bytes that one period adds to the memory of a fresh process."""
    options = ["--learners", str(n_learners), "--peak", name]
    command = [sys.executable, "-m", "benchmarks.period", *options]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(name: str, n_learners: int) -> None:
    setting = Setting.draw(n_learners)
    setting.gradient(setting.start, 0)
    print(measure_added_bytes(partial(WAYS[name], setting)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="One period of meta-training against its floor, on one thread."
    )
    parser.add_argument("--learners", type=int, default=1, help="learners side by side")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--peak", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        print_peak(options.peak, options.learners)
    else:
        compare(options.learners, options.rounds, options.json)


def compare(n_learners: int, n_rounds: int, target: Path | None) -> None:
    """Print the table of all ways and of the floor, and write it."""
    peaks = {name: measure_peak(name, n_learners) // n_learners for name in WAYS}
    setting = Setting.draw(n_learners)
    difference = check_agreement(setting)
    seconds = measure(setting, n_rounds)

    floor = seconds["matrix products"]
    plain = seconds["plain unroll"]
    rows = {}
    for name, seconds_of_way in seconds.items():
        rows[name] = {
            "seconds": asdict(Spread.of(seconds_of_way)),
            "over_matrix_products": asdict(Spread.of(divide(seconds_of_way, floor))),
            "speedup_over_plain_unroll": asdict(Spread.of(divide(plain, seconds_of_way))),
            "peak_bytes_per_learner": peaks.get(name),
        }

    print_table(rows, n_learners, n_rounds, difference)
    if target:
        figures = {
            "learners": n_learners,
            "p": P,
            "steps": N_STEPS,
            "rounds": n_rounds,
            "flops": Products.draw(setting).flops,
            "meta_gradient_difference": difference,
            "rows": rows,
        }
        write_json(target, figures)


def print_table(rows: dict[str, Any], n_learners: int, n_rounds: int, difference: float) -> None:
    print(
        f"One period of {N_STEPS} steps, {n_learners} × p = {P}, one thread; "
        f"medians of {n_rounds} rounds (range)."
    )
    print(f"The meta-gradients agree to {difference:.0e}.\n")
    print(_COLUMNS.format("", *_HEAD))
    for name, row in rows.items():
        spreads = [row["seconds"], row["over_matrix_products"], row["speedup_over_plain_unroll"]]
        peak = row["peak_bytes_per_learner"]
        mebibytes = "" if peak is None else f"{peak / 2**20:.0f}"
        print(_COLUMNS.format(name, *map(format_spread, spreads), mebibytes))


def format_spread(spread: dict[str, float]) -> str:
    return f"{spread['median']:.2f} ({spread['least']:.2f}–{spread['most']:.2f})"


if __name__ == "__main__":
    main()
