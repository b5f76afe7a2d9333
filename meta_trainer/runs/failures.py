"""What an attempt keeps of an update that failed, so that whoever looks at it can see it fail
again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from hyperadam.theta import Theta

from meta_trainer.datasets import DatasetMissing
from meta_trainer.recorder import Recorder
from meta_trainer.runners import NoRoom, WorkLost
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.result import Stopped
from meta_trainer.training.units import make_rule

FAILED_THETA: Final = "result/failure.safetensors"
"""Artifact of a run: the Θ at which an update failed."""


class UpdateFailed(Exception):
    """An update of Θ failed; its error is the cause of this one."""

    def __init__(self, whereabouts: Mapping[str, int]) -> None:
        super().__init__(f"update {whereabouts['update']} failed")
        self.whereabouts = dict(whereabouts)
        """`MetaTraining.whereabouts`: with Θ, all that the update was made of."""


@contextmanager
def keep_failed_update(
    training: MetaTraining, spec: MetaTrainingSpec, recorder: Recorder
) -> Iterator[None]:
    """Run a training within; should it fail, Θ and a checkpoint of the moment before are kept.

    Raises:
        UpdateFailed: in place of an error of the training. `Stopped`, `WorkLost` and `NoRoom` are
            none.
    """
    try:
        yield
    except (Stopped, WorkLost, NoRoom):
        raise
    except Exception as error:
        whereabouts = training.whereabouts
        theta = Theta.from_vector(
            make_rule(spec.rule),
            training.theta,
            rate=spec.unroll.rate,
            provenance={"failed": whereabouts},
        )
        recorder.artifact(FAILED_THETA, theta.to_bytes())
        training.checkpoint()
        raise UpdateFailed(whereabouts) from error


def describe_error(error: Exception) -> dict[str, Any]:
    """What `done.json` says of an error: type and message; for an update where it was; else whether
    it is final.

    Final is what another attempt cannot change: a spec that is wrong, data that is not there.
    """
    if isinstance(error, UpdateFailed) and error.__cause__ is not None:
        return {**_name_error(error.__cause__), **error.whereabouts}
    is_final = isinstance(error, ValueError | DatasetMissing)
    return {**_name_error(error), "final": is_final}


def _name_error(error: BaseException) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}
