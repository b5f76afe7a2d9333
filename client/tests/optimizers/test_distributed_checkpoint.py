"""torch's distributed checkpoints take state dicts apart by parameter name, and put them together
again. AdamW is the control."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from every_optimizer import Make, every_learned, every_optimizer, flatten, make_model, train
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)


@pytest.mark.parametrize("flat", [False, True], ids=["nested", "flat"])
@every_optimizer
def test_a_state_by_name_goes_on_bit_for_bit(make: Make, flat: bool) -> None:
    options = StateDictOptions(flatten_optimizer_state_dict=flat)
    whole = make_model()
    optimizer = make(whole.parameters())
    train(whole, optimizer, range(3))
    saved = copy.deepcopy(get_optimizer_state_dict(whole, optimizer, options=options))

    again = make_model()
    again.load_state_dict(whole.state_dict())
    loaded = make(again.parameters())
    set_optimizer_state_dict(again, loaded, saved, options=options)
    train(whole, optimizer, range(3, 5))
    train(again, loaded, range(3, 5))
    assert torch.equal(flatten(again), flatten(whole))


@every_learned
def test_a_state_by_name_of_another_theta_is_refused(make: Make) -> None:
    model = make_model()
    optimizer = make(model.parameters())
    train(model, optimizer, range(1))
    saved = get_optimizer_state_dict(model, optimizer)
    saved["param_groups"][0]["theta_sha256"] = "0" * 64
    with pytest.raises(ValueError, match="theta_sha256 of the state dict is 0000"):
        set_optimizer_state_dict(model, optimizer, saved)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")
@every_optimizer
def test_through_files(make: Make, tmp_path: Path) -> None:
    whole = make_model()
    optimizer = make(whole.parameters())
    train(whole, optimizer, range(3))
    saved = get_optimizer_state_dict(whole, optimizer)
    dcp.save({"optimizer": saved}, checkpoint_id=tmp_path, no_dist=True)

    again = make_model()
    again.load_state_dict(whole.state_dict())
    loaded = make(again.parameters())
    into = get_optimizer_state_dict(again, loaded)
    dcp.load({"optimizer": into}, checkpoint_id=tmp_path, no_dist=True)
    set_optimizer_state_dict(again, loaded, into)
    train(whole, optimizer, range(3, 5))
    train(again, loaded, range(3, 5))
    assert torch.equal(flatten(again), flatten(whole))
