"""What is done once for a rule is not done for each of a thousand parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from every_optimizer import Make, every_learned, set_random_gradients
from hyperadam.rules import Rule
from torch import nn

Act = Callable[[Any, list[nn.Parameter]], object]


def step_with_one_less(optimizer: Any, parameters: list[nn.Parameter]) -> None:
    parameters[0].grad = None
    optimizer.step()


def load_own_state(optimizer: Any, parameters: list[nn.Parameter]) -> None:
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()


def inspect(optimizer: Any, parameters: list[nn.Parameter]) -> None:
    optimizer.inspect()


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The kinds of rules that began a state, one for each time."""
    begun: list[str] = []
    for kind in Rule.__subclasses__():
        init_state = kind.init_state

        def count(
            self: Any, *args: Any, _init_state: Any = init_state, _kind: Any = kind, **rest: Any
        ) -> Any:
            begun.append(_kind.__name__)
            return _init_state(self, *args, **rest)

        monkeypatch.setattr(kind, "init_state", count)
    return begun


@every_learned
@pytest.mark.parametrize("act", [step_with_one_less, load_own_state, inspect])
def test_the_fields_of_a_rule_are_listed_once(make: Make, act: Act, rules: list[str]) -> None:
    def count(n_parameters: int) -> int:
        parameters = [nn.Parameter(torch.ones(3, 2)) for _ in range(n_parameters)]
        optimizer = make(parameters)
        set_random_gradients(parameters, 0)
        optimizer.step()
        rules.clear()
        act(optimizer, parameters)
        return len(rules)

    n_of_two = count(2)
    assert count(9) == n_of_two
