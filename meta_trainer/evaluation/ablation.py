"""What the versions of an ablation differ in, read from their Θ files: the rule's spec, and how it
was trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

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


def read_variants(suite: Suite, thetas: Mapping[str, Theta]) -> dict[str, Variant]:
    """The versions' variants in the order of the figure, by reference; empty where the suite is no
    ablation.

    Raises:
        NotAnAblation: a file does not say the field, or two have the same.
    """
    if suite.varied is None:
        return {}
    field, read = _READERS[suite.varied]
    variants = {reference: read(field, reference, theta) for reference, theta in thetas.items()}

    first: dict[Variant, str] = {}
    for reference, variant in variants.items():
        other = first.setdefault(variant, reference)
        if other != reference:
            raise NotAnAblation(
                f"optimizers must differ in {field} in the suite {suite.name}: "
                f"{other} and {reference} are both {variant.label!r}"
            )

    return dict(sorted(variants.items(), key=lambda item: item[1]))


def _read_rule(field: str, reference: str, theta: Theta) -> HyperAdamSpec:
    spec = theta.rule.spec
    if not isinstance(spec, HyperAdamSpec):
        raise NotAnAblation(
            f"optimizers must be of kind hyperadam to differ in {field}: {reference} is {spec.kind}"
        )
    return spec


def _read_state(field: str, reference: str, theta: Theta) -> Variant:
    spec = _read_rule(field, reference, theta)
    match spec.lstm, spec.preprocessing:
        case True, True:
            return Variant(0, "full")
        case False, True:
            return Variant(1, "no LSTM")
        case True, False:
            return Variant(1.5, "no preprocessing")
        case _:
            return Variant(2, "no LSTM and preprocessing")


def _read_candidates(field: str, reference: str, theta: Theta) -> Variant:
    n_candidates = _read_rule(field, reference, theta).n_candidates
    return Variant(n_candidates, f"J = {n_candidates}")


def _read_tricks(field: str, reference: str, theta: Theta) -> Variant:
    try:
        has_rs, has_cc = _read_switches(theta.provenance["spec"])
    except (KeyError, TypeError, AttributeError) as error:
        raise NotAnAblation(
            f"optimizers must say their {field}: the file of {reference} does not"
        ) from error

    match has_rs, has_cc:
        case True, True:
            return Variant(0, "RS and CC")
        case True, False:
            return Variant(1, "RS")
        case False, True:
            return Variant(2, "CC")
        case _:
            return Variant(3, "neither RS nor CC")


def _read_switches(spec: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether a meta-training had RS and CC, by its spec as JSON."""
    tricks = spec["tricks"]
    distribution = spec.get("tasks") or {}
    scaling_range = distribution.get("random_scaling") or [tricks["random_scaling"]]
    return max(scaling_range) > 0, tricks["convex_dimension"] > 0


_Reader = Callable[[str, str, Theta], Variant]
_READERS: Final[dict[Varied, tuple[str, _Reader]]] = {
    "state": ("rule.lstm and rule.preprocessing", _read_state),
    "tricks": ("tricks", _read_tricks),
    "candidates": ("rule.n_candidates", _read_candidates),
}
"""The field of a meta-training's spec, and what reads it."""
