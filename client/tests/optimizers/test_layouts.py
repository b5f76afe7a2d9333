"""Which parameters decay, and how far those of three dimensions and of swapped ends move.

AdamW, the control, decays whatever it is given, and its steps know no shapes.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from every_optimizer import make_adamw
from hyperadam import HyperAdam, Theta
from small_run import make_theta
from torch import Tensor, nn


def make_rated_theta(**fields: Any) -> Theta:
    theta = make_theta()
    return Theta(theta.rule, theta.tensors, replace(theta.rate, **fields))


def step_still(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
    """Gradients so small that they move nothing, in every coordinate."""
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 1e-12)
    optimizer.step()


@pytest.mark.filterwarnings("ignore:weight_decay=.* of the weights")
class TestWeightDecay:
    SHAPES = ((4, 3), (2, 2, 3, 3), (3,), (), (1, 1, 5))

    def find_decayed(self, **options: Any) -> list[bool]:
        """Whether what a step adds with decay is there, of each shape."""
        ends = []
        for decay in (0.0, 2.0):
            parameters = [nn.Parameter(torch.full(shape, 3.0)) for shape in self.SHAPES]
            groups: Any = [{"params": parameters, **options}]
            step_still(HyperAdam(groups, make_theta(), lr=0.1, weight_decay=decay), parameters)
            ends.append([parameter.detach() for parameter in parameters])
        pairs = list(zip(*ends, strict=True))
        for plain, decayed in pairs:
            change = plain - decayed
            assert not change.any() or torch.allclose(change, torch.tensor(0.2 * 3.0))
        return [bool((plain != decayed).all()) for plain, decayed in pairs]

    def test_is_of_matrices_and_kernels(self) -> None:
        assert self.find_decayed() == [True, True, False, False, False]

    def test_is_of_all_where_a_group_says_so(self) -> None:
        assert self.find_decayed(decay_all=True) == [True] * 5

    def test_is_of_none_that_a_group_calls_vectors(self) -> None:
        assert self.find_decayed(role="vector") == [False] * 5

    def test_of_the_control_is_of_all(self) -> None:
        parameters = [nn.Parameter(torch.full(shape, 3.0)) for shape in self.SHAPES]
        step_still(make_adamw(parameters, weight_decay=2.0, eps=1.0), parameters)
        assert all(bool((parameter < 2.99).all()) for parameter in parameters)

    def run_embedding(self, optimizer_of: Any) -> Tensor:
        """What became of each row of ones; row 0 alone is seen."""
        embedding = nn.Embedding(3, 2)
        embedding.weight.data.fill_(1.0)
        optimizer = optimizer_of(embedding.parameters())
        for _ in range(20):
            optimizer.zero_grad()
            (0.001 * embedding(torch.tensor([0])).sum()).backward()
            optimizer.step()
        return embedding.weight.detach()

    def test_spares_rows_that_were_not_seen(self) -> None:
        theta = make_theta(skip_zero_gradients=True)
        rows = self.run_embedding(lambda p: HyperAdam(p, theta, lr=0.01, weight_decay=5.0))
        assert torch.equal(rows[1:], torch.ones(2, 2))
        assert bool((rows[0] < 0.7).all())
        rows = self.run_embedding(lambda p: make_adamw(p, weight_decay=5.0))
        assert bool((rows < 0.7).all())  # the control decays them all

    def test_of_a_checkpoint_from_before_is_of_all(self) -> None:
        parameters = [nn.Parameter(torch.full(shape, 3.0)) for shape in self.SHAPES]
        optimizer = HyperAdam(parameters, make_theta(), lr=0.1, weight_decay=2.0)
        step_still(optimizer, parameters)
        saved = copy.deepcopy(optimizer.state_dict())
        for name in ("decay_all", "transposed", "maximize", "role"):
            del saved["param_groups"][0][name]
        optimizer.load_state_dict(saved)
        before = parameters[2].detach().clone()
        step_still(optimizer, parameters)
        assert bool((parameters[2] < before - 0.5).all())


class TestShares:
    def fit(self, shape: tuple[int, ...], optimizer_of: Any) -> float:
        """The last loss of a regression by a weight that is stored in this shape."""
        torch.manual_seed(0)
        inputs = torch.randn(256, 64)
        targets = inputs @ torch.randn(64, 64) / 8
        weight = nn.Parameter(torch.zeros(shape))
        optimizer = optimizer_of([weight])
        for _ in range(150):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(inputs @ weight.reshape(64, 64).T, targets)
            loss.backward()
            optimizer.step()
        return loss.item()

    def test_a_matrix_that_carries_a_dimension_learns_as_without(self) -> None:
        theta = make_rated_theta(base_fan_in=392, least_fan_in=3, base_places=2)

        def make(parameters: Any) -> torch.optim.Optimizer:
            return HyperAdam(parameters, theta)

        flat = self.fit((64, 64), make)
        assert flat < 0.05
        assert self.fit((1, 64, 64), make) == pytest.approx(flat, rel=1e-4)
        control = self.fit((64, 64), make_adamw)
        assert self.fit((1, 64, 64), make_adamw) == pytest.approx(control, rel=1e-4)

    def test_of_swapped_ends_are_those_of_the_straight_layer(self) -> None:
        """As GPT-2's Conv1D, (in, out)."""
        moved = []
        theta = make_rated_theta(base_fan_in=4)
        for shape, options in (((3, 16), {}), ((16, 3), {"transposed": True}), ((16, 3), {})):
            weight = nn.Parameter(torch.zeros(shape))
            weight.grad = torch.ones(shape)
            HyperAdam([{"params": [weight], **options}], theta).step()
            moved.append(float(weight.detach().norm()))
        assert moved[1] == pytest.approx(moved[0])
        assert moved[2] == pytest.approx(4 * moved[0])

    @pytest.mark.parametrize("shape", [(1, 8, 8, 24), (4, 90)])
    def test_a_group_may_have_the_whole_rate(self, shape: tuple[int, ...]) -> None:
        """Of a table, and of kernels in rows, whose shape says that they have many inputs."""
        moved = []
        theta = make_rated_theta(base_fan_in=4, base_places=2)
        for options in ({}, {"base_fan_in": 0, "base_places": 0}):
            weight = nn.Parameter(torch.zeros(shape))
            weight.grad = torch.ones(shape)
            HyperAdam([{"params": [weight], **options}], theta).step()
            moved.append(float(weight.detach().abs().max()))
        assert moved[0] == pytest.approx(moved[1] * 4 / shape[-1])
        assert moved[1] > 0

    @pytest.mark.parametrize(
        ("shape", "options", "straight"),
        [
            ((2, 5, 4, 3), {"role": "stack"}, (40, 3)),
            ((2, 5, 3, 4), {"role": "stack", "transposed": True}, (40, 3)),
            ((16, 3, 2), {"role": "matrix"}, (16, 6)),
            ((4, 3, 20), {"role": "kernel"}, (4, 3, 20, 1)),
            ((6, 4), {"role": "vector"}, (24,)),
        ],
    )
    def test_a_group_says_what_its_shapes_do_not(
        self, shape: tuple[int, ...], options: dict[str, Any], straight: tuple[int, ...]
    ) -> None:
        theta = make_rated_theta(base_fan_in=2, least_fan_in=4, base_places=3)
        moved = []
        for group in ({"shape": shape, **options}, {"shape": straight}):
            weight = nn.Parameter(torch.zeros(group.pop("shape")))
            weight.grad = torch.ones_like(weight)
            HyperAdam([{"params": [weight], **group}], theta).step()
            moved.append(weight.detach().flatten())
        assert moved[0].any()
        assert torch.equal(moved[0], moved[1])


def test_a_role_that_a_parameter_cannot_have_is_refused() -> None:
    weight = nn.Parameter(torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"role 'kernel' needs 3 dimensions"):
        HyperAdam([{"params": [weight], "role": "kernel"}], make_theta())
    optimizer = HyperAdam([weight], make_theta())
    saved = copy.deepcopy(optimizer.state_dict())
    saved["param_groups"][0]["role"] = "embedding"
    with pytest.raises(ValueError, match=r"group 0 of the state dict has role 'embedding'"):
        optimizer.load_state_dict(saved)
