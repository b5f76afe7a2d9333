"""From what a client sent to a complete spec: every default written out, every reference pinned.

A spec is validated once, here. From then on it travels as a model, and becomes JSON when its job is
stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from hyperadam.names import split_ref
from hyperadam.rules import RuleError, rule_from_spec
from pydantic import ValidationError

from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec, check_parent
from meta_trainer.specs.domains import ChoiceSpec, DomainSpec, format_value
from meta_trainer.specs.problems import FieldProblem, check_different
from meta_trainer.specs.schema import SPEC_MODELS
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_points import at_point
from registry import AliasNotFound, OptimizerNotFound, VersionNotFound
from services.jobs.spec_errors import field_errors
from services.problems import FieldError, invalid, invalid_fields
from services.projects.seen_versions import VersionSource

AnyJobSpec = MetaTrainingSpec | EvaluationSpec | StudySpec

SPECS: Final[Mapping[str, type[AnyJobSpec]]] = SPEC_MODELS
_PARENT: Final = "parent"
_NOT_FOUND: Final = (OptimizerNotFound, VersionNotFound, AliasNotFound)


def is_job_spec(spec: object) -> TypeGuard[AnyJobSpec]:
    """Whether it is the spec of a whole job."""
    return isinstance(spec, MetaTrainingSpec | EvaluationSpec | StudySpec)


def complete_spec(kind: str, content: Mapping[str, Any], versions: VersionSource) -> AnyJobSpec:
    """The spec with every default written out and every reference pinned to a version number.

    Raises:
        Problem: 422, naming each field that is wrong.
    """
    spec = _validate(SPECS[kind], content)
    if isinstance(spec, EvaluationSpec):
        return _pin_optimizers(spec, versions)
    if isinstance(spec, MetaTrainingSpec):
        return _pin_parent(spec, versions, "spec.parent")
    base = _pin_parent(spec.base, versions, "spec.base.parent")
    return _pin_parents_of_trials(spec.model_copy(update={"base": base}), versions)


def _validate(model: type[AnyJobSpec], content: Mapping[str, Any]) -> AnyJobSpec:
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        raise invalid_fields(field_errors(model, error)) from error


def _pin_optimizers(spec: EvaluationSpec, versions: VersionSource) -> EvaluationSpec:
    """The evaluation of versions by number; two references may not mean the same one."""
    pinned = []
    errors = []
    for index, reference in enumerate(spec.optimizers):
        try:
            pinned.append(_pin(reference, versions))
        except _NOT_FOUND as error:
            message = f"no version {reference!r}: {error}"
            errors.append(FieldError(f"spec.optimizers.{index}", message))
    if errors:
        raise invalid_fields(errors)

    try:
        check_different("optimizers", pinned)
    except FieldProblem as problem:
        raise invalid(f"spec.{problem.field}", problem.message) from problem
    return spec.model_copy(update={"optimizers": tuple(pinned)})


def _pin_parents_of_trials(spec: StudySpec, versions: VersionSource) -> StudySpec:
    """The study with the parents among which its space chooses by number.

    Raises:
        Problem: 422, naming the option.
    """
    domain = spec.space.get(_PARENT)
    if not isinstance(domain, ChoiceSpec):
        return spec
    options: list[Any] = []
    for index, option in enumerate(domain.options):
        trial = at_point(spec.base, {_PARENT: option})
        pinned = _pin_parent(
            trial,
            versions,
            f"spec.space.{_PARENT}.options.{index}",
            any_rule=any(path.split(".")[0] == "rule" for path in spec.space),
        )
        options.append(pinned.parent)
    if len(set(options)) < len(options):
        raise invalid(f"spec.space.{_PARENT}.options", "two of them are one and the same version")
    labels = domain.labels or tuple(map(format_value, domain.options))
    pinned_domain = domain.model_copy(update={"options": tuple(options), "labels": labels})
    numbered = dict(zip(map(format_value, domain.options), options, strict=True))
    space: dict[str, Any] = {
        path: _pin_condition(other, numbered) for path, other in spec.space.items()
    }
    return spec.model_copy(update={"space": {**space, _PARENT: pinned_domain}})


def _pin_condition(domain: DomainSpec, numbered: Mapping[str, Any]) -> DomainSpec:
    """The domain with the parents that its condition names by number."""
    if _PARENT not in domain.when:
        return domain
    named = tuple(numbered[format_value(value)] for value in domain.when[_PARENT])
    return domain.model_copy(update={"when": {**domain.when, _PARENT: named}})


def _pin_parent(
    spec: MetaTrainingSpec, versions: VersionSource, field: str, *, any_rule: bool = False
) -> MetaTrainingSpec:
    """The meta-training with its parent by number; its rule must be the parent's.

    Args:
        field: where the parent stands, for errors.
        any_rule: the rule is not settled yet.

    Raises:
        Problem: 422, naming the field.
    """
    if spec.parent is None:
        return spec
    try:
        name, ref = split_ref(spec.parent)
        version = versions.version(name, ref)
        if version.damage is not None:
            raise invalid(field, f"{spec.parent!r} is damaged: {version.damage}")
        if not any_rule:
            check_parent(spec, rule_from_spec(version.manifest["rule"]).spec)
    except _NOT_FOUND as error:
        raise invalid(field, f"no version {spec.parent!r}: {error}") from error
    except (FieldProblem, RuleError) as error:
        raise invalid(field, str(error)) from error
    return spec.model_copy(update={"parent": f"{name}@{version.number}"})


def _pin(reference: str, versions: VersionSource) -> str:
    """The reference with the number of its version."""
    name, ref = split_ref(reference)
    return f"{name}@{versions.version(name, ref).number}"
