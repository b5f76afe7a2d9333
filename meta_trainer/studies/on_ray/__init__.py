"""Ray Tune carries out the trials: it places them on nodes, runs them side by side, stops them
early, tries again.

What Tune is asked for is execution. Which trial is next, and what is known of all of them, is the
conductor's matter, so that nothing is read back from the files that Tune writes, which are pickles.

    run.py         a study from its first trial to its last one
    trainable.py   a trial as Tune runs it, in a process of its own
    desk.py        where trials ask, as an actor
    messages.py    what Tune and the conductor tell each other
    schedulers.py  Tune's stopping rules, rebuilt from the ledger

No other file of studies imports Ray.
"""

from meta_trainer.studies.on_ray.run import run_trials
from meta_trainer.studies.on_ray.trainable import Tools

__all__ = ["Tools", "run_trials"]
