"""`hyperadam.HyperAdam` as users meet it: what it computes, and how it behaves as a torch
optimizer."""

from __future__ import annotations

import doctest
from typing import Any

import hyperadam
import hyperadam.optimizers.hyperadam
import hyperadam.shipped
import pytest
import torch
from hyperadam import HyperAdam, Theta
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from small_run import make_parameters, make_theta, set_gradients
from torch import nn


class TestStep:
    def test_is_the_rule_over_one_flat_vector(self) -> None:
        theta = make_theta()
        parameters = make_parameters(torch.float64)
        tensors = {name: x.double() for name, x in theta.tensors.items()}
        optimizer = HyperAdam(parameters, theta, lr=0.1)
        w = torch.cat([p.detach().reshape(-1) for p in parameters])
        state = theta.rule.init_state(w)
        for step in range(5):
            set_gradients(parameters, step)
            gradient = torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None])
            direction, state = theta.rule.update(tensors, gradient, state)
            w = w - 0.1 * direction
            optimizer.step()
        torch.testing.assert_close(
            torch.cat([p.detach().reshape(-1) for p in parameters]), w, rtol=0, atol=1e-12
        )

    def test_frozen_gates_make_it_adam(self) -> None:
        rule = HyperAdamRule(
            HyperAdamSpec(n_candidates=1, epsilon=1e-12, epsilon_inside_root=False)
        )
        tensors = {name: torch.zeros(shape) for name, shape in rule.theta_shapes.items()}
        tensors["adam_cell.bias"] = torch.logit(torch.tensor([0.9, 0.999]))
        tensors["weight_cell.bias"] = torch.ones(1)
        ours, theirs = (
            nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1)).double() for _ in range(2)
        )
        theirs.load_state_dict(ours.state_dict())
        beta, gamma = torch.sigmoid(tensors["adam_cell.bias"].double()).tolist()
        pairs = [
            (ours, HyperAdam(ours.parameters(), Theta(rule, tensors, Rate(lr=0.01)))),
            (
                theirs,
                torch.optim.Adam(theirs.parameters(), lr=0.01, betas=(beta, gamma), eps=1e-12),
            ),
        ]
        inputs = torch.randn(32, 4, dtype=torch.float64)
        start = nn.utils.parameters_to_vector(ours.parameters()).detach()
        for _ in range(30):
            for model, optimizer in pairs:
                optimizer.zero_grad()
                (model(inputs) - inputs.sum(1, keepdim=True)).square().mean().backward()
                optimizer.step()
        ours_moved, theirs_moved = (
            nn.utils.parameters_to_vector(m.parameters()).detach() - start for m in (ours, theirs)
        )
        assert theirs_moved.abs().min() > 1e-3
        torch.testing.assert_close(ours_moved, theirs_moved, rtol=1e-7, atol=1e-9)

    def test_norms_are_over_all_groups_together(self) -> None:
        together = make_parameters()
        apart = make_parameters()
        for a, b in zip(together, apart, strict=True):
            b.data.copy_(a.data)
        one = HyperAdam(together, make_theta())
        groups = HyperAdam([{"params": apart[:1]}, {"params": apart[1:]}], make_theta())
        for step in range(3):
            set_gradients(together, step)
            set_gradients(apart, step)
            one.step()
            groups.step()
        assert all(torch.equal(a, b) for a, b in zip(together, apart, strict=True))

    @pytest.mark.filterwarnings("ignore:weight_decay=.* of the weights")
    def test_groups_have_their_own_rate_and_decay(self) -> None:
        parameters = [nn.Parameter(torch.ones(3)) for _ in range(4)]
        optimizer = HyperAdam(
            [
                {"params": parameters[:1]},
                {"params": parameters[1:2], "lr": 0.2},
                {"params": parameters[2:3], "lr": 0.0},
                {"params": parameters[3:], "weight_decay": 0.5, "decay_all": True},
            ],
            make_theta(),
            lr=0.1,
        )
        for parameter in parameters:
            parameter.grad = torch.tensor([1.0, -2.0, 3.0])
        optimizer.step()
        plain, double, still, decayed = (1 - parameter.detach() for parameter in parameters)
        assert plain.abs().min() > 0
        torch.testing.assert_close(double, 2 * plain)
        assert torch.count_nonzero(still) == 0
        torch.testing.assert_close(decayed, plain + 0.1 * 0.5)

    def test_default_rate_is_that_of_theta(self) -> None:
        assert HyperAdam(make_parameters(), make_theta()).param_groups[0]["lr"] == 0.01
        assert HyperAdam(make_parameters(), make_theta(), lr=0).param_groups[0]["lr"] == 0

    def test_closure_is_called_with_gradients_and_its_loss_returned(self) -> None:
        weight = nn.Parameter(torch.ones(3))
        optimizer = HyperAdam([weight], make_theta())

        def closure() -> float:
            optimizer.zero_grad()
            loss = weight.square().sum()
            loss.backward()
            return loss.item()

        assert optimizer.step(closure) == 3.0
        assert optimizer.step(closure) < 3.0
        assert optimizer.step() is None

    def test_keeps_no_graph(self) -> None:
        parameters = make_parameters()
        optimizer = HyperAdam(parameters, make_theta())
        set_gradients(parameters, 0)
        optimizer.step()
        assert all(parameter.is_leaf and parameter.grad_fn is None for parameter in parameters)
        assert not any(
            x.requires_grad for fields in optimizer.state.values() for x in fields.values()
        )

    def test_reuses_its_gradient_buffer(self) -> None:
        parameters = make_parameters()
        optimizer = HyperAdam(parameters, make_theta())
        buffers = []
        for step in range(3):
            set_gradients(parameters, step)
            optimizer.step()
            assert optimizer._stepper.vector is not None
            buffers.append(optimizer._stepper.vector.buffer)
        assert buffers[0] is buffers[1] is buffers[2]

    def test_memory_formats_and_views_are_no_matter(self) -> None:
        plain = nn.Parameter(torch.randn(2, 3, 4, 5))
        strided = nn.Parameter(plain.detach().clone().to(memory_format=torch.channels_last))
        for parameter in (plain, strided):
            optimizer = HyperAdam([parameter], make_theta())
            for step in range(2):
                set_gradients([parameter], step)
                optimizer.step()
        assert torch.equal(plain, strided)

    def test_hooks_are_called(self) -> None:
        parameters = make_parameters()
        called = []
        optimizer = HyperAdam(parameters, make_theta())
        optimizer.register_step_pre_hook(lambda *_: called.append("before"))
        optimizer.register_step_post_hook(lambda *_: called.append("after"))
        set_gradients(parameters, 0)
        optimizer.step()
        assert called == ["before", "after"]


def test_a_group_added_later_starts_from_zero() -> None:
    parameters = make_parameters()
    new = nn.Parameter(torch.ones(3))
    optimizer = HyperAdam(parameters, make_theta())
    set_gradients(parameters, 0)
    optimizer.step()
    optimizer.add_param_group({"params": [new], "lr": 0.3})
    set_gradients([*parameters, new], 1)
    optimizer.step()
    old_steps = optimizer.state[parameters[1]]["beta_hat"]
    new_steps = optimizer.state[new]["beta_hat"]
    assert not torch.equal(new, torch.ones(3))
    # β̂ = 1 − β^t: after one step of the slowest candidate it is about half of what it is after
    # two.
    assert (new_steps[-1].mean() / old_steps[-1].mean()).item() == pytest.approx(0.5, abs=0.05)


def test_repr_names_class_and_options() -> None:
    text = repr(HyperAdam(make_parameters(), make_theta(), weight_decay=0.25))
    assert text.startswith("HyperAdam (")
    assert "lr: 0.01" in text
    assert "weight_decay: 0.25" in text


@pytest.mark.parametrize(
    "module", [hyperadam.optimizers.hyperadam, hyperadam.shipped], ids=lambda m: m.__name__
)
def test_docstrings_run(module: Any) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0
