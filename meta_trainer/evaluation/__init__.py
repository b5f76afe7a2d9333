"""Evaluation: learned optimizers beside tuned baselines, on paired starts and minibatches.

What is run stands in `meta_trainer.specs.suites` and `.baselines` (a new suite is one file and one
line, a new baseline one line); this package runs it.

    data.py        what the learners of a suite are trained and tested on
    baselines.py   torch.optim's optimizers on many learners at once
    tuning.py      tuned rates of each task, found on other starts, kept by content
    plan.py        which cells an evaluation is made of, and which rows they go to
    cells.py       the units of work that a runner carries out; schedule.py hands them to it
    outcomes.py    what became of starts, kept by content (kept.py: files by content)
    testing.py     loss and accuracies on the test split
    timing.py      seconds per update
    report.py      what came out, as JSON; tables.py as tables, pages.py as Markdown and HTML; summary.py in short
    ablation.py    what the versions of an ablation differ in; sections.py the suite `all`
    figures.py     loss curves; charts.py the other pictures

`evaluate` puts these together.
"""

from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.evaluate import evaluate
from meta_trainer.evaluation.outcomes import OutcomeCache
from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.suite_all import evaluate_sections
from meta_trainer.evaluation.reporting.summary import summary
from meta_trainer.evaluation.tuning import TuningCache

__all__ = [
    "EvaluationData",
    "OutcomeCache",
    "Report",
    "TuningCache",
    "evaluate",
    "evaluate_sections",
    "summary",
]
