"""Hyperparameter studies: many meta-trainings, proposed by Optuna, placed and stopped early by Ray
Tune.

What is asked stands in `meta_trainer.specs.study`; this package carries it out.

    study.py           all of it as a job
    conductor.py       which trial begins when, and what becomes of those that run
    ledger.py          what is known of every trial, durable as JSON in the study's run
    limits.py          how many trials; control.py: what people changed while the study runs
    search.py          the next trial: a pure function of the spec and the ledger
    optuna_space.py    the space in the terms of Optuna
    trial.py           one trial: an ordinary meta-training that pauses at every validation
    trial_recorder.py  the recorder of its run; trial_score.py: its score on a suite
    on_ray/            Ray Tune runs the trials (the only place that imports it)
    objective.py       what is minimized
    analysis.py        leaderboard, importance, what stopping saved
    report.py          the same as JSON, CSV, Markdown and HTML
    page.py            words and tables of the report
    pictures.py        its pictures; axes.py: their axes

The ledger is the only state of a study that matters.
"""
