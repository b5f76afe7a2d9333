"""A study's space whose fields may depend on each other: what is wrong with it, and its points.

A field is active at a point where its condition holds: all fields that `when` names are active
themselves, and have one of the named values. A point has values of its active fields alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from meta_trainer.specs.domains import ChoiceSpec, DomainSpec, IntSpec, format_value
from meta_trainer.specs.meta_training import MetaTrainingSpec
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.study_points import at_point, check_path, check_point, describe_point

Space = Mapping[str, DomainSpec]

MAX_NAMED_VALUES: Final = 256
"""Values that all conditions of a space name together: each is tried on submission."""
MAX_TRIES: Final = 16
"""Combinations of named values that are tried before a condition is said never to hold."""


def is_conditional(space: Space) -> bool:
    """Whether any field depends on another one."""
    return any(domain.when for domain in space.values())


def is_active(space: Space, path: str, values: Mapping[str, Any]) -> bool:
    """Whether the field is varied at a point.

    Args:
        values: of the point's active fields that `order_paths` has before it, at least.
    """
    for other, named in space[path].when.items():
        if other not in values or not _is_among(values[other], named):
            return False
    return True


def list_active(space: Space, values: Mapping[str, Any]) -> list[str]:
    """The fields that a point with these values has to have."""
    known: dict[str, Any] = {}
    active = []
    for path in order_paths(space):
        if not is_active(space, path, known):
            continue
        active.append(path)
        if path in values:
            known[path] = values[path]
    return active


def order_paths(space: Space) -> list[str]:
    """Every field after those that its condition names; else in the space's own order.

    Raises:
        FieldProblem: a condition leads back to its own field.
    """
    ordered: list[str] = []
    waiting = list(space)
    while waiting:
        path = next((path for path in waiting if space[path].when.keys() <= set(ordered)), None)
        if path is None:
            raise _describe_circle(space, waiting)
        ordered.append(path)
        waiting.remove(path)
    return ordered


def list_points(space: Space) -> Iterator[dict[str, Any]]:
    """All points of a finite space, each once; the last path varies fastest."""
    return _complete_point({}, order_paths(space), space)


def check_space(base: MetaTrainingSpec, space: Space) -> None:
    """Every field of the space is one of the base's, which takes its values wherever the field is
    active: the ends of its domain, or all its options.

    Raises:
        FieldProblem: naming the field, or its condition.
    """
    _check_names(space)
    order_paths(space)
    for path, domain in space.items():
        contexts = _list_contexts(base, space, path)
        for context in contexts:
            check_path(base, path, context)
        for value in domain.probes:
            check_point(base, {**contexts[0], path: value}, f"space.{path}")


def _complete_point(
    point: dict[str, Any], paths: Sequence[str], space: Space
) -> Iterator[dict[str, Any]]:
    """The points that begin with these values; `paths` are the fields that are still open."""
    if not paths:
        yield point
        return
    path = paths[0]
    if not is_active(space, path, point):
        yield from _complete_point(point, paths[1:], space)
        return
    for value in space[path].values or ():
        yield from _complete_point({**point, path: value}, paths[1:], space)


def _check_names(space: Space) -> None:
    """Conditions name fields of the space, and values that those can have."""
    n_named = sum(len(named) for domain in space.values() for named in domain.when.values())
    if n_named > MAX_NAMED_VALUES:
        raise FieldProblem(
            "space",
            f"space must name at most {MAX_NAMED_VALUES} values in its conditions, got {n_named}",
        )
    for path, domain in space.items():
        for other, named in domain.when.items():
            _check_named_values(space, f"space.{path}.when", other, named)


def _check_named_values(space: Space, field: str, other: str, named: Sequence[Any]) -> None:
    if other not in space:
        raise FieldProblem(field, f"{field} names {other}, which is no field of the space")
    domain = space[other]
    if not isinstance(domain, (ChoiceSpec, IntSpec)):
        raise FieldProblem(
            field, f"{field} names {other}, which must be a choice or an int, got {domain.kind!r}"
        )
    for value in named:
        if not _admits(domain, value):
            shown = format_value(value)
            raise FieldProblem(field, f"{field} names {other} = {shown}, which it never is")
    if len({format_value(value) for value in named}) < len(named):
        raise FieldProblem(field, f"{field} must name each value of {other} once")


def _admits(domain: ChoiceSpec | IntSpec, value: Any) -> bool:
    if isinstance(domain, ChoiceSpec):
        return _is_among(value, domain.options)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and value in range(domain.low, domain.high + 1, domain.step)


def _is_among(value: Any, named: Sequence[Any]) -> bool:
    """As JSON: true is not 1."""
    return format_value(value) in [format_value(other) for other in named]


def _describe_circle(space: Space, waiting: Sequence[str]) -> FieldProblem:
    """Of fields that all wait for each other."""
    seen: list[str] = []
    path = waiting[0]
    while path not in seen:
        seen.append(path)
        path = next(other for other in space[path].when if other in waiting)
    circle = [*seen[seen.index(path) :], path]
    field = f"space.{path}.when"
    return FieldProblem(field, f"{field} leads back to its own field: {' → '.join(circle)}")


def _list_contexts(base: MetaTrainingSpec, space: Space, path: str) -> list[dict[str, Any]]:
    """Values of the other fields at which this one is active: for each value that its condition
    names, the first ones that the base takes.

    Raises:
        FieldProblem: there are none.
    """
    allowed = _find_allowed(space, path)
    contexts: list[dict[str, Any]] = []
    field = f"space.{path}.when"
    for other, named in space[path].when.items():
        for value in named:
            if not _is_among(value, allowed[other]):
                shown = describe_point({other: value})
                raise FieldProblem(
                    field, f"{field} names {shown}, with which another condition never holds"
                )
            candidates = itertools.product(*{**allowed, other: [value]}.values())
            points = [
                dict(zip(allowed, values, strict=True))
                for values in itertools.islice(candidates, MAX_TRIES)
            ]
            contexts.append(_find_accepted(base, points, field))
    return contexts or [{}]


def _find_allowed(space: Space, path: str) -> dict[str, list[Any]]:
    """Values of every field that the activity of this one depends on, however far.

    Raises:
        FieldProblem: one of them has no value with which all conditions hold.
    """
    allowed: dict[str, list[Any]] = {}
    waiting = [path]
    for follower in waiting:
        for other, named in space[follower].when.items():
            known = allowed.get(other, list(named))
            allowed[other] = [value for value in known if _is_among(value, named)]
            if not allowed[other]:
                field = f"space.{path}.when"
                raise FieldProblem(
                    field, f"{field} never holds: no value of {other} fits all conditions"
                )
            if other not in waiting:
                waiting.append(other)
    return allowed


def _find_accepted(
    base: MetaTrainingSpec, points: Sequence[dict[str, Any]], field: str
) -> dict[str, Any]:
    for point in points:
        try:
            at_point(base, point)
        except ValueError:
            continue
        return point
    shown = describe_point(points[0])
    raise FieldProblem(field, f"{field} names what the base does not take, such as {shown}")
