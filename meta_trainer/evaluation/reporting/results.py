"""The file `results.json` beside every page: all that the page and its pictures are made of.

Of every start and cell it has the final loss, losses at a few steps, the rate and the seed; start i
of a task is named by (seed, `evaluation/STREAM`, i), see `meta_trainer.seeds`. Numbers are rounded,
and the more rows a report has, the fewer steps are kept, so that the file stays small.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import torch
from hyperadam.rates import Rate
from torch import Tensor

from meta_trainer.evaluation.ablation import Variant
from meta_trainer.evaluation.curve import Curve
from meta_trainer.evaluation.rate_trials import rate_at
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting.origin import Origin
from meta_trainer.evaluation.statistics import crowd_steps
from meta_trainer.evaluation.tuning import Trial, Tuned
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import SUITES, Suite

FORMAT_VERSION: Final = 1
LARGEST: Final = 100_000
"""Bytes that a file has at most, if its final losses alone leave so much room."""


class _Detail(NamedTuple):
    """How much of curves is kept."""

    n_means: int
    """Steps of mean curves."""
    n_losses: int
    """Steps at which every start's loss is kept, the last among them."""


_DETAILS: Final = (
    _Detail(48, 12),
    _Detail(32, 8),
    _Detail(24, 5),
    _Detail(16, 4),
    _Detail(12, 3),
    _Detail(8, 2),
    _Detail(8, 1),
)


class Results(NamedTuple):
    """What a file says."""

    report: Report
    origin: Origin | None


def encode_results(report: Report, origin: Origin | None) -> bytes:
    """The file's content, in as much detail as fits."""
    data = b""
    for detail in _DETAILS:
        data = _encode(report, origin, detail)
        if len(data) < LARGEST:
            break
    return data


def decode_results(data: bytes, suite: Suite | None = None) -> Results:
    """The inverse of `encode_results`, up to what is rounded and left out.

    Args:
        suite: None: the one of the name that the file says.

    Raises:
        ValueError: not such a file, or one of another version.
    """
    content = json.loads(data)
    if not isinstance(content, dict) or content.get("format") != FORMAT_VERSION:
        raise ValueError(f"results.json must have format {FORMAT_VERSION}")
    try:
        return _decode(content, suite)
    except (KeyError, TypeError) as error:
        raise ValueError(f"results.json is not complete: {error!r}") from error


def _encode(report: Report, origin: Origin | None, detail: _Detail) -> bytes:
    head: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "title": report.suite.title,
        "origin": origin.to_json() if origin else None,
        "spec": report.spec.model_dump(mode="json"),
        "dataset": report.dataset,
        "dataset_sha256": report.dataset_fingerprint,
        "variants": {
            name: [variant.position, variant.label] for name, variant in report.variants.items()
        },
        "unknown_starts": dict(report.unknown_starts),
        "streams": {task.name: task.stream for task in report.spec.tasks},
        "optimizers": _optimizers_to_json(report),
        "steps": {task: _steps_to_json(report, task, detail) for task in report.tasks},
    }
    lines = [f"{json.dumps(name)}: {_dump(value)}" for name, value in head.items()]
    steps = head["steps"]
    rows = ",\n".join(_dump(_row_to_json(row, steps[row.task])) for row in report.rows)
    lines.append(f'"rows": [\n{rows}\n]')
    body = ",\n".join(lines)
    return f"{{\n{body}\n}}\n".encode()


