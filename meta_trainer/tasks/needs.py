"""Which datasets a job will read, told from its spec alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meta_trainer.specs import (
    AnyTaskSpec,
    DescribedTaskSpec,
    EvaluationSpec,
    MetaTrainingSpec,
)
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.tasks.costs import count_coordinates
from meta_trainer.tasks.data import name_dataset


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


def check_networks(spec: MetaTrainingSpec | EvaluationSpec | StudySpec) -> None:
    """Networks that the spec describes can be built.

    Raises:
        FieldProblem: naming where the tasks stand; the message has the block.
    """
    for field, tasks in _list_tasks(spec):
        for task in tasks:
            if isinstance(task, DescribedTaskSpec):
                _check_network(task, field)


def _check_network(task: DescribedTaskSpec, field: str) -> None:
    try:
        count_coordinates(task)
    except FieldProblem as problem:
        raise FieldProblem(field, problem.message) from problem


def _list_tasks(
    spec: MetaTrainingSpec | EvaluationSpec | StudySpec,
) -> Iterator[tuple[str, Iterable[AnyTaskSpec]]]:
    """The tasks of a job, by the field that says them."""
    match spec:
        case MetaTrainingSpec():
            yield "tasks" if spec.tasks else "task", spec.data_tasks
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


def _list_learners(spec: EvaluationSpec) -> list[AnyTaskSpec]:
    return [task.learner for task in spec.tasks]
