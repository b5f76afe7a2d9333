"""State dicts of a Θ that is not the default: a release that has another default goes on with them.

Only an optimizer that was given no Θ does, only with one that comes with the package, and it says
so.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import hyperadam
import pytest
import torch
from every_optimizer import flatten, make_model, make_small_theta, train
from hyperadam import HyperAdam, RNNprop
from hyperadam.shipped import DEFAULT, find_pretrained
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

NAMES = [name for name in hyperadam.pretrained_names() if name.startswith("hyperadam-v")]
OTHERS = [name for name in NAMES if name != DEFAULT]
DEFAULTS = {
    "hyperadam-v1": "071e738e6315dea8a7eab67da09abec273a6c64699eec1a6941fbf073e8a7d8e",
    "hyperadam-v4": "e751025feca783ac7a5c4a1e80fea0578db828c2e3897a80fafc6522d01d0b7e",
    "hyperadam-v6": "69dffd85e63d5607ca7bf24ed996361494810a07754ad5ba6d9c28e5d12e8296",
    "hyperadam-v7": "a8e361fcb4e3d8c9399bb296cd2bace3d5fbc150d06eefdc6b75104fd696a773",
    "hyperadam-v8": "a106294a3b81b31f4682778ad2a24f49cd198caa68330d7a427923f336313041",
    "hyperadam-v9": "5f3a8f5d63a3c45b530d683a44ff594bfed88333536bc4af76b31b47e3e84ce5",
}
"""Every default there was, today's last, and the digests that state dicts of trainings have."""
*EARLIER, _ = DEFAULTS


@pytest.fixture(params=EARLIER)
def earlier(request: pytest.FixtureRequest) -> str:
    """One after the other."""
    name: str = request.param
    return name


def begin(name: str, n_steps: int = 3) -> tuple[nn.Module, HyperAdam]:
    """A training with one of them that was given by name, under way."""
    model = make_model()
    optimizer = HyperAdam(model.parameters(), hyperadam.pretrained(name))
    train(model, optimizer, range(n_steps))
    return model, optimizer


def copy_model(model: nn.Module) -> nn.Module:
    twin = make_model()
    twin.load_state_dict(copy.deepcopy(model.state_dict()))
    return twin


def test_every_default_comes_with_the_package_as_it_was() -> None:
    assert list(DEFAULTS)[-1] == DEFAULT
    assert {name: hyperadam.pretrained(name).sha256 for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("name", OTHERS)
def test_the_training_goes_on_with_its_own(name: str) -> None:
    model, optimizer = begin(name)
    twin = copy_model(model)
    resumed = HyperAdam(twin.parameters())
    with pytest.warns(
        UserWarning, match=f"made under {name}, .* with {name} instead of {DEFAULT};"
    ):
        resumed.load_state_dict(optimizer.state_dict())
    assert find_pretrained(resumed.theta.sha256) == name
    assert resumed.state_dict()["theta_sha256"] == resumed.theta.sha256
    train(model, optimizer, range(3, 6))
    train(twin, resumed, range(3, 6))
    assert flatten(twin).equal(flatten(model))


def test_one_of_the_default_needs_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    model, optimizer = begin(DEFAULT)
    resumed = HyperAdam(copy_model(model).parameters())
    resumed.load_state_dict(optimizer.state_dict())
    assert not recwarn.list


def test_one_that_was_given_a_theta_keeps_it(earlier: str) -> None:
    _, optimizer = begin(earlier)
    model, given = begin(DEFAULT)
    twin, untouched = copy.deepcopy((model, given))
    both = rf"is {optimizer.theta.sha256} \({earlier}\), .* runs {given.theta.sha256} \({DEFAULT}\)"
    with pytest.raises(ValueError, match=both + r".*theta=hyperadam\.pretrained\('" + earlier):
        given.load_state_dict(optimizer.state_dict())
    train(model, given, range(3, 5))
    train(twin, untouched, range(3, 5))
    assert flatten(model).equal(flatten(twin))


def test_only_what_comes_with_the_package_is_taken() -> None:
    model = make_model()
    own = HyperAdam(model.parameters(), make_small_theta())
    train(model, own, range(2))
    resumed = HyperAdam(make_model().parameters())
    message = f"is {own.theta.sha256}, this optimizer runs {resumed.theta.sha256} ({DEFAULT})"
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        resumed.load_state_dict(own.state_dict())


def test_nor_one_that_the_class_does_not_run(earlier: str) -> None:
    _, optimizer = begin(earlier)
    with pytest.raises(ValueError, match=rf"\({earlier}\), .* \(rnnprop-paper\)"):
        RNNprop(make_model().parameters()).load_state_dict(optimizer.state_dict())


def test_two_in_one_state_dict_are_none(earlier: str) -> None:
    _, optimizer = begin(earlier)
    state = optimizer.state_dict()
    resumed = HyperAdam(make_model().parameters())
    state["param_groups"][0]["theta_sha256"] = resumed.theta.sha256
    with pytest.raises(ValueError, match=rf"\({earlier}\), this optimizer runs .*\({DEFAULT}\)"):
        resumed.load_state_dict(state)


def test_what_torch_refuses_changes_no_theta(earlier: str) -> None:
    model, optimizer = begin(earlier)
    first, *rest = model.parameters()
    resumed = HyperAdam([{"params": [first]}, {"params": rest}])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        resumed.load_state_dict(optimizer.state_dict())
    assert find_pretrained(resumed.theta.sha256) == DEFAULT


@pytest.mark.filterwarnings("ignore:the state dict was made under")
class TestAfterwards:
    def resume(self, earlier: str, **options: Any) -> HyperAdam:
        model, optimizer = begin(earlier)
        resumed = HyperAdam(copy_model(model).parameters(), **options)
        resumed.load_state_dict(optimizer.state_dict())
        return resumed

    def test_a_new_group_has_the_rate_of_the_same(self, earlier: str) -> None:
        resumed = self.resume(earlier, weight_decay=0.004)
        resumed.add_param_group({"params": [nn.Parameter(torch.ones(2, 2))]})
        group = resumed.param_groups[-1]
        own = hyperadam.pretrained(earlier).rate
        assert (group["lr"], group["weight_decay"]) == (own.lr, 0.004)
        assert group["theta_sha256"] == resumed.theta.sha256

    def test_a_copy_runs_it_with_the_same_options(self, earlier: str) -> None:
        resumed = self.resume(earlier, normalize_gradients=True)
        parameters = resumed.param_groups[0]["params"]
        twin = copy.deepcopy(resumed)
        copies = twin.param_groups[0]["params"]
        assert twin.theta.sha256 == resumed.theta.sha256
        for owner, optimizer in ((parameters, resumed), (copies, twin)):
            for parameter in owner:
                parameter.grad = torch.full_like(parameter, 1e3)
            optimizer.step()
        pairs = zip(parameters, copies, strict=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in pairs)


def test_checkpoints_of_torch_say_which_it_was(earlier: str) -> None:
    model, optimizer = begin(earlier)
    weights, state = get_state_dict(model, optimizer)
    twin = make_model()
    resumed = HyperAdam(twin.parameters())
    with pytest.warns(UserWarning, match=f"goes on with {earlier}"):
        set_state_dict(twin, resumed, model_state_dict=weights, optim_state_dict=state)
    train(model, optimizer, range(3, 5))
    train(twin, resumed, range(3, 5))
    assert flatten(twin).equal(flatten(model))
