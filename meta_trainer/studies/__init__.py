"""Hyperparameter studies: many meta-trainings, proposed by Optuna, placed and stopped early by Ray
Tune.

What is asked stands in `meta_trainer.specs.study`; this package carries it out.

    ledger.py      what is known of every trial, durable as JSON in the study's run: the only state that matters
    search.py      the next trial: a pure function of the spec and the ledger
    trial.py       one trial: an ordinary meta-training that pauses at every validation to report
    schedulers.py  Tune's stopping rules, rebuilt from the ledger
    on_ray.py      Ray Tune runs the trials (with schedulers.py the only place that imports it)
    control.py     what people may change while a study runs
    analysis.py    leaderboard, importance, what stopping saved
    pictures.py    the same, drawn; report.py: as JSON, CSV, Markdown and HTML
    study.py       all of it as a job
"""
