"""Checkpoints of a meta-training: everything that its future depends on, as one safetensors file
with a digest.

A checkpoint between two episodes holds five vectors as long as Θ; one within an episode also holds
the chunks' states.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from hyperadam.rules import Rule
from pydantic import BaseModel
from torch import Tensor

from meta_trainer.unrolls.episodes import EpisodeState, Evaluation

BEST_CHECKPOINT: Final = "best/checkpoint.safetensors"
"""Artifact of a run: the checkpoint at the best validation so far; the newest ones may not reach
back to it."""
FORMAT_VERSION: Final = 1
_KEY: Final = "hyperadam-checkpoint"
_INDIFFERENT: Final = {"register_as", "checkpoint_every_updates", "max_attempts", "backoff_seconds"}
"""Fields of a spec that do not change Θ."""


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
    initial_loss: float
    seconds: float
    """Time spent on the job so far, over all attempts."""
    watch: Mapping[str, int] = field(
        default_factory=lambda: {"bad_updates": 0, "bad_validations": 0}
    )
    """`DivergenceWatch.state`; checkpoints from before it are read as having nothing to say."""
    states: tuple[EpisodeState, ...] = ()
    """One for each chunk when an episode is under way."""

    def to_bytes(self) -> bytes:
        tensors = {f"meta.{name}": tensor for name, tensor in self.meta_optimizer.items()}
        tensors["best_theta"] = self.best_theta
        for i, state in enumerate(self.states):
            tensors |= {f"chunk.{i}.{name}": tensor for name, tensor in _flatten(state).items()}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        header = {
            "format_version": FORMAT_VERSION,
            "update": self.update,
            "spec_sha256": self.spec_sha256,
            "best_update": self.best_update,
            "best_loss": self.best_loss,
            "initial_loss": self.initial_loss,
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
            header = _header(data)
            tensors = safetensors.torch.load(data)
            digest = header.pop("digest")
            steps = header.pop("steps")
        except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            raise CheckpointError(f"not a checkpoint: {error}") from error
        if digest != _digest({**header, "steps": steps}, tensors):
            raise CheckpointError("damaged: the digest does not match the content")
        if header.pop("format_version") != FORMAT_VERSION:
            raise CheckpointError("written in a format of another version")
        return cls(
            **header,
            meta_optimizer={
                name[5:]: tensor for name, tensor in tensors.items() if name.startswith("meta.")
            },
            best_theta=tensors["best_theta"],
            states=tuple(
                _unflatten(tensors, f"chunk.{i}.", step, rule) for i, step in enumerate(steps)
            ),
        )


def read_update(data: bytes) -> int:
    """Which update a checkpoint was written after, by its header alone.

    Raises:
        CheckpointError: not a checkpoint.
    """
    try:
        return int(_header(data)["update"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"not a checkpoint: {error}") from error


def _header(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
    return header


def digest_spec(spec: BaseModel) -> str:
    """sha256 of what a spec says that decides Θ.

    Values that are defaults are left out, so that a checkpoint outlives an upgrade that adds a
    field.
    """
    decisive = spec.model_dump_json(exclude=_INDIFFERENT, exclude_defaults=True)
    return hashlib.sha256(decisive.encode()).hexdigest()


def _flatten(state: EpisodeState) -> dict[str, Tensor]:
    tensors = {"w": state.w, **{f"here.{k}": v for k, v in state.here._asdict().items()}}
    return tensors | {f"rule.{name}": tensor for name, tensor in state.rule_state._asdict().items()}


def _unflatten(
    tensors: Mapping[str, Tensor], prefix: str, step: int, rule: Rule[Any]
) -> EpisodeState:
    rule_state_type = type(rule.init_state(torch.zeros(0)))
    here = Evaluation(*(tensors[f"{prefix}here.{name}"] for name in Evaluation._fields))
    rule_state = rule_state_type(
        *(tensors[f"{prefix}rule.{name}"] for name in rule_state_type._fields)
    )
    return EpisodeState(tensors[f"{prefix}w"], here, rule_state, step)


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].contiguous().numpy().data)
    return digest.hexdigest()
