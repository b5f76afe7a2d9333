"""Parameters of which this process has a part: which are stepped right, and which are refused.

DTensors (FSDP2, tensor parallelism) say what they are parts of, and torch's
`ZeroRedundancyOptimizer` hands out whole parameters: both are stepped as one process would
(`hyperadam.optimizers.spread`). A flat shard (FSDP1, DeepSpeed's ZeRO) shows neither shapes nor
where a parameter ends: shares, decay, cells and norms over it would be another optimizer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from torch import Tensor

from hyperadam.optimizers.pieces import is_spread
from hyperadam.optimizers.spread import Others
from hyperadam.rules import Rule

_ZERO: Final = "torch.distributed.optim.zero_redundancy_optimizer"
_ADVICE: Final = (
    "use fully_shard (FSDP2), ZeroRedundancyOptimizer or DistributedDataParallel, which show what "
    "parameters are"
)


class ShardedParameters(TypeError):
    """Parameters are shards; the message says of what, and what to do instead."""


def check_known(parameters: Iterable[Tensor], optimizer: str) -> None:
    """Refuse shards that do not show what they are parts of.

    Raises:
        ShardedParameters: naming which.
    """
    for parameter in parameters:
        is_flat = bool(getattr(parameter, "_is_flat_param", False))
        if is_flat or getattr(parameter, "_fsdp_flattened", False):
            raise ShardedParameters(f"{optimizer} cannot step a flat shard of FSDP; {_ADVICE}")
        if is_spread(parameter) and any(place.is_partial() for place in parameter.placements):
            raise ShardedParameters(
                f"{optimizer} cannot step a DTensor with placements {parameter.placements}: its "
                "values are sums that were not added; redistribute it"
            )


def check_not_flattened(
    groups: Sequence[Mapping[str, Any]], n_dimensions: Sequence[int], optimizer: str
) -> None:
    """Refuse groups whose matrices have become vectors, as under DeepSpeed's ZeRO: it exchanges
    the parameters of an optimizer for one flat piece of them.

    Args:
        groups: of the optimizer, now.
        n_dimensions: of each group, the most that one of its parameters had when it was added.
        optimizer: its name.

    Raises:
        ShardedParameters: naming the group.
    """
    pairs = zip(groups, n_dimensions, strict=False)
    for number, (group, n_before) in enumerate(pairs):
        most = max((parameter.dim() for parameter in group["params"]), default=n_before)
        if n_before > 1 >= most:
            raise ShardedParameters(
                f"group {number} had parameters of {n_before} dimensions and now has vectors "
                f"alone: a framework has flattened them (DeepSpeed ZeRO does). {optimizer} cannot "
                f"step flat shards; use ZeRO stage 0, or {_ADVICE}"
            )


def check_sees_all(rule: Rule[Any], others: Others | None, optimizer: str) -> None:
    """Refuse a rule that is to see the whole network where other processes have parts of it.

    Raises:
        ShardedParameters: they have.
    """
    if others is not None and rule.sees_network:
        raise ShardedParameters(
            f"{optimizer} with a Θ that sees the network cannot run in ZeroRedundancyOptimizer, "
            "where each process sees some of the parameters; use fully_shard (FSDP2) or "
            "DistributedDataParallel, or a Θ that does not see it, "
            'theta=hyperadam.pretrained("hyperadam-v3")'
        )


def count_dimensions(group: Mapping[str, Any]) -> int:
    """The most that a parameter of the group has."""
    return max((parameter.dim() for parameter in group["params"]), default=0)


def find_others() -> Others | None:
    """The processes with other parameters of the same model, where torch's
    `ZeroRedundancyOptimizer` is making this optimizer of some of them; else None."""
    if _ZERO not in sys.modules:
        return None
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__") == _ZERO:
            zero = frame.f_locals["self"]
            parameters = (p for group in zero.param_groups for p in group["params"])
            return Others(zero.process_group, next(parameters).device)
    return None
