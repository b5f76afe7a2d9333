"""A model that is spread over two processes ends where one process would bring it: FSDP2, other
DTensors, and torch's `ZeroRedundancyOptimizer`. AdamW, which looks at single coordinates alone, is
the control."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import run_in_two_processes
from sharded_model import MAKES, Model, run_alone, run_loop, run_zero_of_one_alone

pytestmark = pytest.mark.slow
Find = Callable[[str], list[Any]]


def gather(work: str, factory: pytest.TempPathFactory) -> tuple[Path, Find]:
    folder = factory.mktemp("processes")
    found = run_in_two_processes(work, folder)
    return folder, lambda name: [of_process[name] for of_process in found]


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Find:
    return gather("sharded_runs:run_sharded", tmp_path_factory)[1]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Find]:
    return gather("sharded_runs:save_and_load", tmp_path_factory)


@pytest.mark.parametrize("name", MAKES)
@pytest.mark.parametrize("way", ["fsdp2", "oddly", "zero"])
def test_many_processes_are_as_one(sharded: Find, way: str, name: str) -> None:
    if (way, name) == ("zero", "network"):
        for message in sharded("zero/refused"):
            assert "cannot run in ZeroRedundancyOptimizer" in message
        return
    alone = run_alone(MAKES[name])
    assert float((alone - run_alone(MAKES["adamw"])).abs().max()) > 0.001 or name == "adamw"
    for weights in sharded(f"{way}/{name}"):
        torch.testing.assert_close(weights, alone, rtol=1e-6, atol=1e-6)


def test_a_loop_with_clipping_is_as_in_one(sharded: Find) -> None:
    for weights in sharded("loop/rms"):
        torch.testing.assert_close(weights, run_loop(), rtol=1e-6, atol=1e-6)


def test_processes_without_a_parameter_take_part_in_its_norms(sharded: Find) -> None:
    for weights in sharded("zero/one"):
        torch.testing.assert_close(weights, run_zero_of_one_alone(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in MAKES if name != "adamw"])
def test_states_in_bfloat16_are_sharded_too(sharded: Find, name: str) -> None:
    alone = run_alone(MAKES[name], state_dtype=torch.bfloat16)
    for weights in sharded(f"bfloat16/{name}"):
        torch.testing.assert_close(weights, alone, rtol=1e-3, atol=1e-3)


def test_a_state_is_sharded_as_its_parameter(sharded: Find) -> None:
    first, second = sharded("state/rms")
    assert first == [[4, 5, 3], [4, 3, 3]]
    assert second == [[4, 5, 3], [4, 2, 3]]


@pytest.mark.parametrize("name", ["rms", "tensor", "rnnprop"])
def test_a_gradient_that_is_not_finite_anywhere_stops_all(sharded: Find, name: str) -> None:
    first, second = sharded(f"spoilt/{name}")
    assert first == second
    assert "gradient of parameter 4 of group 0 has values that are not finite" in first


def test_zero_skips_a_step_in_all_processes(sharded: Find) -> None:
    assert sharded("spoilt/zero") == [[1, 1], [1, 1]]


@pytest.mark.parametrize("name", MAKES)
class TestCheckpoints:
    def test_go_on_in_as_many_processes(self, checkpoints: tuple[Path, Find], name: str) -> None:
        alone = run_alone(MAKES[name])
        for way in ("dcp", "full"):
            for weights in checkpoints[1](f"{way}/{name}"):
                torch.testing.assert_close(weights, alone, rtol=1e-6, atol=1e-6)

    @pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")
    @pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
    def test_go_on_in_one_process(self, checkpoints: tuple[Path, Find], name: str) -> None:
        from sharded_runs import go_on_from

        weights = go_on_from(checkpoints[0] / name, Model(), MAKES[name], no_dist=True)
        torch.testing.assert_close(weights, run_alone(MAKES[name]), rtol=1e-6, atol=1e-6)
