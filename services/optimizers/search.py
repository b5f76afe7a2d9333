"""Which versions a search admits: by tag, by rule, and by what was measured."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from fastapi import Depends, Query

from registry import Version
from services.optimizers.lineage import read_metrics

TAG_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(:.*)?$"
METRIC_PATTERN: Final = (
    r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}"
    r"(<=|>=)"
    r"[-+]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?$"
)

_COMPARISONS: Final = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Bound:
    """A metric, and how large it may be at most or at least."""

    metric: str
    comparison: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a text of `METRIC_PATTERN`."""
        metric, comparison, value = re.split("(<=|>=)", text)
        return cls(metric, comparison, float(value))

    def admits(self, metrics: Mapping[str, float | None]) -> bool:
        """A metric that is missing, or not finite, is within no bound."""
        value = metrics.get(self.metric)
        if value is None or not math.isfinite(value):
            return False
        compare = _COMPARISONS[self.comparison]
        return bool(compare(value, self.value))


@dataclass(frozen=True, kw_only=True)
class Search:
    """All of it must hold of a version."""

    tags: tuple[str, ...] = ()
    """`name:value`, or `name` for any value."""
    rule: str | None = None
    bounds: tuple[Bound, ...] = ()

    def admits(self, version: Version) -> bool:
        if self.rule is not None and read_rule_kind(version.manifest) != self.rule:
            return False
        if not all(_has_tag(version.tags, tag) for tag in self.tags):
            return False
        if not self.bounds:
            return True
        metrics = read_metrics(version)
        return all(bound.admits(metrics) for bound in self.bounds)

    @property
    def is_empty(self) -> bool:
        return self == Search()


def read_rule_kind(manifest: Mapping[str, Any]) -> str | None:
    """The kind of the rule that runs a Θ."""
    rule = manifest.get("rule")
    if not isinstance(rule, Mapping):
        return None
    kind = rule.get("kind")
    return kind if isinstance(kind, str) else None


def _has_tag(tags: Mapping[str, str], wanted: str) -> bool:
    name, colon, value = wanted.partition(":")
    if name not in tags:
        return False
    return not colon or tags[name] == value


def _parse_search(
    tag: Annotated[
        list[Annotated[str, Query(pattern=TAG_PATTERN, max_length=4200)]],
        Query(max_length=8, description="`name:value`, or `name`; all given ones must be there"),
    ] = [],  # noqa: B006
    rule: Annotated[
        str | None, Query(pattern=r"^[a-z0-9-]{1,64}$", description="The kind of update rule")
    ] = None,
    metric: Annotated[
        list[Annotated[str, Query(pattern=METRIC_PATTERN)]],
        Query(
            max_length=8,
            description="`validation_loss<=0.3`, `table1/relu<=0.25`: bounds that all hold",
        ),
    ] = [],  # noqa: B006
) -> Search:
    bounds = tuple(Bound.parse(text) for text in metric)
    return Search(tags=tuple(tag), rule=rule, bounds=bounds)


SearchOfRequest = Annotated[Search, Depends(_parse_search)]
