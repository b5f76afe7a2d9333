"""What moves Θ."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from meta_trainer.specs.base import Spec, TensorNames


class MetaOptimizerSpec(Spec):
    """Adam on Θ, with clipping and a rate schedule."""

    rate: float = Field(default=1e-3, gt=0, le=1)
    """Step size of Adam on Θ, after the warm-up."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """After the warm-up: constant, or a half cosine down to `final_fraction` at the last update."""
    final_fraction: float = Field(default=0.05, ge=0, le=1)
    """Share of `rate` that is left at the last update of a `cosine`."""
    warmup_updates: int = Field(default=10, ge=0, le=100_000)
    """Updates over which the rate rises linearly from 0."""
    clip_norm: float = Field(default=1.0, gt=0, le=1e6)
    """Largest Euclidean norm of the meta-gradient; a longer one is scaled down to it."""
    clip_learners: float | None = Field(default=None, gt=0, le=1e6)
    """c: a learner's meta-gradient is shortened to c times the median norm of the last learners',
    before they are added up, so that no learner owns an update; null: all count as they are."""
    weight_decay: float = Field(default=0.0, ge=0, le=100)
    """λ, decoupled: Θ ← Θ − rate λ (Θ − Θ°) before every step of Adam."""
    decay_towards: Literal["zero", "start"] = "zero"
    """Θ°: 0, as in AdamW, or where the job starts, which decay then does not forget."""
    tensors: TensorNames | None = Field(default=None, exclude_if=lambda value: value is None)
    """Names of the tensors of Θ that updates move; the others stay as the job finds them, and their
    derivatives count in no norm. Null: all."""
    averaging: float = Field(default=0.0, ge=0, lt=1)
    """Decay d of the running mean Θ̄ ← d Θ̄ + (1 − d) Θ, which is what is validated and kept; 0: Θ
    itself."""
