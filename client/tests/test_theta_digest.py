"""A bit that flips in a Θ file is seen, wherever it lies: also in the manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from hyperadam.theta import Theta, ThetaError

OLD_FILE = Path(__file__).parent / "assets" / "theta-format-1.safetensors"


@pytest.fixture(scope="module")
def theta() -> Theta:
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=2))
    vector = rule.pack(rule.init_theta(torch.Generator().manual_seed(0)))
    rate = Rate(lr=0.005, warmup_steps=10, decay_after=300)
    return Theta.from_vector(rule, vector, rate=rate, provenance={"seed": 3})


def pack_file(theta: Theta, **changes: Any) -> bytes:
    manifest = _read_manifest(theta.to_bytes()) | changes
    return safetensors.torch.save(dict(theta.tensors), {"hyperadam": json.dumps(manifest)})


def _read_manifest(data: bytes) -> dict[str, Any]:
    n_header_bytes = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n_header_bytes])
    manifest: dict[str, Any] = json.loads(header["__metadata__"]["hyperadam"])
    return manifest


def is_same(left: Theta, right: Theta) -> bool:
    return left.manifest == right.manifest and torch.equal(left.vector, right.vector)


def test_no_bit_of_the_header_flips_in_silence(theta: Theta) -> None:
    data = theta.to_bytes()
    n_header_bytes = int.from_bytes(data[:8], "little")
    silent = []
    for bit in range(0, 8 * (8 + n_header_bytes), 3):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            changed = Theta.from_bytes(bytes(flipped))
        except ThetaError:
            continue
        if not is_same(changed, theta):
            silent.append(bit)
    assert silent == []


@pytest.mark.parametrize("changes", [{"lr": 0.006}, {"warmup_steps": 11}, {"provenance": {}}])
def test_a_field_that_was_changed(theta: Theta, changes: dict[str, Any]) -> None:
    with pytest.raises(ThetaError, match="manifest_sha256 does not match"):
        Theta.from_bytes(pack_file(theta, **changes))
    Theta.from_bytes(pack_file(theta))


def test_a_field_that_is_not_known(theta: Theta) -> None:
    with pytest.raises(ThetaError, match=r"not known here: \['warmuq_steps'\]"):
        Theta.from_bytes(pack_file(theta, warmuq_steps=3))


def test_files_from_before_it_load(theta: Theta) -> None:
    old = Theta.load(OLD_FILE)
    assert "manifest_sha256" not in _read_manifest(old.to_bytes())
    assert "manifest_sha256" in _read_manifest(theta.to_bytes())
    assert "manifest_sha256" not in theta.manifest
