"""The tables of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meta_trainer.evaluation.report import Difference, Report, Row, count_verdicts
from meta_trainer.evaluation.reporting.numbers import (
    format_counts,
    format_difference,
    format_mean,
    format_milliseconds,
    format_percent,
    format_relative,
)
from meta_trainer.evaluation.reporting.origin import Origin
from meta_trainer.evaluation.reporting.ratios import tabulate_over_tuned, tabulate_ratios_over_tasks
from meta_trainer.evaluation.reporting.table import Table, Text


def build_tables(report: Report) -> list[Table]:
    """The main one first."""
    tables = [_tabulate_finals(report)]
    if report.suite.with_test:
        tables.append(_tabulate_test(report))
    if report.is_timing:
        return [*tables, _tabulate_ratios(report)]
    if report.untuned_baselines:
        tables += [tabulate_over_tuned(report), tabulate_ratios_over_tasks(report)]
    verdicts = _tabulate_verdicts(report)
    if verdicts.rows:
        tables.append(verdicts)
    if report.has_untrained:
        tables.append(_tabulate_gains(report))
    return [*tables, _tabulate_differences(report)]


def _tabulate_finals(report: Report) -> Table:
    """Like the paper's: a row for each task, a column for each optimizer, the paper's own columns
    last."""
    authors = _list_authors(report)
    source = f" (columns “paper”: {report.suite.paper_source})" if authors else ""
    caption = "Time per update" if report.is_timing else "Final losses"
    optimizers = _list_main_optimizers(report)
    labels = [report.label(optimizer) for optimizer in optimizers]
    header = ["task", *labels, *(f"paper: {author}" for author in authors)]
    rows = [_tabulate_task(report, task, optimizers, authors) for task in report.tasks]
    name = "seconds" if report.is_timing else "final-losses"
    return Table(f"{caption}{source}", header, rows, name)


def _list_authors(report: Report) -> list[str]:
    """Whose numbers the paper has."""
    by_task = report.paper.values()
    return list(dict.fromkeys(author for numbers in by_task for author in numbers))


def _list_main_optimizers(report: Report) -> list[str]:
    """All but starts, which have a table of their own."""
    return list(dict.fromkeys(row.optimizer for row in report.rows if row.kind != "untrained"))


def _tabulate_task(
    report: Report, task: str, optimizers: Sequence[str], authors: Sequence[str]
) -> list[Text]:
    rows = {row.optimizer: row for row in report.of_task(task)}
    best = report.best(task)
    cells = [Text(task)]
    for optimizer in optimizers:
        row = rows[optimizer]
        text = format_milliseconds(row.final) if report.is_timing else _format_final(row)
        cells.append(Text(text, bold=row is best))

    published = report.paper.get(task, {})
    texts = [_format_published(report, published.get(author)) for author in authors]
    return [*cells, *map(Text, texts)]


def _format_final(row: Row) -> str:
    diverged = f" ({row.n_diverged} diverged)" if row.n_diverged else ""
    return format_mean(row.final) + diverged


def _format_published(report: Report, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{1e3 * value:.2f} ms" if report.is_timing else f"{value:.2f}"


def _tabulate_test(report: Report) -> Table:
    """A row for each task and optimizer, the paper's own below ours."""
    rows = [row for task in report.tasks for row in _tabulate_test_of(report, task)]
    source = f" (rows “paper”: {report.suite.paper_source})" if report.paper_test else ""
    caption = f"On the test split{source}"
    header = ["task", "optimizer", "test loss", "top-1", "top-2"]
    return Table(caption, header, rows, "test-split")


def _tabulate_test_of(report: Report, task: str) -> Iterator[list[Text]]:
    for row in report.of_task(task):
        measures = row.test_measures
        yield [
            Text(task),
            Text(report.label(row.optimizer)),
            Text(format_mean(measures["loss"])),
            Text(format_percent(measures["top1"])),
            Text(format_percent(measures["top2"])),
        ]
    for author, published in report.paper_test.get(task, {}).items():
        yield [
            Text(task),
            Text(f"paper: {author}"),
            Text(f"{published.loss:.2f}"),
            Text(f"{published.top1:.2%}"),
            Text(f"{published.top2:.2%}"),
        ]


