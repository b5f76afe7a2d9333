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
from hyperadam.rates import KNOBS, Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from small_run import make_parameters, make_theta, set_gradients
from torch import Tensor, nn


def copies(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def moved(parameters: list[nn.Parameter], before: list[Tensor]) -> list[bool]:
    return [not torch.equal(x, y) for x, y in zip(parameters, before, strict=True)]


class TestStep:
    def test_is_the_rule_over_one_flat_vector(self) -> None:
        theta, parameters = make_theta(), make_parameters(torch.float64)
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
        together, apart = make_parameters(), make_parameters()
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

    def test_groups_have_their_own_rate_and_decay(self) -> None:
        parameters = [nn.Parameter(torch.ones(3)) for _ in range(4)]
        optimizer = HyperAdam(
            [
                {"params": parameters[:1]},
                {"params": parameters[1:2], "lr": 0.2},
                {"params": parameters[2:3], "lr": 0.0},
                {"params": parameters[3:], "weight_decay": 0.5},
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
            assert optimizer._vector is not None
            buffers.append(optimizer._vector.buffer)
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
        parameters, called = make_parameters(), []
        optimizer = HyperAdam(parameters, make_theta())
        optimizer.register_step_pre_hook(lambda *_: called.append("before"))
        optimizer.register_step_post_hook(lambda *_: called.append("after"))
        set_gradients(parameters, 0)
        optimizer.step()
        assert called == ["before", "after"]


class TestGradients:
    def test_a_missing_one_leaves_its_parameter_out(self) -> None:
        with_unused, alone = make_parameters(), make_parameters()
        for a, b in zip(with_unused, alone, strict=True):
            b.data.copy_(a.data)
        before = copies(with_unused)
        a = HyperAdam(with_unused, make_theta(), weight_decay=0.1)
        b = HyperAdam(alone[1:], make_theta(), weight_decay=0.1)
        for step in range(3):
            set_gradients(with_unused[1:], step)
            set_gradients(alone[1:], step)
            a.step()
            b.step()
        assert moved(with_unused, before) == [False, True, True, True]
        assert all(torch.equal(x, y) for x, y in zip(with_unused[1:], alone[1:], strict=True))
        assert with_unused[0] not in a.state

    def test_a_parameter_that_comes_back_has_kept_its_state(self) -> None:
        parameters = make_parameters()
        optimizer = HyperAdam(parameters, make_theta())
        set_gradients(parameters, 0)
        optimizer.step()
        kept = {name: x.clone() for name, x in optimizer.state[parameters[0]].items()}
        set_gradients(parameters, 1)
        parameters[0].grad = None
        optimizer.step()
        assert all(torch.equal(x, kept[name]) for name, x in optimizer.state[parameters[0]].items())
        set_gradients(parameters, 2)
        optimizer.step()
        beta_hat = optimizer.state[parameters[0]]["beta_hat"]
        assert (beta_hat > kept["beta_hat"]).all()
        assert (optimizer.state[parameters[1]]["beta_hat"] > beta_hat[:, :1, 0]).any()

    def test_none_at_all_does_nothing(self) -> None:
        parameters = make_parameters()
        before = copies(parameters)
        optimizer = HyperAdam(parameters, make_theta(), weight_decay=0.1)
        optimizer.step()
        assert not any(moved(parameters, before))

    def test_zero_ones_move_nothing(self) -> None:
        parameters = make_parameters()
        before = copies(parameters)
        optimizer = HyperAdam(parameters, make_theta())
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        for _ in range(3):
            optimizer.step()
        assert not any(moved(parameters, before))

    def test_a_sparse_one_is_refused(self) -> None:
        embedding = nn.Embedding(5, 2, sparse=True)
        optimizer = HyperAdam(embedding.parameters(), make_theta())
        embedding(torch.tensor([1, 2])).sum().backward()
        with pytest.raises(RuntimeError, match="HyperAdam does not support sparse gradients"):
            optimizer.step()

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_one_that_is_not_finite_is_refused_and_nothing_changed(self, value: float) -> None:
        parameters = make_parameters()
        optimizer = HyperAdam(
            [("a", p) if i == 0 else (f"b{i}", p) for i, p in enumerate(parameters)], make_theta()
        )
        set_gradients(parameters, 0)
        optimizer.step()
        weights, state = copies(parameters), optimizer.state_dict()
        set_gradients(parameters, 1)
        parameters[1].grad[2] = value  # type: ignore[index]
        with pytest.raises(
            FloatingPointError, match="gradient of parameter b1 has values that are not finite"
        ):
            optimizer.step()
        assert not any(moved(parameters, weights))
        for index, fields in optimizer.state_dict()["state"].items():
            assert all(torch.equal(x, state["state"][index][name]) for name, x in fields.items())
        set_gradients(parameters, 1)
        optimizer.step()
        assert all(moved(parameters, weights))

    def test_one_that_is_not_finite_is_named_by_place_without_names(self) -> None:
        parameters = make_parameters()
        optimizer = HyperAdam(
            [{"params": parameters[:2]}, {"params": parameters[2:]}], make_theta()
        )
        set_gradients(parameters, 0)
        parameters[3].grad[0] = torch.nan  # type: ignore[index]
        with pytest.raises(FloatingPointError, match="parameter 1 of group 1"):
            optimizer.step()

    def test_one_whose_square_overflows_is_refused(self) -> None:
        weight = nn.Parameter(torch.ones(3))
        weight.grad = torch.full((3,), 1e20)
        with pytest.raises(
            FloatingPointError,
            match=r"gradient is too large: its squared norm overflows torch.float32",
        ):
            HyperAdam([weight], make_theta()).step()


class TestDtypes:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
    def test_all_real_ones_train(self, dtype: torch.dtype) -> None:
        weight = nn.Parameter(torch.ones(4, dtype=dtype))
        optimizer = HyperAdam([weight], make_theta())
        for _ in range(50):
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.step()
        assert weight.dtype == dtype
        assert weight.detach().abs().max() < 0.7
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        assert {x.dtype for x in optimizer.state[weight].values()} == {wide}

    def test_any_float64_parameter_makes_everything_float64(self) -> None:
        parameters = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, dtype=torch.float64))]
        optimizer = HyperAdam(parameters, make_theta())
        set_gradients(parameters, 0)
        optimizer.step()
        assert [parameter.dtype for parameter in parameters] == [torch.float32, torch.float64]
        assert {x.dtype for fields in optimizer.state.values() for x in fields.values()} == {
            torch.float64
        }

    def test_float64_computes_in_float64(self) -> None:
        theta, weight = make_theta(), nn.Parameter(torch.zeros(5, dtype=torch.float64))
        weight.grad = torch.randn(5, dtype=torch.float64)
        HyperAdam([weight], theta, lr=1.0).step()
        tensors = {name: x.double() for name, x in theta.tensors.items()}
        direction, _ = theta.rule.update(tensors, weight.grad, theta.rule.init_state(weight.grad))
        torch.testing.assert_close(weight.detach(), -direction, rtol=1e-12, atol=0)

    @pytest.mark.parametrize("dtype", [torch.complex64, torch.int64, torch.bool])
    def test_others_are_refused(self, dtype: torch.dtype) -> None:
        with pytest.raises(
            TypeError, match=f"HyperAdam cannot optimize a parameter of dtype {dtype}"
        ):
            HyperAdam([torch.zeros(2, dtype=dtype)], make_theta())


