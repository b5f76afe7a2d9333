"""The same work in two processes that talk by gloo, and what each of them found."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def run_in_two_processes(work: str, folder: Path) -> list[dict[str, Any]]:
    """What a function gave in each process.

    Args:
        work: `module:function`, which is imported there alone; from a process's number and a folder
            that all of them see to tensors and texts by name.
        folder: an empty one.
    """
    mp.spawn(_enter, args=(work, folder), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def _enter(rank: int, work: str, folder: Path) -> None:
    warnings.simplefilter("ignore")
    module, function = work.split(":")
    run = getattr(importlib.import_module(module), function)
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2
    )
    torch.save(run(rank, folder), folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
