"""Which meta-gradient estimator a job uses: the derivative of truncated unrolls, or losses of
perturbed Θ, or both.

`docs/estimators.md` says what each of them estimates, what it costs, and when to take it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meta_trainer.specs.base import Positive, Spec, TensorNames
from meta_trainer.specs.problems import FieldProblem


class TBPTTSpec(Spec):
    """Back-propagation through time, truncated; over whole episodes with `unroll.period` null."""

    kind: Literal["tbptt"] = "tbptt"
    order: Literal[1, 2] = 1
    """1: gradients of learners are constants for the derivative (all published codes). 2: they
    count, through the learner's second derivatives, and the derivative of a period is exact, at
    1.1 to 3 times the price."""
    truncation: int | None = Field(default=None, ge=1, le=100_000)
    """Steps between two cuts of the derivative; divides the period. Null: the period."""
    loss_limit: float | None = Field(default=None, gt=1, le=1e6, allow_inf_nan=False)
    """c, for order 2: a learner's losses count up to the first that is beyond c times that before
    the period's first step. Then learners with steps too long have a say, too. Null: all losses of
    learners that do not diverge, and none of those that do."""
    adjoint_limit: float | None = Field(default=None, gt=0, le=1e6, allow_inf_nan=False)
    """a, for order 2: the derivative with respect to the weights before a step is at most a times
    as long as those of the losses that follow are together. Bounds what chaos adds. Null: no
    bound."""

    @model_validator(mode="after")
    def _limits_are_of_second_order(self) -> Self:
        for name in ("loss_limit", "adjoint_limit"):
            if self.order == 1 and getattr(self, name) is not None:
                raise FieldProblem(name, f"{name} must be null where order is 1")
        return self


class _Perturbed(Spec):
    sigma: float = Field(default=0.01, ge=1e-6, le=1)
    """σ: losses are those of Θ ± σ ε with ε ~ N(0, I)."""
    n_pairs: int = Field(default=4, ge=1, le=1024)
    """N, antithetic pairs for each learner: 2 N runs without derivatives."""
    tensors: TensorNames | None = None
    """Names of the tensors of Θ that are perturbed; the others stay as they are, and spare the
    estimate the variance of their coordinates. Null: all."""


class ESSpec(_Perturbed):
    """Evolution strategies over whole episodes: `unroll.period` is null."""

    kind: Literal["es"] = "es"


class PESSpec(_Perturbed):
    """Persistent evolution strategies (Vicol et al. 2021): a new perturbation every period; all so
    far count."""

    kind: Literal["pes"] = "pes"


class ESSingleSpec(_Perturbed):
    """ES-Single (Vicol 2023): one perturbation of each particle for the whole episode, an update
    every period."""

    kind: Literal["es-single"] = "es-single"


SingleEstimatorSpec = Annotated[
    TBPTTSpec | ESSpec | PESSpec | ESSingleSpec, Field(discriminator="kind")
]


class MixPart(Spec):
    """One estimator of a mix."""

    weight: Positive = 1.0
    """How much its gradient counts in the sum."""
    estimator: SingleEstimatorSpec = Field(examples=[{"kind": "tbptt"}])
    """The estimator itself, which is no mix."""


class MixSpec(Spec):
    """A weighted sum of estimators, on the same learners."""

    kind: Literal["mix"] = "mix"
    parts: Annotated[tuple[MixPart, ...], Field(min_length=2, max_length=4)] = Field(
        examples=[[{"estimator": {"kind": "tbptt"}}, {"estimator": {"kind": "pes"}}]]
    )
    """The estimators that are summed."""


EstimatorSpec = Annotated[
    TBPTTSpec | ESSpec | PESSpec | ESSingleSpec | MixSpec, Field(discriminator="kind")
]


def parts_of(
    estimator: TBPTTSpec | ESSpec | PESSpec | ESSingleSpec | MixSpec,
) -> list[tuple[float, TBPTTSpec | ESSpec | PESSpec | ESSingleSpec]]:
    """Each single estimator with its weight, in order."""
    if isinstance(estimator, MixSpec):
        return [(part.weight, part.estimator) for part in estimator.parts]
    return [(1.0, estimator)]
