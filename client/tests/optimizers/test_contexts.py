"""A step is the same wherever it is called: compiled, under autocast, under another default device,
beside frozen parameters. AdamW is the control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
import torch
from every_optimizer import (
    Make,
    every_learned,
    every_optimizer,
    flatten,
    make_adamw,
    make_model,
    set_random_gradients,
    train,
)
from hyperadam import HyperAdam
from torch import nn

Context = Callable[[], AbstractContextManager[object]]


@contextmanager
def in_float64_by_default() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


CONTEXTS: dict[str, Context] = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default device": lambda: torch.device("meta"),
    "default dtype": in_float64_by_default,
    "gradients wanted": torch.enable_grad,
}


@pytest.mark.parametrize("kernel", ["auto", "off"])
@pytest.mark.parametrize("context", list(CONTEXTS.values()), ids=list(CONTEXTS))
@every_optimizer
def test_a_step_is_the_same_in_every_context(
    make: Make, context: Context, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERADAM_KERNEL", kernel)
    ends = []
    for surroundings in (nullcontext, context):
        model = make_model()
        optimizer = make(model.parameters())
        for step in range(3):
            set_random_gradients(model.parameters(), step)
            with surroundings():
                optimizer.step()
        ends.append(flatten(model))
    assert torch.equal(*ends)


@every_optimizer
def test_an_optimizer_is_made_under_another_default_device(make: Make) -> None:
    model = make_model()
    make(make_model().parameters())  # Θ is made here and now
    with torch.device("meta"):
        optimizer = make(model.parameters())
    train(model, optimizer, range(2))
    control = make_model()
    train(control, make(control.parameters()), range(2))
    assert torch.equal(flatten(model), flatten(control))


def test_the_default_theta_is_read_under_another_default_device() -> None:
    model = make_model()
    set_random_gradients(model.parameters(), 0)
    with torch.device("meta"):
        HyperAdam(model.parameters()).step()
    assert flatten(model).isfinite().all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is deprecated. Please switch:DeprecationWarning")
@every_optimizer
def test_a_fresh_optimizer_is_stepped_under_compile(make: Make) -> None:
    ends = []
    for compiled in (False, True):
        model = make_model()
        optimizer = make(model.parameters())
        step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
        for number in range(3):
            set_random_gradients(model.parameters(), number)
            step()
        ends.append(flatten(model))
    if make is make_adamw:  # which is compiled, and sums in another order
        torch.testing.assert_close(ends[1], ends[0], rtol=1e-5, atol=1e-6)
    else:
        assert torch.equal(*ends)
    assert not torch.equal(ends[0], flatten(make_model()))


FROZEN = {
    "of another dtype": torch.zeros(3, dtype=torch.int8),
    "on another device": torch.zeros(3, device="meta"),
    "in float64": torch.zeros(3, dtype=torch.float64),
    "complex": torch.zeros(3, dtype=torch.complex64),
}


@pytest.mark.parametrize("frozen", list(FROZEN.values()), ids=list(FROZEN))
@every_optimizer
def test_frozen_parameters_are_let_be(make: Make, frozen: torch.Tensor) -> None:
    """As the quantised weights beside a LoRA are."""
    model = make_model()
    still = nn.Parameter(frozen, requires_grad=False)
    optimizer = make([still, *model.parameters()])
    train(model, optimizer, range(3))
    control = make_model()
    train(control, make(control.parameters()), range(3))
    assert torch.equal(flatten(model), flatten(control))
    assert still not in optimizer.state


@every_learned
def test_what_is_unfrozen_later_is_validated_then(make: Make) -> None:
    model = make_model()
    far = nn.Parameter(torch.zeros(3, device="meta"), requires_grad=False)
    optimizer = make([far, *model.parameters()])
    train(model, optimizer, range(1))
    far.requires_grad_()
    far.grad = torch.zeros(3, device="meta")
    with pytest.raises(ValueError, match="parameters must be on one device, got cpu, meta"):
        optimizer.step()
