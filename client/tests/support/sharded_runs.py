"""Runs of `sharded_model` in each of two processes; only those import this."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from every_optimizer import Make, make_tensor
from hyperadam.optimizers.shards import ShardedParameters
from sharded_model import MAKES, Model, flatten, run_loop, set_gradients, train
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor


def shard(model: nn.Module) -> nn.Module:
    """As FSDP2 does."""
    sharded: Any = model
    fully_shard(sharded, mesh=init_device_mesh("cpu", (2,)))
    return model


def spread_oddly(model: nn.Module) -> nn.Module:
    """As tensor parallelism does: along columns or rows, some not at all, and some no DTensors."""
    mesh = init_device_mesh("cpu", (2,))
    places: list[Any] = [Shard(1), None, Shard(1), Replicate(), Shard(1), Shard(0), Shard(2)]
    weights: Any = model.weights
    for index, place in enumerate(places):
        if place is not None:
            spread = distribute_tensor(weights[index].detach(), mesh, [place])
            weights[index] = nn.Parameter(spread)
    return model


def run_sharded(rank: int, _folder: Path) -> dict[str, Any]:
    """Final weights by way and optimizer; what a state of FSDP2 looks like."""
    found: dict[str, Any] = {}
    for name, make in MAKES.items():
        for way, spread in (("fsdp2", shard), ("oddly", spread_oddly)):
            model = spread(Model())
            optimizer = make(model.parameters())
            train(model, optimizer, range(5))
            found[f"{way}/{name}"] = flatten(model)
        half = shard(Model())
        options = {} if name == "adamw" else {"state_dtype": torch.bfloat16}
        train(half, make(half.parameters(), **options), range(5))
        found[f"bfloat16/{name}"] = flatten(half)
        if name != "network":
            found[f"zero/{name}"] = run_zero(make)
    found["zero/refused"] = refuse_zero()
    found["zero/one"] = run_zero_of_one()
    found["loop/rms"] = run_loop(shard)
    return found | describe_state() | run_spoilt(rank)


def run_zero(make: Make) -> Tensor:
    model = Model()
    optimizer = ZeroRedundancyOptimizer(model.parameters(), make, parameters_as_bucket_view=False)
    train(model, optimizer, range(5))
    return flatten(model)


def refuse_zero() -> str:
    """What is said of a Θ that sees the network."""
    try:
        run_zero(MAKES["network"])
    except ShardedParameters as error:
        return str(error)
    return ""


def run_zero_of_one() -> Tensor:
    """Two groups of one parameter, so that each process lacks the parameter of one."""
    model = Model()
    first, *_, last = model.parameters()
    groups: Any = [{"params": [first]}, {"params": [last], "lr": 0.02}]
    optimizer: Any = ZeroRedundancyOptimizer(groups, MAKES["rms"], parameters_as_bucket_view=False)
    train(model, optimizer, range(3))
    last.grad = None  # which leaves one process with nothing to move
    optimizer.step()
    assert optimizer.param_groups[0]["n_steps"] == 4
    return flatten(model)


def describe_state() -> dict[str, Any]:
    """How many numbers of the matrix (5, 3) a process keeps, and in which shapes."""
    found: dict[str, Any] = {}
    for name in ("rms", "tensor"):
        model = shard(Model())
        optimizer = MAKES[name](model.parameters())
        train(model, optimizer, range(1))
        entry = optimizer.state[next(model.parameters())]
        moment = entry["m"]
        assert isinstance(moment, DTensor)
        found[f"state/{name}"] = [list(moment.shape), list(moment.to_local().shape)]
        moment.mul_(0.5)  # in place, as on any state
        train(model, optimizer, range(1, 2))
        assert optimizer.state[next(model.parameters())]["m"] is moment
    return found


def run_spoilt(rank: int) -> dict[str, Any]:
    """A number that is not finite in one process alone: of the matrix (7, 4), in its last row."""
    found: dict[str, Any] = {}
    for name in ("rms", "tensor", "rnnprop"):
        model = shard(Model())
        optimizer: Any = MAKES[name](model.parameters())
        train(model, optimizer, range(2))
        before = flatten(model)
        set_gradients(model, 2)
        gradient: Any = list(model.parameters())[4].grad
        if rank == 1:
            gradient.to_local()[-1, -1] = torch.inf
        try:
            optimizer.step()
        except FloatingPointError as error:
            found[f"spoilt/{name}"] = str(error)
        assert torch.equal(flatten(model), before)
    found["spoilt/zero"] = run_spoilt_zero()
    return found


def run_spoilt_zero() -> list[int]:
    """How many steps were left out in each process, where one alone has the parameter to blame."""
    model = Model()
    optimizer: Any = ZeroRedundancyOptimizer(
        model.parameters(), make_tensor, skip_nonfinite=True, parameters_as_bucket_view=False
    )
    set_gradients(model, 0)
    gradient: Any = list(model.parameters())[4].grad
    gradient[0, 0] = torch.nan
    before = flatten(model)
    optimizer.step()
    assert torch.equal(flatten(model), before)
    count = torch.tensor([optimizer.optim.n_skipped_steps])
    counts = [torch.zeros_like(count) for _ in range(2)]
    dist.all_gather(counts, count)
    return [int(each) for each in counts]


def save_and_load(_rank: int, folder: Path) -> dict[str, Any]:
    """Checkpoints of sharded runs after three steps, and what runs that go on from them reach."""
    found: dict[str, Any] = {}
    for name, make in MAKES.items():
        model = shard(Model())
        optimizer = make(model.parameters())
        train(model, optimizer, range(3))
        path = folder / name
        saved = {"w": model.state_dict(), "s": get_optimizer_state_dict(model, optimizer)}
        dcp.save(saved, checkpoint_id=path)
        whole = StateDictOptions(full_state_dict=True)
        full = copy.deepcopy(get_optimizer_state_dict(model, optimizer, options=whole))

        found[f"dcp/{name}"] = go_on_from(path, shard(Model()), make)
        again = shard(Model())
        again.load_state_dict(model.state_dict())
        loaded = make(again.parameters())
        broadcast = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
        set_optimizer_state_dict(again, loaded, full, options=broadcast)
        train(again, loaded, range(3, 5))
        found[f"full/{name}"] = flatten(again)
    return found


def go_on_from(path: Path, model: nn.Module, make: Make, **options: Any) -> Tensor:
    """What two more steps from a checkpoint reach."""
    optimizer = make(model.parameters())
    into = {"w": model.state_dict(), "s": get_optimizer_state_dict(model, optimizer)}
    dcp.load(into, checkpoint_id=path, **options)
    model.load_state_dict(into["w"])
    set_optimizer_state_dict(model, optimizer, into["s"])
    train(model, optimizer, range(3, 5))
    return flatten(model)
