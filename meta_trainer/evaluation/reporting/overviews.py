"""What other pages quote of reports: tables made of one `results.json` or several.

They are about the first optimizer of each evaluation. Differences are paired, in parts of what they
are differences to, and judged by the rule of all reports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from hyperadam.names import split_ref

from meta_trainer.evaluation.report import Difference, Report, Row, count_verdicts
from meta_trainer.evaluation.reporting.numbers import format_counts, format_mean, format_relative
from meta_trainer.evaluation.reporting.pages import render_markdown_table
from meta_trainer.evaluation.reporting.results import Results
from meta_trainer.evaluation.reporting.table import Table, Text

_PAPERS_OWN: Final = "HyperAdam"


class Quoted(NamedTuple):
    """A report that a page quotes."""

    name: str
    """Of its folder."""
    link: str
    """From the page to the report's own."""
    results: Results
    baselines: str = ""
    """Whose they are, with a link; empty: its own."""


def render_tasks(reports: Sequence[Quoted]) -> str:
    """A row for each task: final loss and the best tuned baseline; what meta-training added where
    its start was run, and the paper's own figure where the tasks are the paper's."""
    subject = _find_subject(reports)
    has_untrained = any(quoted.results.report.has_untrained for quoted in reports)
    has_paper = any(quoted.results.report.paper for quoted in reports)
    header = ["task", f"`{subject}`", "best tuned baseline", "paired difference", "verdict"]
    if has_untrained:
        header += ["itself, untrained", "gained by meta-training", "verdict"]
    if has_paper:
        header.append(f"paper’s {_PAPERS_OWN}")
    rows = [
        _tabulate_task(
            quoted.results.report, task, has_untrained=has_untrained, has_paper=has_paper
        )
        for quoted in reports
        for task in quoted.results.report.tasks
    ]
    return render_markdown_table(Table("", header, rows))


def render_suites(reports: Sequence[Quoted]) -> str:
    """A row for each report: how many tasks are won, tied and lost, and the smallest and largest
    difference."""
    header = [
        "report",
        "optimizer",
        "starts",
        "won / tied / lost to the best tuned baseline",
        "paired differences",
    ]
    has_untrained = any(quoted.results.report.has_untrained for quoted in reports)
    if has_untrained:
        header += ["to itself, untrained", "paired differences"]
    rows = [_tabulate_suite(quoted, has_untrained=has_untrained) for quoted in reports]
    return render_markdown_table(Table("", header, rows))


def render_origins(reports: Sequence[Quoted]) -> str:
    """A row for each report: what made it, of which Θ, when."""
    rows = [row for quoted in reports for row in _tabulate_origin(quoted)]
    return render_markdown_table(Table("", ["report", "command", "date", "Θ, sha256"], rows))


VIEWS: Final[Mapping[str, Callable[[Sequence[Quoted]], str]]] = {
    "tasks": render_tasks,
    "suites": render_suites,
    "origins": render_origins,
}
"""By the names that pages ask for them."""


def _find_subject(reports: Sequence[Quoted]) -> str:
    """The optimizer that a table of tasks is about.

    Raises:
        ValueError: they are about several.
    """
    subjects = {_name_subject(quoted.results.report) for quoted in reports}
    if len(subjects) > 1:
        names = ", ".join(sorted(subjects))
        raise ValueError(f"one table of tasks must be about one optimizer, got {names}")
    return subjects.pop()


def _name_subject(report: Report) -> str:
    name, _ = split_ref(report.spec.optimizers[0])
    return name


def _find_row(report: Report, task: str) -> Row:
    subject = report.spec.optimizers[0]
    return next(row for row in report.of_task(task) if row.optimizer == subject)


def _tabulate_task(
    report: Report, task: str, *, has_untrained: bool, has_paper: bool
) -> list[Text]:
    row = _find_row(report, task)
    to_baseline = report.compare_with_best_baseline(row)
    is_won = to_baseline is not None and to_baseline.verdict == "win"
    cells = [
        Text(task),
        Text(_write_final(row), bold=is_won),
        *_write_comparison(to_baseline, with_name=True),
    ]
    if has_untrained:
        cells += _write_comparison(report.compare_with_untrained(row), with_name=False)
    if has_paper:
        published = report.paper.get(task, {}).get(_PAPERS_OWN)
        cells.append(Text("–" if published is None else f"{published:.2f}"))
    return cells


def _write_comparison(difference: Difference | None, *, with_name: bool) -> list[Text]:
    """The other's loss, the difference to it and its verdict."""
    if difference is None:
        return [Text("–"), Text("–"), Text("–")]
    other = difference.other
    is_lost = difference.verdict == "loss"
    name = f" ({other.optimizer})" if with_name else ""
    return [
        Text(f"{_write_final(other)}{name}", bold=is_lost),
        Text(_write_relative(difference)),
        Text(difference.verdict),
    ]


def _write_final(row: Row) -> str:
    diverged = f", {row.n_diverged} of {len(row.finals)} diverged" if row.n_diverged else ""
    return format_mean(row.final) + diverged


def _write_relative(difference: Difference) -> str:
    """With its standard error."""
    relative = difference.relative
    if relative is None or math.isnan(difference.paired.stderr):
        return format_relative(relative)
    error = difference.paired.stderr / abs(difference.other.final.mean)
    return f"{format_relative(relative)} ± {error:.1%}"


def _tabulate_suite(quoted: Quoted, *, has_untrained: bool) -> list[Text]:
    report = quoted.results.report
    rows = [_find_row(report, task) for task in report.tasks]
    to_baselines = [report.compare_with_best_baseline(row) for row in rows]
    beside = f", beside the baselines of {quoted.baselines}" if quoted.baselines else ""
    cells = [
        Text(f"[{quoted.name}]({quoted.link}): {report.suite.title}{beside}"),
        Text(f"`{_name_subject(report)}`"),
        Text(str(report.spec.n_starts)),
        *_count(to_baselines),
    ]
    if has_untrained:
        cells += _count([report.compare_with_untrained(row) for row in rows])
    return cells


def _count(differences: Sequence[Difference | None]) -> list[Text]:
    """Verdicts, and how far apart the differences lie."""
    if not any(differences):
        return [Text("–"), Text("–")]
    return [Text(format_counts(count_verdicts(differences))), Text(_write_range(differences))]


def _write_range(differences: Sequence[Difference | None]) -> str:
    """The lowest and the highest."""
    relatives = [each.relative for each in differences if each is not None]
    known = [relative for relative in relatives if relative is not None]
    if not known:
        return "–"
    if len(known) == 1:
        return format_relative(known[0])
    return f"{format_relative(min(known))} to {format_relative(max(known))}"


def _tabulate_origin(quoted: Quoted) -> list[list[Text]]:
    """A row for each Θ.

    Raises:
        ValueError: the file does not say where it comes from.
    """
    origin = quoted.results.origin
    if origin is None:
        raise ValueError(f"{quoted.name}: results.json does not say where it comes from")
    return [
        [
            Text(f"[{quoted.name}]({quoted.link})"),
            Text(f"`{origin.command}`"),
            Text(origin.date),
            Text(f"{reference} `{sha256[:16]}`"),
        ]
        for reference, sha256 in origin.thetas.items()
    ]
