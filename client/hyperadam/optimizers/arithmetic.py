"""What a step computes does not depend on the contexts that it is called in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """Without autocast, which would compute in bfloat16, and with new tensors where the parameters
    are, whatever the default device is.

    Args:
        device: where the parameters are.
    """
    with ExitStack() as stack:
        if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
            stack.enter_context(torch.autocast(device.type, enabled=False))
        if torch.get_default_device() != device:
            stack.enter_context(torch.device(device))
        yield
