"""A program for an installed wheel: the first step runs on a kernel that came with the package.

To be run where no compiler is, or with `CC=no-such-compiler`. It writes for which instructions the
kernel is, and what the step made of some weights.
"""

from __future__ import annotations

import sys

import hyperadam
import torch
from hyperadam.kernels import ReferenceStepper, open_stepper
from hyperadam.kernels.ready import find_ready
from hyperadam.kernels.recipe import SHIPPED
from hyperadam.rules import HyperAdamTensorRule
from hyperadam.shipped import DEFAULT


def check_kernels() -> None:
    """Each rule that has a kernel runs on it."""
    rules = [hyperadam.pretrained(name).rule for name in ("hyperadam-v1", DEFAULT)]
    for rule in (*rules, HyperAdamTensorRule()):
        stepper = open_stepper(rule, torch.zeros(rule.n_theta))
        if isinstance(stepper, ReferenceStepper):
            raise SystemExit(f"rule {rule.kind!r} runs in plain torch")


def name_instructions() -> str:
    """For which instructions the library is that this CPU takes."""
    path = find_ready(SHIPPED[0])
    if path is None:
        raise SystemExit("no compiled kernel came with the package")
    return path.name.split("-")[2]


def take_step() -> list[float]:
    """Sixteen weights after one step."""
    weight = torch.nn.Parameter(torch.ones(4, 4))
    optimizer = hyperadam.HyperAdam([weight])
    (weight * torch.linspace(-1, 1, 16).view(4, 4)).sum().backward()
    optimizer.step()
    return weight.flatten().tolist()


if __name__ == "__main__":
    check_kernels()
    weights = " ".join(map(str, take_step()))
    sys.stdout.write(f"{name_instructions()}\n{weights}\n")