def _dump(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _optimizers_to_json(report: Report) -> dict[str, Any]:
    """What is the same on all tasks: α is each row's own."""
    optimizers = {}
    for row in report.rows:
        knobs = {name: value for name, value in row.rate.to_fields().items() if value}
        del knobs["lr"]
        optimizers[row.optimizer] = {"kind": row.kind, "learned": row.learned, "rate": knobs}
    return optimizers


def _steps_to_json(report: Report, task: str, detail: _Detail) -> dict[str, list[int]]:
    """The steps of a task whose losses are kept."""
    n_steps = len(report.of_task(task)[0].curves)
    if not n_steps:
        return {"curve": [], "losses": []}
    return {
        "curve": crowd_steps(n_steps, detail.n_means).tolist(),
        # Without the first, at which all optimizers have the same losses.
        "losses": crowd_steps(n_steps, detail.n_losses + 1)[1:].tolist(),
    }


def _row_to_json(row: Row, steps: Mapping[str, list[int]]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "task": row.task,
        "optimizer": row.optimizer,
        "rate": row.rate.lr,
        "finals": _round_all(row.finals, 5),
    }
    if len(row.curves):
        curve = Curve.at(torch.tensor(steps["curve"]), row.curves)
        content["means"] = [_round(mean, 4) for mean in curve.means]
        content["errors"] = [_round(error, 2) for error in curve.errors]
        content["losses"] = [_round_all(row.curves[step], 3) for step in steps["losses"]]
    if row.test is not None:
        content["test"] = [_round_all(measures, 5) for measures in row.test]
    if row.tuned is not None:
        content["tuning"] = _tuned_to_json(row.tuned)
    return content


def _tuned_to_json(tuned: Tuned) -> dict[str, Any]:
    """Rates by their places in the grid, 2^(k/2)."""
    return {
        "on_edge": tuned.on_edge,
        "n_starts": tuned.n_starts,
        "trials": _trials_to_json(tuned.trials),
        "settled": _trials_to_json(tuned.settled),
    }


def _trials_to_json(trials: Sequence[Trial]) -> list[list[float | None]]:
    """The places, then the losses."""
    places: list[float | None] = [round(2 * math.log2(rate)) for rate, _ in trials]
    return [places, [_round(loss, 3) for _, loss in trials]]


def _tuned_from_json(content: Mapping[str, Any], rate: float) -> Tuned:
    return Tuned(
        rate=rate,
        on_edge=content["on_edge"],
        trials=_trials_from_json(content["trials"]),
        settled=_trials_from_json(content["settled"]),
        n_starts=content["n_starts"],
    )


def _trials_from_json(trials: tuple[list[int], list[float | None]]) -> tuple[Trial, ...]:
    places, losses = trials
    return tuple(zip(map(rate_at, places), losses, strict=True))


def _round_all(values: Tensor, n_digits: int) -> list[float | None]:
    return [_round(value, n_digits) for value in values.tolist()]


def _round(value: float | None, n_digits: int) -> float | None:
    """To so many significant digits; None for what is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{n_digits}g}")


def _decode(content: Mapping[str, Any], suite: Suite | None) -> Results:
    spec = EvaluationSpec.model_validate(content["spec"])
    variants = content["variants"].items()
    steps = content["steps"]
    optimizers = content["optimizers"]
    rows = [
        _row_from_json(row, optimizers[row["optimizer"]], steps[row["task"]]["curve"])
        for row in content["rows"]
    ]
    origin = Origin.from_json(content["origin"]) if content["origin"] else None
    report = Report(
        spec=spec,
        suite=suite or SUITES[spec.suite],
        dataset=content["dataset"],
        dataset_fingerprint=content["dataset_sha256"],
        rows=rows,
        variants={name: Variant(position, label) for name, (position, label) in variants},
        unknown_starts=content["unknown_starts"],
        kernels=origin.kernels if origin else {},
    )
    return Results(report, origin)


def _row_from_json(
    row: Mapping[str, Any], optimizer: Mapping[str, Any], curve_steps: Sequence[int]
) -> Row:
    finals = _to_tensor(row["finals"])
    has_curve = len(curve_steps) > 0
    return Row(
        task=row["task"],
        optimizer=row["optimizer"],
        kind=optimizer["kind"],
        learned=optimizer["learned"],
        rate=Rate(lr=row["rate"], **optimizer["rate"]),
        finals=finals,
        curves=_stack(row["losses"] if has_curve else [], len(finals)),
        stored_curve=Curve(curve_steps, row["means"], row["errors"]) if has_curve else None,
        test=_stack(row["test"], 3) if "test" in row else None,
        tuned=_tuned_from_json(row["tuning"], row["rate"]) if "tuning" in row else None,
    )


def _stack(rows: Sequence[Sequence[float | None]], n_columns: int) -> Tensor:
    if not rows:
        return torch.empty(0, n_columns, dtype=torch.float64)
    return torch.stack([_to_tensor(row) for row in rows])


def _to_tensor(values: Sequence[float | None]) -> Tensor:
    numbers = [math.nan if value is None else value for value in values]
    return torch.tensor(numbers, dtype=torch.float64)
