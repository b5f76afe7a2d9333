"""What an evaluation shows: tables, pictures and pages made of its report.

files.py          all files of a report
result_json.py    the whole of it as JSON; summary.py in short, as a version keeps it
tables.py         tables, introduction.py what is said above them
pages.py          Markdown and HTML
pictures.py       which pictures there are: curves.py over steps, charts.py of final values
suite_all.py      the suite `all`: many reports, one page
"""

from meta_trainer.evaluation.reporting.files import build_report_files
from meta_trainer.evaluation.reporting.pictures import DrawnReport, draw_report
from meta_trainer.evaluation.reporting.result_json import report_to_json
from meta_trainer.evaluation.reporting.suite_all import evaluate_sections
from meta_trainer.evaluation.reporting.summary import summarize_report

__all__ = [
    "DrawnReport",
    "build_report_files",
    "draw_report",
    "evaluate_sections",
    "report_to_json",
    "summarize_report",
]