class TestArguments:
    @pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", torch.tensor(0.1)])
    @pytest.mark.parametrize("field", ["lr", "weight_decay"])
    def test_out_of_range_is_refused_by_name(self, field: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f"{field} must be a (finite )?number"):
            HyperAdam(make_parameters(), make_theta(), **{field: value})
        with pytest.raises(ValueError, match=f"{field} must be a (finite )?number"):
            HyperAdam([{"params": make_parameters(), field: value}], make_theta())

    @pytest.mark.parametrize("value", [-1, 2.0, "5", True, 10**12])
    @pytest.mark.parametrize("field", KNOBS[:-1])
    def test_what_is_no_schedule_is_refused_by_name(self, field: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f"{field} must be a whole number from 0 to"):
            HyperAdam(make_parameters(), make_theta(), **{field: value})
        with pytest.raises(ValueError, match=f"{field} must be a whole number from 0 to"):
            HyperAdam([{"params": make_parameters(), field: value}], make_theta())

    def test_no_parameters(self) -> None:
        with pytest.raises(ValueError, match="empty parameter list"):
            HyperAdam([], make_theta())

    def test_several_devices(self) -> None:
        parameters = [torch.zeros(2), torch.zeros(2, device="meta")]
        with pytest.raises(ValueError, match="parameters must be on one device, got cpu, meta"):
            HyperAdam(parameters, make_theta())

    def test_theta_of_another_type(self) -> None:
        with pytest.raises(
            TypeError, match=r"theta must be a hyperadam.Theta, got str; see hyperadam.Theta.load"
        ):
            HyperAdam(make_parameters(), "theta.safetensors")  # type: ignore[arg-type]

    def test_theta_of_another_kind(self) -> None:
        class Other(HyperAdamRule):
            kind = "rnnprop"

        theta = make_theta()
        with pytest.raises(
            ValueError, match="theta is of kind 'rnnprop'; HyperAdam runs hyperadam"
        ):
            HyperAdam(make_parameters(), Theta(Other(theta.rule.spec), theta.tensors, Rate(lr=0.1)))

    def test_a_refused_group_is_not_added(self) -> None:
        optimizer = HyperAdam(make_parameters(), make_theta())
        with pytest.raises(ValueError, match="lr"):
            optimizer.add_param_group({"params": make_parameters(), "lr": -1})
        assert len(optimizer.param_groups) == 1


