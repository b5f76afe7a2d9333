"""Whether a learner can be trained on a dataset: images or vectors, labels or numbers."""

from __future__ import annotations

from meta_trainer.datasets.catalog import Form
from meta_trainer.specs import AnyTaskSpec, DescribedTaskSpec, MLPTaskSpec, NetworkTaskSpec
from meta_trainer.specs.installed import OWN_KINDS


def describe_misfit(task: AnyTaskSpec, form: Form) -> str | None:
    """Why the task's learner cannot be trained on such examples; None: it can."""
    side = getattr(task, "side", None)
    if side is not None:
        problem = _describe_pooling(side, form)
        if problem is not None:
            return problem
    if task.kind not in OWN_KINDS:
        return None  # its learner knows
    if form.is_vector and _needs_images(task):
        return (
            f"{_name_learner(task)} needs images, and the dataset has vectors: the kinds mlp and "
            "described, and the networks autoencoder and regression take them"
        )
    if form.targets == "numbers" and _needs_labels(task):
        return (
            f"{_name_learner(task)} needs labels, and the dataset has numbers to predict: the kind "
            "described and the networks regression and autoencoder take them"
        )
    if form.targets == "labels" and _is_regression(task):
        return "network regression needs numbers to predict, and the dataset has labels"
    return None


def _describe_pooling(side: int, form: Form) -> str | None:
    """Why images cannot be averaged down to so many pixels."""
    _, height, width = form.image_shape
    if form.is_vector:
        return f"side must be null where the dataset has vectors, got {side}"
    if height != width:
        return f"side must be null where images are not square: they have {height} × {width} pixels"
    if height < side:
        return f"side must be at most the {height} pixels of the images, or null, got {side}"
    return None


def _needs_images(task: AnyTaskSpec) -> bool:
    if isinstance(task, NetworkTaskSpec):
        return task.network not in ("autoencoder", "regression")
    return not isinstance(task, MLPTaskSpec | DescribedTaskSpec)


def _needs_labels(task: AnyTaskSpec) -> bool:
    if isinstance(task, NetworkTaskSpec):
        return task.network not in ("autoencoder", "regression")
    return not isinstance(task, DescribedTaskSpec)


def _is_regression(task: AnyTaskSpec) -> bool:
    return isinstance(task, NetworkTaskSpec) and task.network == "regression"


def _name_learner(task: AnyTaskSpec) -> str:
    """For people."""
    return f"network {task.network}" if isinstance(task, NetworkTaskSpec) else f"kind {task.kind}"