def _tabulate_verdicts(report: Report) -> Table:
    """A row for each learned optimizer, a column for what it stands against."""
    kinds = {row.optimizer: row.kind for row in report.rows}
    learned = [name for name, kind in kinds.items() if kind == "learned"]
    baselines = [name for name, kind in kinds.items() if kind == "baseline"]
    header = ["optimizer"]
    if report.has_untrained:
        header.append("itself untrained")
    if baselines:
        header += ["the best tuned baseline", *baselines]
    rows = [_tabulate_verdicts_of(report, optimizer, baselines) for optimizer in learned]
    caption = "Tasks won / tied / lost against"
    return Table(caption, header, rows if len(header) > 1 else [], "verdicts")


def _tabulate_verdicts_of(report: Report, optimizer: str, baselines: Sequence[str]) -> list[Text]:
    rows = [row for row in report.rows if row.optimizer == optimizer]
    opponents: list[list[Difference | None]] = []
    if report.has_untrained:
        opponents.append([report.compare_with_untrained(row) for row in rows])
    if baselines:
        opponents.append([report.compare_with_best_baseline(row) for row in rows])
    for baseline in baselines:
        others = [row for row in report.rows if row.optimizer == baseline]
        opponents.append([Difference(row, other) for row, other in zip(rows, others, strict=True)])

    counts = [format_counts(count_verdicts(differences)) for differences in opponents]
    return [Text(report.label(optimizer)), *map(Text, counts)]


_GAINS_HEADER = (
    "task",
    "optimizer",
    "final loss",
    "untrained, the same rate",
    "untrained, α tuned",
    "gained by meta-training",
    "relative",
    "verdict",
)


def _tabulate_gains(report: Report) -> Table:
    """What meta-training added: each learned optimizer beside its own start."""
    gains = [report.compare_with_untrained(row) for row in report.rows]
    rows = [_tabulate_gain(report, gain) for gain in gains if gain is not None]
    return Table("What meta-training added", _GAINS_HEADER, rows, "gains")


def _tabulate_gain(report: Report, gain: Difference) -> list[Text]:
    row = gain.row
    starts = {
        other.tuned is not None: other
        for other in report.of_task(row.task)
        if other.kind == "untrained" and other.learned == row.learned
    }
    return [
        Text(row.task),
        Text(report.label(row.optimizer)),
        Text(_format_final(row)),
        Text(_format_final(starts[False])),
        Text(_format_final(starts[True])),
        Text(format_difference(gain.paired)),
        Text(format_relative(gain.relative)),
        Text(gain.verdict),
    ]


def _tabulate_ratios(report: Report) -> Table:
    rows = []
    for row in report.rows:
        ratio = report.compare_time(row)
        text = f"× {ratio.mean:.3g}" if ratio else "–"
        rows.append([Text(row.task), Text(row.optimizer), Text(text)])
    caption = "Time of an update beside torch.optim.Adam's"
    return Table(caption, ["task", "optimizer", "ratio"], rows, "ratios")


_DIFFERENCES_HEADER = (
    "task",
    "optimizer",
    "rate",
    "final loss",
    "diverged",
    "against the best tuned baseline",
    "relative",
    "verdict",
)


def _tabulate_differences(report: Report) -> Table:
    rows = [_tabulate_difference(report, row) for row in report.rows]
    return Table("Paired differences", _DIFFERENCES_HEADER, rows, "differences")


def _tabulate_difference(report: Report, row: Row) -> list[Text]:
    difference = report.compare_with_best_baseline(row)
    is_best = row is report.best(row.task)
    is_on_edge = row.tuned is not None and row.tuned.on_edge
    diverged = f"{row.n_diverged} of {len(row.finals)}" if row.n_diverged else "0"
    against = "–"
    if difference is not None:
        paired = format_difference(difference.paired)
        against = f"{paired} to {difference.other.optimizer}"
    return [
        Text(row.task),
        Text(report.label(row.optimizer), is_best),
        Text(f"{row.rate.lr:.3g}{' (edge)' if is_on_edge else ''}"),
        Text(format_mean(row.final), is_best),
        Text(diverged),
        Text(against),
        Text(format_relative(difference.relative if difference else None)),
        Text(difference.verdict if difference else "–"),
    ]


def tabulate_origin(origin: Origin) -> Table:
    """Where the report comes from."""
    rows = [[Text(name), Text(value)] for name, value in origin.list_facts()]
    return Table("Made by", ["what", "value"], rows)
