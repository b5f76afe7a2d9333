"""`state` is what it is in every torch optimizer: it may be read, changed, cleared, replaced, and
shared with others."""

from __future__ import annotations

import copy
import weakref
from collections import defaultdict
from typing import Any

import pytest
import torch
from every_optimizer import (
    Make,
    every_learned,
    every_optimizer,
    flatten,
    make_adamw,
    make_hyperadam,
    make_model,
    make_tensor,
    name_first_moment,
    set_random_gradients,
    train,
)
from torch import nn


def move_after(make: Make, change: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a step leads after `change(optimizer)`, and where it leads without."""
    model = make_model()
    optimizer = make(model.parameters())
    train(model, optimizer, range(3))
    untouched, others_optimizer = copy.deepcopy((model, optimizer))
    change(optimizer)
    train(model, optimizer, range(3, 5))
    train(untouched, others_optimizer, range(3, 5))
    return flatten(model), flatten(untouched)


@every_optimizer
def test_is_the_same_from_step_to_step(make: Make) -> None:
    model = make_model()
    optimizer = make(model.parameters())
    train(model, optimizer, range(1))
    entries = {parameter: optimizer.state[parameter] for parameter in model.parameters()}
    name = name_first_moment(optimizer)
    moments = [entry[name] for entry in entries.values()]
    before = [moment.clone() for moment in moments]
    train(model, optimizer, range(1, 3))
    assert all(optimizer.state[parameter] is entry for parameter, entry in entries.items())
    assert all(entry[name] is x for entry, x in zip(entries.values(), moments, strict=True))
    assert not any(torch.equal(x, y) for x, y in zip(moments, before, strict=True))


@every_optimizer
def test_cleared_begins_anew(make: Make) -> None:
    model = make_model()
    optimizer = make(model.parameters())
    train(model, optimizer, range(3))
    fresh = copy.deepcopy(model)
    others_optimizer = make(fresh.parameters())
    optimizer.state.clear()
    train(model, optimizer, range(3, 5))
    train(fresh, others_optimizer, range(3, 5))
    assert torch.equal(flatten(model), flatten(fresh))


@every_optimizer
def test_assigned_is_what_is_used(make: Make) -> None:
    def assign_nothing(optimizer: torch.optim.Optimizer) -> None:
        optimizer.state = defaultdict(dict)

    def assign_a_copy(optimizer: torch.optim.Optimizer) -> None:
        entries = optimizer.state.items()
        copied = {
            parameter: {name: field.clone() for name, field in entry.items()}
            for parameter, entry in entries
        }
        optimizer.state = defaultdict(dict, copied)

    moved, untouched = move_after(make, assign_nothing)
    assert not torch.equal(moved, untouched)
    moved, untouched = move_after(make, assign_a_copy)
    assert torch.equal(moved, untouched)


@every_optimizer
def test_changed_in_place_and_by_replacement_is_the_same(make: Make) -> None:
    def change_in_place(optimizer: torch.optim.Optimizer) -> None:
        for entry in optimizer.state.values():
            entry[name_first_moment(optimizer)].mul_(0.5)

    def replace(optimizer: torch.optim.Optimizer) -> None:
        for entry in optimizer.state.values():
            name = name_first_moment(optimizer)
            entry[name] = entry[name] * 0.5

    moved, untouched = move_after(make, change_in_place)
    assert not torch.equal(moved, untouched)
    assert torch.equal(moved, move_after(make, replace)[0])


@every_optimizer
def test_moved_to_other_memory_goes_on(make: Make) -> None:
    """What loops do that bring a loaded state to a device."""

    def move_data(optimizer: torch.optim.Optimizer) -> None:
        for entry in optimizer.state.values():
            for field in entry.values():
                field.data = field.data.clone()

    moved, untouched = move_after(make, move_data)
    assert torch.equal(moved, untouched)


@every_optimizer
def test_others_keep_entries_of_their_own(make: Make) -> None:
    """As Lookahead does (Zhang et al., 2019), in timm's way: slow weights in the state."""
    model = make_model()
    optimizer = make(model.parameters())
    for step in range(4):
        train(model, optimizer, range(step, step + 1))
        for parameter in model.parameters():
            slow = optimizer.state[parameter].setdefault("slow", parameter.detach().clone())
            slow.lerp_(parameter.detach(), 0.5)
            parameter.data.copy_(slow)
    fields = optimizer.state_dict()["state"]
    for index, parameter in enumerate(model.parameters()):
        assert torch.equal(fields[index]["slow"], parameter)

    loaded = make(model.parameters())
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert all(torch.equal(loaded.state[p]["slow"], p) for p in model.parameters())
    train(model, loaded, range(4, 5))
    assert not torch.equal(loaded.state[next(model.parameters())]["slow"], flatten(model)[:15])


@every_optimizer
def test_of_a_replaced_parameter_goes_with_it(make: Make) -> None:
    """As Gaussian splatting does when it prunes and splits: the old one leaves nothing behind."""
    parameter = nn.Parameter(torch.ones(4, 3))
    other = nn.Parameter(torch.ones(2))
    optimizer = make([parameter, other])
    trail = []
    for step in range(4):
        set_random_gradients([parameter, other], step)
        optimizer.step()
        trail.append(weakref.ref(parameter))
        entry = optimizer.state.pop(parameter)
        parameter = nn.Parameter(parameter.detach().clone())
        optimizer.param_groups[0]["params"][0] = parameter
        optimizer.state[parameter] = dict(entry)
    set_random_gradients([parameter, other], 4)
    optimizer.step()
    del entry
    assert [reference() for reference in trail] == [None] * 4
    assert set(optimizer.state) == {parameter, other}

    still = nn.Parameter(torch.ones(4, 3))
    others = [still, nn.Parameter(torch.ones(2))]
    control = make(others)
    for step in range(5):
        set_random_gradients(others, step)
        control.step()
    assert torch.equal(parameter, still)


@every_learned
def test_that_stays_behind_keeps_no_other_alive(make: Make) -> None:
    large = nn.Parameter(torch.ones(1000))
    small = nn.Parameter(torch.ones(2))
    optimizer = make([large, small])
    set_random_gradients([large, small], 0)
    optimizer.step()
    large.grad = None
    small.grad = None
    one = nn.Parameter(torch.ones(1))
    optimizer.add_param_group({"params": [one]})
    one.grad = torch.ones(1)
    optimizer.step()
    for parameter in (small, one):
        for field in optimizer.state[parameter].values():
            assert field.untyped_storage().nbytes() == field.nbytes


@every_learned
def test_of_another_shape_is_refused_by_name(make: Make) -> None:
    parameter = nn.Parameter(torch.ones(4, 3))
    optimizer = make([parameter])
    set_random_gradients([parameter], 0)
    optimizer.step()
    optimizer.state[parameter]["m"] = torch.zeros(7)
    with pytest.raises(ValueError, match=r"state m of the parameter at place 0 .* \(7,\), not"):
        optimizer.step()


@pytest.mark.usefixtures("needs_compiler")
@pytest.mark.parametrize("make", [make_adamw, make_hyperadam, make_tensor])
def test_a_first_step_takes_little_beside_the_state(make: Make) -> None:
    parameters = [nn.Parameter(torch.ones(200, 20)) for _ in range(10)]
    optimizer = make(parameters)
    set_random_gradients(parameters, 0)
    peak = measure_peak(optimizer)
    kept = sum(field.nbytes for entry in optimizer.state.values() for field in entry.values())
    n_bytes = sum(parameter.nbytes for parameter in parameters)
    assert kept > 2 * n_bytes - 1
    # Beside the state: the buffer of gradients, and a kernel's workspace.
    assert peak < 1.1 * kept + 2 * n_bytes


def measure_peak(optimizer: torch.optim.Optimizer) -> int:
    """The most bytes that a step's tensors have at once, without what was there before."""
    with torch.profiler.profile(profile_memory=True) as profile:
        optimizer.step()
    assert profile.profiler is not None
    assert profile.profiler.kineto_results is not None
    events = profile.profiler.kineto_results.events()
    changes = [event.nbytes() for event in events if event.name() == "[memory]"]
    total = 0
    peak = 0
    for change in changes:
        total += change
        peak = max(peak, total)
    return peak
