"""Shards of parameters, which a learned optimizer cannot step: it would be another optimizer.

Shares, decay and the cells of `hyperadam-tensor` are by a parameter's shape, and norms are over all
of it, or over all parameters. A flat shard shows neither.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

from torch import Tensor

from hyperadam.rules import Rule

_ZERO: Final = "torch.distributed.optim.zero_redundancy_optimizer"
_ADVICE: Final = (
    "use DistributedDataParallel, or FSDP with NO_SHARD: every process then holds whole parameters"
)


class ShardedParameters(TypeError):
    """Parameters are shards; the message says of what, and what to do instead."""


def check_whole(parameters: Iterable[Tensor], optimizer: str) -> None:
    """Refuse shards that say what they are: of FSDP and of tensors that are spread over a mesh.

    Raises:
        ShardedParameters: naming which.
    """
    for parameter in parameters:
        if hasattr(parameter, "device_mesh") and hasattr(parameter, "placements"):
            raise ShardedParameters(
                f"{optimizer} cannot step a DTensor (FSDP2, tensor parallelism); {_ADVICE}"
            )
        is_flat = bool(getattr(parameter, "_is_flat_param", False))
        if is_flat or getattr(parameter, "_fsdp_flattened", False):
            raise ShardedParameters(f"{optimizer} cannot step a flat shard of FSDP; {_ADVICE}")


def check_not_flattened(
    parameters: Iterable[Tensor], n_dimensions: int, number: int, optimizer: str
) -> None:
    """Refuse a group whose matrices have become vectors, as under DeepSpeed's ZeRO: it exchanges
    the parameters of an optimizer for one flat piece of them.

    Args:
        parameters: of the group, now.
        n_dimensions: the most that a parameter of the group had when it was added.
        number: of the group.

    Raises:
        ShardedParameters: naming the group.
    """
    most = max((parameter.dim() for parameter in parameters), default=n_dimensions)
    if n_dimensions > 1 >= most:
        raise ShardedParameters(
            f"group {number} had parameters of {n_dimensions} dimensions and now has vectors "
            f"alone: a framework has flattened them (DeepSpeed ZeRO does). {optimizer} cannot step "
            f"flat shards; use ZeRO stage 0, or {_ADVICE}"
        )


def check_not_divided(rule: Rule[Any], optimizer: str) -> None:
    """Refuse to be one of several optimizers that each have some of a model's parameters, where
    the rule takes norms over all of them.

    Raises:
        ShardedParameters: torch's `ZeroRedundancyOptimizer` is making this one.
    """
    if not rule.joins_parameters or _ZERO not in sys.modules:
        return
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__") == _ZERO:
            raise ShardedParameters(
                f"{optimizer} cannot run inside ZeroRedundancyOptimizer with a Θ of kind "
                f"{rule.kind!r}: its norms are over all parameters, of which each process would "
                "have some; use a Θ of kind 'hyperadam-tensor', or the optimizer without it"
            )
