"""A report as Markdown and as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Final

from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.pictures import Picture
from meta_trainer.evaluation.reporting.tables import Table, introduction, tables
from meta_trainer.specs.suites import ALL


def markdown(report: Report, pictures: Sequence[Picture]) -> str:
    """The report for terminals, issues and READMEs; the pictures are expected beside it."""
    return markdown_page(report.suite.title, introduction(report), tables(report), pictures)


def html(report: Report, pictures: Sequence[Picture]) -> str:
    """The same as a page, with the pictures inside."""
    return html_page(report.suite.title, introduction(report), tables(report), pictures)


def markdown_page(
    title: str, texts: Sequence[str], tables: Sequence[Table], pictures: Sequence[Picture]
) -> str:
    """Any report: what is said first, the main table, pictures, the other tables."""
    main, *others = (f"## {table.caption}\n\n{_markdown_table(table)}" for table in tables)
    images = [f"![{picture.description}]({picture.name})" for picture in pictures]
    return "\n\n".join([f"# {title}", *texts, main, *images, *others]) + "\n"


def html_page(
    title: str, texts: Sequence[str], tables: Sequence[Table], pictures: Sequence[Picture]
) -> str:
    """The same as one page that needs nothing else."""
    main, *others = (f"<h2>{escape(table.caption)}</h2>\n{_html_table(table)}" for table in tables)
    heading = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(text)}</p>" for text in texts)]
    body = "\n".join([*heading, main, *map(_image, pictures), *others])
    return _PAGE.substitute(title=escape(title), body=body)


def markdown_of_sections(reports: Mapping[str, Report], left_out: Mapping[str, str]) -> str:
    """Several reports on one page; the pictures of each are expected in a folder of its name."""
    parts = [f"# {ALL.title}"]
    for name, report in reports.items():
        parts += [f"## {report.suite.title} (`{name}`)", *introduction(report)]
        parts += [f"### {table.caption}\n\n{_markdown_table(table)}" for table in tables(report)]
        parts += [f"![{picture.description}]({name}/{picture.name})" for picture in report.pictures]
    if left_out:
        parts += [
            "## Left out",
            "\n".join(f"- `{name}`: {reason}" for name, reason in left_out.items()),
        ]
    return "\n\n".join(parts) + "\n"


def html_of_sections(reports: Mapping[str, Report], left_out: Mapping[str, str]) -> str:
    """The same as one page that needs nothing else."""
    parts = [f"<h1>{escape(ALL.title)}</h1>"]
    for name, report in reports.items():
        parts.append(f'<h2 id="{escape(name)}">{escape(report.suite.title)}</h2>')
        parts += [f"<p>{escape(text)}</p>" for text in introduction(report)]
        parts += [
            f"<h3>{escape(table.caption)}</h3>\n{_html_table(table)}" for table in tables(report)
        ]
        parts += map(_image, report.pictures)
    if left_out:
        reasons = (
            f"<li>{escape(name)}: {escape(reason)}</li>" for name, reason in left_out.items()
        )
        parts += ["<h2>Left out</h2>", f"<ul>{''.join(reasons)}</ul>"]
    return _PAGE.substitute(title=escape(ALL.title), body="\n".join(parts))


def _image(picture: Picture) -> str:
    source = f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
    return f'<img alt="{escape(picture.description)}" src="{source}">'


def _markdown_table(table: Table) -> str:
    lines = [table.header, ["---"] * len(table.header)]
    lines += [
        [f"**{cell.text}**" if cell.bold else cell.text for cell in row] for row in table.rows
    ]
    return "\n".join(
        "| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines
    )


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    rows = []
    for row in table.rows:
        cells = (f"<b>{escape(cell.text)}</b>" if cell.bold else escape(cell.text) for cell in row)
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    body = "\n".join(rows)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


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
