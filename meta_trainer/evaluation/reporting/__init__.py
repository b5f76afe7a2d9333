"""What an evaluation shows: tables, pictures and pages made of its report.

Everything that is shown is made of `results.json`, so that it can be made again from that file.

    results.py        the file; origin.py says where a report comes from
    drawn_report.py   a report as it is shown, with its pictures
    tables.py         tables; ratios.py are those beside baselines that nobody tunes;
                      introduction.py is what is said above them
    pages.py          Markdown and HTML; latex.py tables for a paper
    pictures.py       which pictures there are: curves.py over steps, charts.py of final values
    files.py          all files of a report; rebuild.py makes them again from results.json
    regions.py        what other pages quote of reports: overviews.py makes it, __main__.py is the
                      command; joining.py reads a report by its name, with the baselines of another
    result_json.py    the whole of a report as JSON; summary.py in short, as a version keeps it
    suite_all.py      the suite `all`: many reports, one page
"""

from meta_trainer.evaluation.reporting.drawn_report import DrawnReport, draw_report
from meta_trainer.evaluation.reporting.files import build_report_files
from meta_trainer.evaluation.reporting.origin import Origin
from meta_trainer.evaluation.reporting.result_json import report_to_json
from meta_trainer.evaluation.reporting.suite_all import evaluate_sections
from meta_trainer.evaluation.reporting.summary import summarize_report

__all__ = [
    "DrawnReport",
    "Origin",
    "build_report_files",
    "draw_report",
    "evaluate_sections",
    "report_to_json",
    "summarize_report",
]
