"""Evaluation: learned optimizers beside tuned baselines, on paired starts and minibatches.

What is run stands in `meta_trainer.specs.suites` and `.baselines` (a new suite is one file and one
line, a new baseline one line); this package runs it.

    data.py           what the learners of a suite are trained and tested on
    contestants.py    the optimizers that are compared; baselines.py runs torch.optim's on many
                      learners at once, untuned.py those of packages at their defaults
    plan.py           which cells an evaluation is made of, and which rows they go to
    plan_run.py       tune, run, keep; cell_queue.py hands cells to a runner
    cells.py          the units of work that a runner carries out; testing.py, timing.py, tuning.py
                      are what they do
    tuning_cache.py   rates, and outcomes.py what became of starts, kept by content
    report.py         what came out; ablation.py what the versions of an ablation differ in
    reporting/        tables, pictures and pages of a report: imports the rest, never the reverse
    repeats.py        starts of a report, run once more; __main__.py is the command

`evaluate` puts these together.
"""

from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.evaluate import evaluate
from meta_trainer.evaluation.outcomes import OutcomeCache
from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.tuning_cache import TuningCache

__all__ = ["EvaluationData", "OutcomeCache", "Report", "TuningCache", "evaluate"]
