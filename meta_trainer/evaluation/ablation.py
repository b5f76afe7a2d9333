"""What the versions of an ablation differ in, read from their Θ files: the rule's spec, and how it
was trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hyperadam.rules import HyperAdamSpec
from hyperadam.theta import Theta

from meta_trainer.specs.suites import Suite, Varied


class NotAnAblation(ValueError):
    """The versions cannot be compared by what the suite varies; the message says why."""


@dataclass(frozen=True, order=True)
class Variant:
    """What one version of an ablation has of the varied field."""

    position: float
    """Where it stands on the figure's axis."""
    label: str


def variants(suite: Suite, thetas: Mapping[str, Theta]) -> dict[str, Variant]:
    """The versions' variants in the order of the figure, by reference; empty where the suite is no
    ablation.

    Raises:
        NotAnAblation: a file does not say the field, or two have the same.
    """
    if suite.varied is None:
        return {}
    field, read = _READERS[suite.varied]
    found = {reference: read(field, reference, theta) for reference, theta in thetas.items()}
    first: dict[Variant, str] = {}
    for reference, variant in found.items():
        if (other := first.setdefault(variant, reference)) != reference:
            raise NotAnAblation(
                f"optimizers must differ in {field} in the suite {suite.name}: "
                f"{other} and {reference} are both {variant.label!r}"
            )
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _rule(field: str, reference: str, theta: Theta) -> HyperAdamSpec:
    if not isinstance(spec := theta.rule.spec, HyperAdamSpec):
        raise NotAnAblation(
            f"optimizers must be of kind hyperadam to differ in {field}: {reference} is {spec.kind}"
        )
    return spec


def _state(field: str, reference: str, theta: Theta) -> Variant:
    spec = _rule(field, reference, theta)
    without = [
        name
        for name, there in (("LSTM", spec.lstm), ("preprocessing", spec.preprocessing))
        if not there
    ]
    return Variant(
        len(without) + (without == ["preprocessing"]) / 2,
        f"no {' and '.join(without)}" if without else "full",
    )


def _candidates(field: str, reference: str, theta: Theta) -> Variant:
    n_candidates = _rule(field, reference, theta).n_candidates
    return Variant(n_candidates, f"J = {n_candidates}")


def _tricks(field: str, reference: str, theta: Theta) -> Variant:
    try:
        spec = theta.provenance["spec"]
        drawn = (spec.get("tasks") or {}).get("random_scaling") or [
            spec["tricks"]["random_scaling"]
        ]
        on = {"RS": max(drawn) > 0, "CC": spec["tricks"]["convex_dimension"] > 0}
    except (KeyError, TypeError, AttributeError) as error:
        raise NotAnAblation(
            f"optimizers must say their {field}: the file of {reference} does not"
        ) from error
    used = [name for name, is_on in on.items() if is_on]
    position = {("RS", "CC"): 0, ("RS",): 1, ("CC",): 2}.get(tuple(used), 3)
    return Variant(position, " and ".join(used) or "neither RS nor CC")


_Reader = Callable[[str, str, Theta], Variant]
_READERS: Final[dict[Varied, tuple[str, _Reader]]] = {
    "state": ("rule.lstm and rule.preprocessing", _state),
    "tricks": ("tricks", _tricks),
    "candidates": ("rule.n_candidates", _candidates),
}
"""The field of a meta-training's spec, and what reads it."""
