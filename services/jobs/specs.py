"""From what a client sent to a complete spec, or to errors that name the fields.

Pydantic says where an error is as a path of keys. A rule about several fields of an object is
raised by the object's own validator, without saying which; such a message begins with the field to
blame, or a path to it, which is appended. Where an object may be of several kinds, the path says
which one was meant; the client knows, and that key is left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, get_args, get_origin

from hyperadam.names import split_ref
from hyperadam.rules import rule_from_spec
from pydantic import BaseModel, ValidationError

from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec, check_parent
from meta_trainer.specs.study import StudySpec
from registry.contract import AliasNotFound, OptimizerNotFound, Registry, VersionNotFound
from services.jobs.errors import invalid
from services.problems import FieldError

SPECS: Final[Mapping[str, type[BaseModel]]] = {
    "meta-training": MetaTrainingSpec,
    "evaluation": EvaluationSpec,
    "study": StudySpec,
}


def complete_spec(kind: str, given: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """The spec with every default written out and every reference pinned to a version number.

    Raises:
        Problem: 422, naming each field that is wrong.
    """
    complete = _complete(kind, given)
    if kind == "evaluation":
        pinned = _pinned(complete["optimizers"], registry)
        complete = _complete(
            kind, complete | {"optimizers": pinned}
        )  # two references may mean the same version
    elif kind == "meta-training":
        complete |= _pinned_parent(complete, registry, "spec")
    else:
        complete |= {
            "base": complete["base"] | _pinned_parent(complete["base"], registry, "spec.base")
        }
    return complete


def _complete(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return SPECS[kind].model_validate(dict(given)).model_dump(mode="json")
    except ValidationError as error:
        raise invalid(field_errors(SPECS[kind], error)) from error


def field_errors(model: type[BaseModel], error: ValidationError) -> list[FieldError]:
    """Each error with its path below `spec`."""
    return [
        FieldError(
            _path(model, item["loc"], item["type"], item["msg"]),
            item["msg"].removeprefix("Value error, "),
        )
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _path(model: type[BaseModel], location: Sequence[int | str], kind: str, message: str) -> str:
    keys, place = _place(model, location)
    if kind.startswith("union_tag"):
        return ".".join(["spec", *keys, "kind"])
    blamed = message.removeprefix("Value error, ").partition(" ")[0]
    own = blamed.partition(".")[0] in _field_types(place) or (blamed == "preset" and not location)
    return ".".join(
        ["spec", *keys, *([blamed] if own and message.startswith("Value error") else [])]
    )


def _place(model: type[Any], location: Sequence[int | str]) -> tuple[list[str], type[Any]]:
    """The keys of a location without those that tell kinds of object apart, and the type of what
    stands there."""
    keys, place = [], model
    for key in location:
        of_kind = {_kind(member): member for member in get_args(place)}
        if key in of_kind:
            place = of_kind[key]
        else:
            keys.append(str(key))
            place = _member(place, str(key))
    return keys, place


def _member(place: Any, key: str) -> Any:
    """The type of a field, or of a mapping's values."""
    if get_origin(place) is not dict:
        return _field_types(place).get(key, object)
    value = get_args(place)[1]
    return get_args(value)[0] if get_origin(value) is Annotated else value


def _kind(model: Any) -> str | None:
    """What tells the type apart from the others of a union: the default of its field `kind`."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        return model.model_fields["kind"].default if "kind" in model.model_fields else None
    return getattr(model, "kind", None)


def _field_types(model: type[Any]) -> dict[str, Any]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        return {name: field.annotation for name, field in model.model_fields.items()}
    if isinstance(model, type) and dataclasses.is_dataclass(model):
        return {field.name: field.type for field in dataclasses.fields(model)}
    return {}


def _pinned(references: Sequence[str], registry: Registry) -> list[str]:
    pinned, errors = [], []
    for index, reference in enumerate(references):
        name, ref = split_ref(reference)
        try:
            pinned.append(f"{name}@{registry.version(name, ref).number}")
        except (OptimizerNotFound, VersionNotFound, AliasNotFound) as error:
            errors.append(
                FieldError(f"spec.optimizers.{index}", f"no version {reference!r}: {error}")
            )
    if errors:
        raise invalid(errors)
    return pinned


def _pinned_parent(training: Mapping[str, Any], registry: Registry, path: str) -> dict[str, Any]:
    """The field `parent` of a meta-training at `path`, pinned; its rule must be the job's."""
    spec = MetaTrainingSpec.model_validate(training)
    if spec.parent is None:
        return {"parent": None}
    name, ref = split_ref(spec.parent)
    try:
        version = registry.version(name, ref)
        check_parent(spec, rule_from_spec(version.manifest["rule"]).spec)
    except (OptimizerNotFound, VersionNotFound, AliasNotFound) as error:
        raise invalid(
            [FieldError(f"{path}.parent", f"no version {spec.parent!r}: {error}")]
        ) from error
    except ValueError as error:
        raise invalid([FieldError(f"{path}.parent", str(error))]) from error
    return {"parent": f"{name}@{version.number}"}
