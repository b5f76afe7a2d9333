"""Which datasets a job will read, and whether its learners can be built, told from its spec
alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meta_trainer.datasets.catalog import FORMS
from meta_trainer.specs import (
    AnyTaskSpec,
    DescribedTaskSpec,
    EvaluationSpec,
    Family,
    MetaTrainingSpec,
    PlainTaskSpec,
)
from meta_trainer.specs.datasets import is_registered
from meta_trainer.specs.installed import OWN_KINDS
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.tasks.data import name_dataset
from meta_trainer.tasks.fitting import describe_misfit
from meta_trainer.tasks.sizes import Forms, make_learner


def list_datasets(spec: MetaTrainingSpec | EvaluationSpec | StudySpec) -> dict[str, str]:
    """The names of the datasets that the job cannot do without, and the field that wants each.

    An evaluation of all suites leaves out those whose data is missing: it needs none.
    """
    wanted: dict[str, str] = {}
    for field, tasks in _list_tasks(spec):
        for task in tasks:
            name = name_dataset(task)
            if name is not None:
                wanted.setdefault(name, field)
    return wanted


def check_networks(
    spec: MetaTrainingSpec | EvaluationSpec | StudySpec, forms: Forms = FORMS
) -> None:
    """Networks that the spec describes can be built, and learners fit the registered datasets that
    they are given.

    Args:
        forms: of the examples of all datasets that the spec names.

    Raises:
        FieldProblem: naming where the tasks stand; the message has the block, or the dataset.
    """
    for field, tasks in _list_tasks(spec):
        for task in tasks:
            name = name_dataset(task)
            has_own_data = name is not None and is_registered(name)
            is_own_kind = task.kind in OWN_KINDS
            if has_own_data or not is_own_kind or isinstance(task, DescribedTaskSpec):
                _check_task(task, name, field, forms)


def _check_task(task: AnyTaskSpec, dataset: str | None, field: str, forms: Forms) -> None:
    misfit = None if dataset is None else describe_misfit(task, forms[dataset])
    if misfit is not None:
        raise FieldProblem(field, misfit)
    try:
        make_learner(task, forms)
    except FieldProblem as problem:
        raise FieldProblem(field, problem.message) from problem
    except (ValueError, RuntimeError) as error:
        examples = "its data" if dataset is None else f"examples of {dataset!r}"
        message = f"the network cannot be built for {examples}: {error}"
        raise FieldProblem(field, message) from error


def _list_tasks(
    spec: MetaTrainingSpec | EvaluationSpec | StudySpec,
) -> Iterator[tuple[str, Iterable[AnyTaskSpec]]]:
    """The tasks of a job, by the field that says them."""
    match spec:
        case MetaTrainingSpec():
            yield "tasks" if spec.tasks else "task", [*spec.data_tasks, *_list_sides(spec)]
            if spec.promote is not None:
                evaluation = spec.promote.evaluation((spec.register_as,))
                yield "promote.if_better_on", _list_learners(evaluation)
        case EvaluationSpec():
            if spec.sections == (spec,):
                yield "dataset", _list_learners(spec)
        case StudySpec():
            for field, tasks in _list_tasks(spec.base):
                yield f"base.{field}", tasks
            if isinstance(spec.objective, SuiteObjective):
                evaluation = spec.objective.evaluation(spec.base.register_as)
                yield "objective.dataset", _list_learners(evaluation)


def _list_sides(spec: MetaTrainingSpec) -> Iterator[PlainTaskSpec]:
    """Typical tasks with the sides that their families may draw besides the first."""
    families: list[Family] = spec.tasks.families if spec.tasks else []
    for family in families:
        for side in getattr(family, "sides", ())[1:]:
            for task in family.typical():
                yield task.model_copy(update={"side": side})


def _list_learners(spec: EvaluationSpec) -> list[AnyTaskSpec]:
    return [task.learner for task in spec.tasks]
