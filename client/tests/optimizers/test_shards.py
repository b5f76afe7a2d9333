"""Flat shards are refused with advice, not stepped as another optimizer. AdamW, which looks at
single coordinates alone, may step them. What is stepped right is in `test_processes.py`."""

from __future__ import annotations

import warnings

import pytest
import torch
from every_optimizer import (
    Make,
    every_learned,
    flatten,
    make_adamw,
    make_model,
    train,
)
from hyperadam import HyperAdam
from hyperadam.optimizers.shards import ShardedParameters
from small_run import make_theta
from torch import nn


@every_learned
def test_matrices_that_became_one_vector_are_refused(make: Make) -> None:
    """As DeepSpeed's ZeRO exchanges them."""
    model = make_model()
    optimizer = make(model.parameters())
    piece = nn.Parameter(flatten(model)[:10])
    optimizer.param_groups[0]["params"] = [piece]
    piece.grad = torch.ones_like(piece)
    with pytest.raises(ShardedParameters, match=r"group 0 .* use ZeRO stage 0"):
        optimizer.step()


def test_one_vector_is_nothing_to_the_control() -> None:
    model = make_model()
    optimizer = make_adamw(model.parameters())
    piece = nn.Parameter(flatten(model)[:10])
    optimizer.param_groups[0]["params"] = [piece]
    piece.grad = torch.ones_like(piece)
    before = piece.detach().clone()
    optimizer.step()
    assert not torch.equal(piece, before)


@pytest.mark.parametrize("mark", ["_is_flat_param", "_fsdp_flattened"])
def test_marks_of_fsdp_are_known(mark: str) -> None:
    parameter = nn.Parameter(torch.ones(3))
    setattr(parameter, mark, True)
    with pytest.raises(ShardedParameters, match=r"flat shard of FSDP; use fully_shard \(FSDP2\)"):
        HyperAdam([parameter], make_theta())


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("use_orig_params", [False, True])
def test_parameters_of_fsdp_are_refused(use_orig_params: bool) -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FullyShardedDataParallel(
            make_model(), use_orig_params=use_orig_params, device_id=torch.device("cpu")
        )
    with pytest.raises(ShardedParameters, match="flat shard of FSDP"):
        HyperAdam(model.parameters(), make_theta())


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_sums_that_were_not_added_are_refused() -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Partial

    mesh = init_device_mesh("cpu", (1,))
    parameter = nn.Parameter(DTensor.from_local(torch.ones(3), mesh, [Partial()]))
    with pytest.raises(ShardedParameters, match="its values are sums that were not added"):
        HyperAdam([parameter], make_theta())


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_a_sharded_state_is_not_taken_for_a_whole_one() -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Shard

    model = make_model()
    optimizer = HyperAdam(model.parameters(), make_theta())
    train(model, optimizer, range(1))
    weight = next(model.parameters())
    mesh = init_device_mesh("cpu", (1,))
    moment = optimizer.state[weight]["m"]
    optimizer.state[weight]["m"] = DTensor.from_local(moment, mesh, [Shard(1)])
    with pytest.raises(ValueError, match=r"state m of .* is a DTensor, and its parameter is none"):
        train(model, optimizer, range(1, 2))
