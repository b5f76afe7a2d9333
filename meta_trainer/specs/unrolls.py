"""How episodes are run and scored: their lengths, the steps between two updates of Θ, and the
meta-loss."""

from __future__ import annotations

from typing import Literal, Self

from hyperadam.rates import (
    MAX_BASE_FAN_IN,
    MAX_BASE_PLACES,
    MAX_DECAY_AFTER,
    MAX_LEAST_FAN_IN,
    MAX_WARMUP_STEPS,
    MAX_WEIGHT_DECAY,
    Rate,
)
from pydantic import Field, model_validator

from meta_trainer.specs.base import MetaLoss, Score, Spec
from meta_trainer.specs.problems import FieldProblem


class CurriculumSpec(Spec):
    """Horizons that grow over the job, so that Θ meets long episodes when it already does well on
    short ones."""

    initial: int = Field(default=20, ge=1, le=100_000)
    """The longest horizon of the first episode, in steps; rounded down to whole periods."""
    growth: float = Field(default=0.5, gt=0, le=1)
    """Share of the job's episodes over which the longest horizon grows to its full length, by the
    same factor each."""


class UnrollSpec(Spec):
    """Episodes, the steps between two updates of Θ, and what is scored."""

    horizon: int = Field(default=100, ge=1, le=100_000)
    """T, steps of one episode."""
    period: int | None = Field(default=20, ge=1, le=100_000)
    """Steps between two updates of Θ; divides the horizon. Null: whole episodes, one update for
    each."""
    curriculum: CurriculumSpec | None = None
    """How horizons grow; null: they are what they are from the first episode on."""
    score: Score = "next"
    """Which loss step t is scored by: of w_t on minibatch t + 1, of w_{t−1} on t (the 2019 code),
    or of w_t on t."""
    meta_loss: MetaLoss = "mean"
    """Mean of the scored losses (Eq. 8), or of their logarithms, which gives late and small losses
    the same say; or the loss of each period's last step alone (RNNprop)."""
    late_weight: float = Field(default=0.0, ge=0, le=16)
    """k: step t of the episode counts (k + 1) (t/T)^k in the meta-loss. The first periods, whose
    losses and gradients are by far the largest, otherwise decide the step size for all; 0: all
    steps count the same (the paper)."""
    final_weight: float = Field(default=0.0, ge=0, le=1)
    """f: the meta-loss is (1 − f) times what the fields above say, and f times the mean over the
    episode's last `final_steps` scored losses."""
    final_steps: int = Field(default=1, ge=1, le=100_000)
    """Steps whose mean is the final loss of `final_weight`: a single minibatch is noisy. At most
    the horizon."""
    loss_scaling: Literal["none", "initial"] = "none"
    """Divide the losses of each learner by its loss before the first step, so that tasks of any
    unit count alike."""
    lr: float = Field(default=0.005, gt=0, le=1)
    """α, the learner's rate; becomes the Θ's default."""
    warmup_steps: int = Field(default=0, ge=0, le=MAX_WARMUP_STEPS)
    """W: the learner's rate rises linearly over its first W steps, α_t = α min(1, (t + 1) / W),
    where t counts from the beginning of the episode. 0 is no warm-up. This and what follows become
    the Θ's defaults."""
    decay_after: int = Field(default=0, ge=0, le=MAX_DECAY_AFTER)
    """D: after so many steps of the episode the learner's rate falls, α_t = α √(D / (t + 1)). 0 is
    never."""
    base_fan_in: int = Field(default=0, ge=0, le=MAX_BASE_FAN_IN)
    """F: weights of more inputs have F / fan-in of α_t. 0 is none."""
    least_fan_in: int = Field(default=0, ge=0, le=MAX_LEAST_FAN_IN)
    """G: parameters of fewer inputs (biases have 1) have fan-in / G of α_t. 0 is none."""
    base_places: int = Field(default=0, ge=0, le=MAX_BASE_PLACES)
    """P: kernels of more places (9 of 3×3) have P / places of α_t. 0 is none."""
    weight_decay: float = Field(default=0.0, ge=0, le=MAX_WEIGHT_DECAY)
    """λ, decoupled, of the learner: w ← (1 − α_t λ) w before each step. 0 is none."""

    @property
    def rate(self) -> Rate:
        """α and its schedule."""
        return Rate(*(getattr(self, name) for name in Rate._fields))

    @model_validator(mode="after")
    def _whole_periods(self) -> Self:
        if self.period and self.horizon % self.period:
            raise FieldProblem(
                "horizon",
                f"horizon must be a multiple of period, got {self.horizon} and {self.period}",
            )
        return self

    @model_validator(mode="after")
    def _some_weight_is_left(self) -> Self:
        if self.lr * self.weight_decay >= 1:
            raise FieldProblem(
                "weight_decay",
                f"weight_decay must be less than 1 / lr, {1 / self.lr:g}, got {self.weight_decay:g}",
            )
        return self

    @model_validator(mode="after")
    def _what_the_meta_loss_can_be(self) -> Self:
        if self.meta_loss == "last" and self.final_weight:
            raise FieldProblem(
                "final_weight",
                "final_weight must be 0 with meta_loss 'last', which scores one step of each period",
            )
        if self.meta_loss == "log" and self.loss_scaling != "none":
            raise FieldProblem(
                "loss_scaling",
                "loss_scaling must be 'none' with meta_loss 'log': a logarithm has no scale to divide by",
            )
        return self

    @model_validator(mode="after")
    def _curriculum_of_whole_periods(self) -> Self:
        if self.curriculum and self.curriculum.initial < (self.period or 1):
            raise FieldProblem(
                "curriculum",
                f"curriculum must begin with at least one period, got {self.curriculum.initial} steps",
            )
        return self
