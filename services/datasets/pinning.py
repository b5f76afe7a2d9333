"""The registered datasets that a spec names, found on submission and pinned to the digest of their
file.

Where datasets stand in a spec is told by the names of its fields, `dataset` and `datasets`; of a
study's space, by the last part of a path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from meta_trainer.specs.datasets import BUILT_IN_DATASETS, is_registered, split_dataset
from meta_trainer.specs.domains import format_value
from meta_trainer.specs.plain_words import suggest
from services.auth.scopes import Principal
from services.database.base import Database, now
from services.datasets.tables import RegisteredDataset
from services.jobs.specs import AnyJobSpec
from services.problems import Conflict, FieldError, invalid_fields

_FIELDS: Final = ("dataset", "datasets")


def pin_datasets(database: Database, spec: AnyJobSpec, principal: Principal) -> AnyJobSpec:
    """The spec with the digest behind the name of every registered dataset.

    Raises:
        Problem: 422, naming the field of each that is not registered.
    """
    content = spec.model_dump(mode="json")
    wanted: dict[str, str] = {}
    for field, name in _list_names(content, "spec", is_dataset=False):
        if is_registered(name):
            wanted.setdefault(name, field)
    if not wanted:
        return spec

    with database.read() as session:
        registered = session.scalars(select(RegisteredDataset))
        rows = {row.name: row for row in registered if principal.sees(row.project)}
    pinned = {}
    errors = []
    for dataset, field in wanted.items():
        name, sha256 = split_dataset(dataset)
        row = rows.get(name)
        if row is None or sha256 not in (None, row.sha256):
            errors.append(FieldError(field, _describe_unknown(dataset, row, list(rows))))
        else:
            pinned[dataset] = row.reference
    if errors:
        raise invalid_fields(errors)
    return type(spec).model_validate(_replace(content, pinned, is_dataset=False))


def list_pinned(spec: Mapping[str, Any]) -> set[str]:
    """The registered datasets that a stored spec names, as `NAME@SHA256`."""
    names = (name for _, name in _list_names(spec, "spec", is_dataset=False))
    return {name for name in names if is_registered(name)}


def touch_datasets(session: Session, spec: AnyJobSpec) -> None:
    """Note that they are used, in the transaction that writes the job: none of them is deleted
    before.

    Raises:
        Conflict: one was deleted just now.
    """
    for dataset in sorted(list_pinned(spec.model_dump(mode="json"))):
        name, sha256 = split_dataset(dataset)
        row = session.get(RegisteredDataset, name, with_for_update=True)
        if row is None or row.sha256 != sha256:
            raise Conflict(f"The dataset {name!r} was deleted just now: submit the job again.")
        row.used_at = now()


def _list_names(value: Any, path: str, *, is_dataset: bool) -> Iterator[tuple[str, str]]:
    """(field, name) of every dataset below a value."""
    if isinstance(value, str) and is_dataset:
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            is_inner = _names_dataset(key) or (is_dataset and key == "options")
            yield from _list_names(inner, f"{path}.{key}", is_dataset=is_inner)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _list_names(item, f"{path}.{index}", is_dataset=is_dataset)


def _replace(value: Any, pinned: Mapping[str, str], *, is_dataset: bool) -> Any:
    """The value with other names of datasets."""
    if isinstance(value, str) and is_dataset:
        return pinned.get(value, value)
    if isinstance(value, list):
        return [_replace(item, pinned, is_dataset=is_dataset) for item in value]
    if not isinstance(value, Mapping):
        return value
    replaced = {
        key: _replace(
            inner, pinned, is_dataset=_names_dataset(key) or (is_dataset and key == "options")
        )
        for key, inner in value.items()
    }
    if is_dataset and value.get("options") and not value.get("labels"):
        replaced["labels"] = [format_value(option) for option in value["options"]]
    return replaced


def _names_dataset(key: str) -> bool:
    return key.rpartition(".")[2] in _FIELDS


def _describe_unknown(dataset: str, row: RegisteredDataset | None, names: list[str]) -> str:
    name, _ = split_dataset(dataset)
    if row is not None:
        return f"the dataset {name!r} of this digest was deleted; there is another of its name"
    near = suggest(name, [*BUILT_IN_DATASETS, *names])
    return (
        f"there is no dataset {name!r}{near or ''}; `hyperadam datasets list` shows those that "
        f"there are, and `hyperadam datasets register {name} FILE` registers one"
    )
