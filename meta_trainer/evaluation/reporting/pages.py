"""A report as Markdown and as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Final

from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.drawn_report import DrawnReport
from meta_trainer.evaluation.reporting.introduction import write_introduction
from meta_trainer.evaluation.reporting.origin import Origin
from meta_trainer.evaluation.reporting.pictures import Caption, Picture, list_captions
from meta_trainer.evaluation.reporting.table import Table, Text
from meta_trainer.evaluation.reporting.tables import build_tables, tabulate_origin
from meta_trainer.specs.suites import ALL


def render_markdown(drawn: DrawnReport) -> str:
    """The report for terminals, issues and READMEs; the pictures are expected beside it."""
    return render_markdown_of(drawn.shown, drawn.origin)


def render_markdown_of(report: Report, origin: Origin | None) -> str:
    """The same without a picture drawn."""
    texts = write_introduction(report)
    tables = _list_tables(report, origin)
    return render_markdown_page(report.suite.title, texts, tables, list_captions(report))


def render_html(drawn: DrawnReport) -> str:
    """The same as a page, with the pictures inside."""
    report = drawn.shown
    texts = write_introduction(report)
    tables = _list_tables(report, drawn.origin)
    return render_html_page(report.suite.title, texts, tables, drawn.pictures)


def _list_tables(report: Report, origin: Origin | None) -> list[Table]:
    """Those of the report, and where it comes from, if that is said."""
    tables = build_tables(report)
    return [*tables, tabulate_origin(origin)] if origin else tables


def render_markdown_page(
    title: str,
    texts: Sequence[str],
    tables: Sequence[Table],
    pictures: Sequence[Picture] | Sequence[Caption],
) -> str:
    """Any report: what is said first, the main table, pictures, the other tables."""
    main, *others = (f"## {table.caption}\n\n{render_markdown_table(table)}" for table in tables)
    images = [f"![{picture.description}]({picture.name})" for picture in pictures]
    return "\n\n".join([f"# {title}", *texts, main, *images, *others]) + "\n"


def render_html_page(
    title: str, texts: Sequence[str], tables: Sequence[Table], pictures: Sequence[Picture]
) -> str:
    """The same as one page that needs nothing else."""
    main, *others = (
        f"<h2>{escape(table.caption)}</h2>\n{_render_html_table(table)}" for table in tables
    )
    heading = [f"<h1>{escape(title)}</h1>", *_render_paragraphs(texts)]
    body = "\n".join([*heading, main, *map(_render_image, pictures), *others])
    return _PAGE.substitute(title=escape(title), body=body)


def render_markdown_of_sections(
    sections: Mapping[str, DrawnReport], left_out: Mapping[str, str]
) -> str:
    """Several reports on one page; the pictures of each are expected in a folder of its name."""
    parts = [f"# {ALL.title}"]
    for name, drawn in sections.items():
        report = drawn.shown
        parts.append(f"## {report.suite.title} (`{name}`)")
        parts += write_introduction(report)
        for table in _list_tables(report, drawn.origin):
            parts.append(f"### {table.caption}\n\n{render_markdown_table(table)}")
        for picture in drawn.pictures:
            parts.append(f"![{picture.description}]({name}/{picture.name})")

    if left_out:
        reasons = [f"- `{name}`: {reason}" for name, reason in left_out.items()]
        parts += ["## Left out", "\n".join(reasons)]
    return "\n\n".join(parts) + "\n"


def render_html_of_sections(
    sections: Mapping[str, DrawnReport], left_out: Mapping[str, str]
) -> str:
    """The same as one page that needs nothing else."""
    parts = [f"<h1>{escape(ALL.title)}</h1>"]
    for name, drawn in sections.items():
        report = drawn.shown
        parts.append(f'<h2 id="{escape(name)}">{escape(report.suite.title)}</h2>')
        parts += _render_paragraphs(write_introduction(report))
        for table in _list_tables(report, drawn.origin):
            parts.append(f"<h3>{escape(table.caption)}</h3>\n{_render_html_table(table)}")
        parts += map(_render_image, drawn.pictures)

    if left_out:
        reasons = [
            f"<li>{escape(name)}: {escape(reason)}</li>" for name, reason in left_out.items()
        ]
        parts += ["<h2>Left out</h2>", f"<ul>{''.join(reasons)}</ul>"]
    return _PAGE.substitute(title=escape(ALL.title), body="\n".join(parts))


def _render_paragraphs(texts: Sequence[str]) -> list[str]:
    return [f"<p>{escape(text)}</p>" for text in texts]


def _render_image(picture: Picture) -> str:
    source = f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
    return f'<img alt="{escape(picture.description)}" src="{source}">'


def render_markdown_table(table: Table) -> str:
    """Its rows below its header; the caption is left to the page."""
    rule = ["---"] * len(table.header)
    rows = [[f"**{cell.text}**" if cell.bold else cell.text for cell in row] for row in table.rows]
    return "\n".join(map(_render_markdown_line, [table.header, rule, *rows]))


def _render_markdown_line(texts: Sequence[str]) -> str:
    escaped = [text.replace("|", "\\|") for text in texts]
    return f"| {' | '.join(escaped)} |"


def _render_html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    rows = "\n".join(map(_render_html_row, table.rows))
    return (
        f'<div class="table"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _render_html_row(row: Sequence[Text]) -> str:
    texts = [f"<b>{escape(cell.text)}</b>" if cell.bold else escape(cell.text) for cell in row]
    cells = "".join(f"<td>{text}</td>" for text in texts)
    return f"<tr>{cells}</tr>"


_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; }
img { max-width: 100%; margin-top: 2rem; }
</style>
</head>
<body>
$body
</body>
</html>
""")
