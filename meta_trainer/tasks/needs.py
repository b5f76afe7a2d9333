"""Which datasets a job will read, told from its spec alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meta_trainer.specs import AnyTaskSpec, EvaluationSpec, MetaTrainingSpec
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import SuiteObjective
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
