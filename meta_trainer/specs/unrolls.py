"""How episodes are run and scored: their lengths, the steps between two updates of Θ, and the
meta-loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from hyperadam.rates import Rate
from pydantic import Field, model_validator

from meta_trainer.specs.base import MetaLoss, Score, Spec
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.rates import gather_rate

DEFAULT_LR: Final = 0.005
"""α where a spec says none: that of the HyperAdam paper's code."""
LARGEST_LR: Final = 1.0


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
    rate: Rate = Rate(lr=DEFAULT_LR)
    """The learner's rate: α in `lr`, at most 1, its schedule, which counts from the beginning of
    the episode, its shares and its decay. It becomes the Θ's default."""

    @model_validator(mode="before")
    @classmethod
    def _read_the_rate(cls, values: Any) -> Any:
        gathered = gather_rate(values)
        if not isinstance(gathered, Mapping) or not isinstance(gathered.get("rate"), Mapping):
            return gathered
        return {**gathered, "rate": {"lr": DEFAULT_LR, **gathered["rate"]}}

    @model_validator(mode="after")
    def _an_alpha_that_moves(self) -> Self:
        if not 0 < self.rate.lr <= LARGEST_LR:
            raise FieldProblem(
                "rate.lr", f"rate.lr must be above 0 and at most 1, got {self.rate.lr:g}"
            )
        return self

    @model_validator(mode="after")
    def _whole_periods(self) -> Self:
        has_rest = self.period and self.horizon % self.period
        if has_rest:
            raise FieldProblem(
                "horizon",
                f"horizon must be a multiple of period, got {self.horizon} and {self.period}",
            )
        return self

    @model_validator(mode="after")
    def _some_weight_is_left(self) -> Self:
        rate = self.rate
        if rate.lr * rate.weight_decay >= 1:
            raise FieldProblem(
                "rate.weight_decay",
                f"rate.weight_decay must be less than 1 / lr, {1 / rate.lr:g}, "
                f"got {rate.weight_decay:g}",
            )
        return self

    @model_validator(mode="after")
    def _what_the_meta_loss_can_be(self) -> Self:
        if self.meta_loss == "last" and self.final_weight:
            raise FieldProblem(
                "final_weight",
                "final_weight must be 0 with meta_loss 'last', "
                "which scores one step of each period",
            )
        if self.meta_loss == "log" and self.loss_scaling != "none":
            raise FieldProblem(
                "loss_scaling",
                "loss_scaling must be 'none' with meta_loss 'log': "
                "a logarithm has no scale to divide by",
            )
        return self

    @model_validator(mode="after")
    def _curriculum_of_whole_periods(self) -> Self:
        if self.curriculum is None:
            return self
        initial = self.curriculum.initial
        if initial < (self.period or 1):
            raise FieldProblem(
                "curriculum", f"curriculum must begin with at least one period, got {initial} steps"
            )
        return self
