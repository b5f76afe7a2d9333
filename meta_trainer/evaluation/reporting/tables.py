"""The tables of a report, and what is said above them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from hyperadam.rates import Rate

from meta_trainer.evaluation.report import Report, Row, relative
from meta_trainer.evaluation.statistics import Estimate


@dataclass(frozen=True)
class Text:
    """The content of one cell of a table."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """Rows below a header."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Text]]


def introduction(report: Report) -> list[str]:
    """What was measured and how, in two paragraphs."""
    spec = report.spec
    seeds = f"Seed {spec.seed}; dataset sha256 {report.dataset_fingerprint[:16]}."
    if _is_timing(report):
        what = (
            f"Time per update once the gradient is there, on one thread: mean ± standard error over {spec.n_starts} "
            f"repeats of {spec.horizon} updates each, the optimizers in turn. Lowest in bold."
        )
        how = f"Baselines are those of torch.optim as they come. The figures are of this machine. {seeds}"
        return [what, how]
    horizons = sorted({task.horizon for task in spec.tasks})
    what = (
        f"Final loss after {' or '.join(map(str, horizons))} steps on {report.dataset}: mean ± standard error over "
        f"{spec.n_starts} random starts, the same starts and minibatches for every optimizer. The final loss of a run "
        "is the mean loss at its last weights over all minibatches that it saw. Lowest in bold."
    )
    if spec.quick:
        what += " This is the quick size, with minibatches of 16: good only to see that everything works."
        if report.suite.also_on:
            others = sorted({name for names in report.suite.also_on.values() for name in names})
            what += f" It leaves out {', '.join(others)}, which the full size runs on too."
    also = ", and beside it at one tuned in the same way (“α tuned”)" if spec.tune_learned else ""
    how = (
        f"The rate of each baseline was tuned for each task on {spec.n_tuning_starts} other starts; learned optimizers "
        f"run at their own rate everywhere{also}. {_schedules(report)}{seeds}"
    )
    return [what, how]


def _schedules(report: Report) -> str:
    """Whose rates change, by how much and when: sentences, each with a space; empty where none
    does."""
    sentences = []
    for knob in fields(Rate):
        numbers = {row.optimizer: getattr(row.rate, knob.name) for row in report.rows}
        users = [f"{optimizer} ({number})" for optimizer, number in numbers.items() if number]
        if "report" in knob.metadata and users:
            sentences.append(knob.metadata["report"].format(", ".join(users)))
    return "".join(sentences)


def tables(report: Report) -> list[Table]:
    """The main one first."""
    measured = [_on_test(report)] if report.suite.with_test else []
    return [
        _finals(report),
        *measured,
        _ratios(report) if _is_timing(report) else _comparison(report),
    ]


def _is_timing(report: Report) -> bool:
    return report.suite.measure == "seconds per update"


def _finals(report: Report) -> Table:
    """Like the paper's: a row for each task, a column for each optimizer, the paper's own columns
    last."""
    paper, optimizers, timing = report.suite.paper, report.optimizers, _is_timing(report)
    authors = list(dict.fromkeys(name for values in paper.values() for name in values))
    rows = []
    for task in report.tasks:
        of = {row.optimizer: row for row in report.of_task(task)}
        texts = {
            name: _milliseconds(row.final) if timing else _final(row) for name, row in of.items()
        }
        cells = [Text(texts[name], of[name] is report.best(task)) for name in optimizers]
        published = [paper.get(task, {}).get(name) for name in authors]
        rows.append([Text(task), *cells, *(Text(_published(report, value)) for value in published)])
    source = f" (columns “paper”: {report.suite.paper_source})" if authors else ""
    caption = "Time per update" if timing else "Final losses"
    return Table(
        f"{caption}{source}",
        ["task", *map(report.label, optimizers), *(f"paper: {name}" for name in authors)],
        rows,
    )


def _published(report: Report, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{1e3 * value:.2f} ms" if _is_timing(report) else f"{value:.2f}"


def _milliseconds(seconds: Estimate) -> str:
    return f"{1e3 * seconds.mean:.3f} ± {1e3 * seconds.stderr:.3f} ms"


def _on_test(report: Report) -> Table:
    """A row for each task and optimizer, the paper's own below ours."""
    rows = [row for task in report.tasks for row in _test_rows(report, task)]
    caption = f"On the test split (rows “paper”: {report.suite.paper_source})"
    return Table(caption, ["task", "optimizer", "test loss", "top-1", "top-2"], rows)


def _test_rows(report: Report, task: str) -> Iterator[list[Text]]:
    for row in report.of_task(task):
        measures = row.test_measures
        shares = [_percent(measures[name]) for name in ("top1", "top2")]
        yield [
            Text(task),
            Text(report.label(row.optimizer)),
            Text(_plus_minus(measures["loss"])),
            *map(Text, shares),
        ]
    for name, figures in report.suite.paper_test.get(task, {}).items():
        texts = (f"{figures.loss:.2f}", f"{figures.top1:.2%}", f"{figures.top2:.2%}")
        yield [Text(task), Text(f"paper: {name}"), *map(Text, texts)]


def _percent(estimate: Estimate) -> str:
    if math.isnan(estimate.mean):
        return "diverged"
    return f"{estimate.mean:.2%}" + (
        "" if math.isnan(estimate.stderr) else f" ± {estimate.stderr:.2%}"
    )


def _ratios(report: Report) -> Table:
    rows = []
    for row in report.rows:
        ratio = report.ratio(row)
        rows.append(
            [Text(row.task), Text(row.optimizer), Text(f"× {ratio.mean:.3g}" if ratio else "–")]
        )
    return Table(
        "Time of an update beside torch.optim.Adam's", ["task", "optimizer", "ratio"], rows
    )


def _comparison(report: Report) -> Table:
    header = [
        "task",
        "optimizer",
        "rate",
        "final loss",
        "diverged",
        "against the best tuned baseline",
        "relative",
    ]
    return Table(
        "Paired differences", header, [_comparison_row(report, row) for row in report.rows]
    )


def _comparison_row(report: Report, row: Row) -> list[Text]:
    difference, best = report.difference(row), row is report.best(row.task)
    fraction = relative(row, difference)
    against = f"{_signed(difference[1])} to {difference[0].optimizer}" if difference else "–"
    rate = f"{row.rate.lr:.3g}{' (edge)' if row.tuned and row.tuned.on_edge else ''}"
    return [
        Text(row.task),
        Text(report.label(row.optimizer), best),
        Text(rate),
        Text(_plus_minus(row.final), best),
        Text(f"{row.n_diverged} of {len(row.finals)}" if row.n_diverged else "0"),
        Text(against),
        Text(
            "–"
            if fraction is None
            else f"{fraction:+.1%}"
            if fraction < 10
            else f"× {fraction + 1:.3g}"
        ),
    ]


def _final(row: Row) -> str:
    return _plus_minus(row.final) + (f" ({row.n_diverged} diverged)" if row.n_diverged else "")


def _plus_minus(estimate: Estimate) -> str:
    if math.isnan(estimate.mean):
        return "diverged"
    return _number(estimate.mean) + (
        "" if math.isnan(estimate.stderr) else f" ± {_number(estimate.stderr)}"
    )


def _signed(estimate: Estimate) -> str:
    return ("+" if estimate.mean > 0 else "") + _plus_minus(estimate)


def _number(value: float) -> str:
    return f"{value:.4f}" if 5e-4 <= abs(value) < 1e4 or not value else f"{value:.2e}"
