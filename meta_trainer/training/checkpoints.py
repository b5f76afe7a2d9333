"""Checkpoints of a meta-training: everything that its future depends on, as one safetensors file
with a digest.

A checkpoint between two episodes holds five vectors as long as Θ; one within an episode also holds
the chunks' states.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from hyperadam.rules import Rule
from pydantic import BaseModel
from pydantic_core import to_json
from torch import Tensor

from meta_trainer.specs import UnrollSpec
from meta_trainer.unrolls.episodes import EpisodeState, LossAndGradient

BEST_CHECKPOINT: Final = "best/checkpoint.safetensors"
"""Artifact of a run: the checkpoint at the best validation so far; the newest ones may not reach
back to it."""
FORMAT_VERSION: Final = 1
_KEY: Final = "hyperadam-checkpoint"
_FIELDS_WITHOUT_EFFECT: Final = {
    "register_as",
    "checkpoint_every_updates",
    "max_attempts",
    "backoff_seconds",
    "kernel",
}
"""Fields of a spec that do not change Θ."""
_USUAL_RATE: Final = UnrollSpec().rate.to_fields()


class CheckpointError(ValueError):
    """The bytes are not an undamaged checkpoint of this job."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A meta-training after `update` updates of Θ."""

    update: int
    spec_sha256: str
    """`digest_spec` of the job's spec: a checkpoint of another job is refused."""
    meta_optimizer: Mapping[str, Tensor]
    best_theta: Tensor
    """Shape (n_theta,)."""
    best_update: int
    best_loss: float
    initial_loss: float | None
    """None (in the file: NaN) before the first validation."""
    seconds: float
    """Time spent on the job so far, over all attempts."""
    watch: Mapping[str, int] = field(
        default_factory=lambda: {"bad_updates": 0, "bad_validations": 0}
    )
    """`DivergenceWatch.state`; checkpoints from before it are read as having nothing to say."""
    learner_norms: Tensor | None = None
    """`LearnerClip.state`, shape (n,), float64; None where learners are not clipped, and in
    checkpoints from before it."""
    staleness: Tensor | None = None
    """How old the Θ of each period was, shape (updates, chunks), uint8; None where every period
    took the newest."""
    states: tuple[EpisodeState, ...] = ()
    """One for each chunk when an episode is under way."""

    def to_bytes(self) -> bytes:
        """The file: tensors by name, and everything else in a header with a digest of both."""
        tensors = {"best_theta": self.best_theta.contiguous()}
        for name, tensor in self.meta_optimizer.items():
            tensors[f"meta.{name}"] = tensor.contiguous()
        if self.learner_norms is not None:
            tensors["learner_norms"] = self.learner_norms
        if self.staleness is not None:
            tensors["staleness"] = self.staleness
        for chunk, state in enumerate(self.states):
            for name, tensor in _flatten(state).items():
                tensors[f"chunk.{chunk}.{name}"] = tensor.contiguous()

        header: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "update": self.update,
            "spec_sha256": self.spec_sha256,
            "best_update": self.best_update,
            "best_loss": self.best_loss,
            "initial_loss": math.nan if self.initial_loss is None else self.initial_loss,
            "seconds": self.seconds,
            "watch": dict(self.watch),
            "steps": [state.step for state in self.states],
        }
        header["digest"] = _digest(header, tensors)
        return safetensors.torch.save(tensors, metadata={_KEY: json.dumps(header)})

    @classmethod
    def from_bytes(cls, data: bytes, rule: Rule[Any]) -> Checkpoint:
        """Read what `to_bytes` wrote.

        Raises:
            CheckpointError: not a checkpoint, of another format, or damaged.
        """
        try:
            header = _read_header(data)
            tensors = safetensors.torch.load(data)
            digest = header.pop("digest")
            expected_digest = _digest(header, tensors)
            steps = header.pop("steps")
        except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            raise CheckpointError(f"not a checkpoint: {error}") from error
        if digest != expected_digest:
            raise CheckpointError("damaged: the digest does not match the content")
        if header.pop("format_version") != FORMAT_VERSION:
            raise CheckpointError("written in a format of another version")

        states = [
            _unflatten(tensors, f"chunk.{chunk}.", step, rule) for chunk, step in enumerate(steps)
        ]
        initial_loss = header.pop("initial_loss")
        return cls(
            **header,
            initial_loss=None if math.isnan(initial_loss) else initial_loss,
            meta_optimizer=_select(tensors, "meta."),
            best_theta=tensors["best_theta"],
            learner_norms=tensors.get("learner_norms"),
            staleness=tensors.get("staleness"),
            states=tuple(states),
        )


def read_update(data: bytes) -> int:
    """Which update a checkpoint was written after, by its header alone.

    Raises:
        CheckpointError: not a checkpoint.
    """
    try:
        return int(_read_header(data)["update"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"not a checkpoint: {error}") from error


def digest_spec(spec: BaseModel) -> str:
    """sha256 of what a spec says that decides Θ.

    Values that are defaults are left out, so that a checkpoint outlives an upgrade that adds a
    field. The fields of the rate stand beside those of `unroll`, where they were before they were
    one value: a checkpoint outlives that, too.
    """
    decisive = spec.model_dump(mode="json", exclude=_FIELDS_WITHOUT_EFFECT, exclude_defaults=True)
    unroll = decisive.get("unroll", {})
    if "rate" in unroll:
        rate = unroll.pop("rate")
        unroll |= {name: value for name, value in rate.items() if value != _USUAL_RATE[name]}
    return hashlib.sha256(to_json(decisive)).hexdigest()


def _read_header(data: bytes) -> dict[str, Any]:
    """Ours within that of safetensors, which is JSON after eight bytes that say how long it is."""
    length = int.from_bytes(data[:8], "little")
    file_header = json.loads(data[8 : 8 + length])
    header: dict[str, Any] = json.loads(file_header["__metadata__"][_KEY])
    return header


def _flatten(state: EpisodeState) -> dict[str, Tensor]:
    """The tensors of a state by name; its step stands in the header."""
    tensors = {"w": state.w}
    for name, tensor in state.current._asdict().items():
        tensors[f"here.{name}"] = tensor
    for name, tensor in state.rule_state._asdict().items():
        tensors[f"rule.{name}"] = tensor
    return tensors


def _unflatten(
    tensors: Mapping[str, Tensor], prefix: str, step: int, rule: Rule[Any]
) -> EpisodeState:
    rule_state_type = type(rule.init_state(torch.zeros(0)))
    current = LossAndGradient(**_select(tensors, f"{prefix}here."))
    rule_state = rule_state_type(**_select(tensors, f"{prefix}rule."))
    return EpisodeState(tensors[f"{prefix}w"], current, rule_state, step)


def _select(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with the prefix, which their new names lack."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