def test_a_group_added_later_starts_from_zero() -> None:
    parameters, new = make_parameters(), nn.Parameter(torch.ones(3))
    optimizer = HyperAdam(parameters, make_theta())
    set_gradients(parameters, 0)
    optimizer.step()
    optimizer.add_param_group({"params": [new], "lr": 0.3})
    set_gradients([*parameters, new], 1)
    optimizer.step()
    old_steps, new_steps = (
        optimizer.state[parameters[1]]["beta_hat"],
        optimizer.state[new]["beta_hat"],
    )
    assert not torch.equal(new, torch.ones(3))
    # β̂ = 1 − β^t: after one step of the slowest candidate it is about half of what it is after
    # two.
    assert (new_steps[-1].mean() / old_steps[-1].mean()).item() == pytest.approx(0.5, abs=0.05)


def fit(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor) -> float:
    optimizer.zero_grad()
    loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=10),
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=10.0),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, max_lr=0.02, total_steps=10, cycle_momentum=False
        ),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    ],
    ids=["cosine", "plateau", "one-cycle", "lambda"],
)
def test_schedulers_set_the_rate(make: Any) -> None:
    model, inputs = nn.Linear(4, 1), torch.randn(32, 4)
    optimizer = HyperAdam(model.parameters(), make_theta(), lr=0.02)
    scheduler, rates, sizes = make(optimizer), [], []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        before = nn.utils.parameters_to_vector(model.parameters()).detach()
        loss = fit(model, optimizer, inputs)
        sizes.append(
            (nn.utils.parameters_to_vector(model.parameters()).detach() - before).norm().item()
        )
        scheduler.step(*([loss] if "Plateau" in type(scheduler).__name__ else []))
    assert min(rates) < max(rates) / 2
    assert sizes[rates.index(min(rates))] < sizes[rates.index(max(rates))]


def test_grad_scaler_skips_what_overflows() -> None:
    model, inputs = nn.Linear(4, 1), torch.randn(32, 4)
    optimizer = HyperAdam(model.parameters(), make_theta())
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)

    def step(loss_factor: float) -> list[bool]:
        before = copies(list(model.parameters()))
        optimizer.zero_grad()
        scaler.scale(loss_factor * model(inputs).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
        return moved(list(model.parameters()), before)

    assert step(1.0) == [True, True]
    assert step(float("inf")) == [False, False]
    assert step(1.0) == [True, True]
    assert scaler.get_scale() == 2.0**9


def test_trains_a_network_with_nothing_else_given() -> None:
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    inputs = torch.randn(128, 4)
    optimizer = HyperAdam(model.parameters())
    losses = [fit(model, optimizer, inputs) for _ in range(100)]
    assert losses[-1] < 0.2 * losses[0]


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
