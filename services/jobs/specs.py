"""From what a client sent to a complete spec, or to errors that name the fields.

Pydantic says where an error is as a path of keys. A rule about several fields of an object is raised by the object's
own validator, without saying which; such a message begins with the name of the field to blame, which is appended.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hyperadam.names import split_ref
from pydantic import BaseModel, ValidationError

from meta_trainer.specs import EvaluationSpec, MetaTrainingSpec
from registry.contract import AliasNotFound, OptimizerNotFound, Registry, VersionNotFound
from services.jobs.errors import invalid
from services.problems import FieldError

SPECS: Final[Mapping[str, type[BaseModel]]] = {"meta-training": MetaTrainingSpec, "evaluation": EvaluationSpec}


def complete_spec(kind: str, given: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """The spec with every default written out and every reference pinned to a version number.

    Raises:
        Problem: 422, naming each field that is wrong.
    """
    complete = _complete(kind, given)
    if kind == "evaluation":
        pinned = _pinned(complete["optimizers"], registry)
        complete = _complete(kind, complete | {"optimizers": pinned})  # two references may mean the same version
    return complete


def _complete(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return SPECS[kind].model_validate(dict(given)).model_dump(mode="json")
    except ValidationError as error:
        raise invalid(field_errors(SPECS[kind], error)) from error


def field_errors(model: type[BaseModel], error: ValidationError) -> list[FieldError]:
    """Each error with its path below `spec`."""
    return [
        FieldError(_path(model, item["loc"], item["msg"]), item["msg"].removeprefix("Value error, "))
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _path(model: type[BaseModel], location: Sequence[int | str], message: str) -> str:
    blamed = message.removeprefix("Value error, ").partition(" ")[0]
    own = blamed in _fields_at(model, location) or (blamed == "preset" and not location)
    return ".".join(["spec", *map(str, location), *([blamed] if own and message.startswith("Value error") else [])])


def _fields_at(model: type[Any], location: Sequence[int | str]) -> frozenset[str]:
    """Names of the fields of the object at this place; empty where there is no object."""
    for key in location:
        model = _field_types(model).get(str(key), object)
    return frozenset(_field_types(model))


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
            errors.append(FieldError(f"spec.optimizers.{index}", f"no version {reference!r}: {error}"))
    if errors:
        raise invalid(errors)
    return pinned
