"""Rules, tasks and learners that an operator installed beside this package, by Python's entry
points.

A distribution declares them in its metadata:

    [project.entry-points."hyperadam.rules"]
    signed = "my_package:SignedRule"

An entry point's name is the `kind` that specs say. Only what is installed here is ever loaded:
nobody sends code. One that cannot be loaded is left out, and what is wrong with it is kept for
whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

RULES: Final = "hyperadam.rules"
TASKS: Final = "hyperadam.tasks"
LEARNERS: Final = "hyperadam.learners"
GROUPS: Final = (TASKS, LEARNERS, RULES)


@dataclass(frozen=True, kw_only=True)
class Extension:
    """What one entry point names."""

    group: str
    kind: str
    distribution: str
    version: str
    value: Any
    """The object that it names."""


@dataclass(frozen=True, kw_only=True)
class BrokenExtension:
    """An entry point that is left out."""

    group: str
    kind: str
    distribution: str
    version: str
    problem: str

    def __str__(self) -> str:
        origin = f"{self.distribution} {self.version}"
        return f"entry point {self.kind!r} of {self.group}, from {origin}: {self.problem}"


_broken: Final[dict[tuple[str, str], BrokenExtension]] = {}


def load_extensions(group: str, check: Callable[[str, Any], None]) -> Mapping[str, Extension]:
    """The extensions of a group by kind, without those that are broken.

    Args:
        check: is given the kind and the object, and raises where the object is not what the group
            is for.
    """
    found: dict[str, Extension] = {}
    for entry in sorted(_read_entry_points(group), key=_order):
        origin = _describe_origin(entry)
        try:
            if entry.name in found:
                taken = found[entry.name].distribution
                raise ValueError(f"the kind is taken by {taken}")
            value = entry.load()
            check(entry.name, value)
        except Exception as error:  # noqa: BLE001 (code of others: whatever it raises is told of)
            problem = f"{type(error).__name__}: {error}"
            _broken[group, f"{entry.name} {entry.value}"] = BrokenExtension(
                **origin, problem=problem
            )
            continue
        found[entry.name] = Extension(**origin, value=value)
    return found


def list_broken() -> list[BrokenExtension]:
    """Those that were left out so far."""
    return [_broken[key] for key in sorted(_broken)]


@cache
def list_distributions() -> tuple[str, ...]:
    """`name==version` of every distribution that has an entry point of ours, broken or not."""
    origins = [_describe_origin(entry) for group in GROUPS for entry in _read_entry_points(group)]
    return tuple(sorted({f"{each['distribution']}=={each['version']}" for each in origins}))


def _read_entry_points(group: str) -> list[EntryPoint]:
    return list(_read_all().get(group, ()))


@cache
def _read_all() -> Mapping[str, tuple[EntryPoint, ...]]:
    """By group; the metadata of all that is installed is read once."""
    every = entry_points()
    return {group: tuple(every.select(group=group)) for group in GROUPS}


def _order(entry: EntryPoint) -> tuple[str, str]:
    return entry.name, entry.value


def _describe_origin(entry: EntryPoint) -> dict[str, str]:
    distribution = entry.dist
    return {
        "group": entry.group,
        "kind": entry.name,
        "distribution": "unknown" if distribution is None else distribution.name,
        "version": "unknown" if distribution is None else distribution.version,
    }
