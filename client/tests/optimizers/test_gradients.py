"""Gradients that are missing, zero, sparse or not finite: what `hyperadam.HyperAdam` does then."""

from __future__ import annotations

import pytest
import torch
from hyperadam import HyperAdam
from small_run import copy_weights, find_moved, make_parameters, make_theta, set_gradients
from torch import nn


class TestGradients:
    def test_a_missing_one_leaves_its_parameter_out(self) -> None:
        with_unused = make_parameters()
        alone = make_parameters()
        for a, b in zip(with_unused, alone, strict=True):
            b.data.copy_(a.data)
        before = copy_weights(with_unused)
        a = HyperAdam(with_unused, make_theta(), weight_decay=0.1)
        b = HyperAdam(alone[1:], make_theta(), weight_decay=0.1)
        for step in range(3):
            set_gradients(with_unused[1:], step)
            set_gradients(alone[1:], step)
            a.step()
            b.step()
        assert find_moved(with_unused, before) == [False, True, True, True]
        assert all(torch.equal(x, y) for x, y in zip(with_unused[1:], alone[1:], strict=True))
        assert with_unused[0] not in a.state

    def test_a_parameter_that_comes_back_has_kept_its_state(self) -> None:
        parameters = make_parameters()
        optimizer = HyperAdam(parameters, make_theta())
        set_gradients(parameters, 0)
        optimizer.step()
        fields_before = {name: x.clone() for name, x in optimizer.state[parameters[0]].items()}
        set_gradients(parameters, 1)
        parameters[0].grad = None
        optimizer.step()
        assert all(
            torch.equal(x, fields_before[name])
            for name, x in optimizer.state[parameters[0]].items()
        )
        set_gradients(parameters, 2)
        optimizer.step()
        beta_hat = optimizer.state[parameters[0]]["beta_hat"]
        assert (beta_hat > fields_before["beta_hat"]).all()
        assert (optimizer.state[parameters[1]]["beta_hat"] > beta_hat[:, :1, 0]).any()

    def test_none_at_all_does_nothing(self) -> None:
        parameters = make_parameters()
        before = copy_weights(parameters)
        optimizer = HyperAdam(parameters, make_theta(), weight_decay=0.1)
        optimizer.step()
        assert not any(find_moved(parameters, before))

    def test_zero_ones_move_nothing(self) -> None:
        parameters = make_parameters()
        before = copy_weights(parameters)
        optimizer = HyperAdam(parameters, make_theta())
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        for _ in range(3):
            optimizer.step()
        assert not any(find_moved(parameters, before))

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
        weights = copy_weights(parameters)
        state = optimizer.state_dict()
        set_gradients(parameters, 1)
        parameters[1].grad[2] = value  # type: ignore[index]
        with pytest.raises(
            FloatingPointError, match="gradient of parameter b1 has values that are not finite"
        ):
            optimizer.step()
        assert not any(find_moved(parameters, weights))
        for index, fields in optimizer.state_dict()["state"].items():
            assert all(torch.equal(x, state["state"][index][name]) for name, x in fields.items())
        set_gradients(parameters, 1)
        optimizer.step()
        assert all(find_moved(parameters, weights))

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
