"""Evaluation: learned optimizers beside tuned baselines, on paired starts and minibatches.

    suites/        what is run: tasks, and the paper's own figures (a new suite is one file and one line)
    baselines.py   torch.optim's optimizers on many learners at once (a new one is one line)
    tuning.py      the rate of each baseline on each task, found on other starts, kept by content
    cells.py       the units of work that a runner carries out; schedule.py hands them to it
    report.py      what came out, as JSON; tables.py as Markdown and HTML, figures.py as a picture

`evaluate` puts these together.
"""

from meta_trainer.evaluation.evaluate import evaluate
from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.tuning import TuningCache

__all__ = ["Report", "TuningCache", "evaluate"]
