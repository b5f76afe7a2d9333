"""Θ files: what is written comes back, byte for byte, and everything else is refused with a message
that says why."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hyperadam.rates import KNOBS, Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from hyperadam.theta import MAX_FILE_BYTES, Theta, ThetaError
from hypothesis import given, settings
from hypothesis import strategies as st

NUMBERS = {"rest": 1, "warmup_share": 1, "weight_decay": 1000}
"""Knobs of a rate that need not be whole, and their largest values."""

ASSETS = Path(__file__).parent / "assets"
KEYS = st.sampled_from(["__metadata__", "hyperadam", "dtype", "shape", "data_offsets", "lstm.bias"])


def make(seed: int = 0, **provenance: Any) -> Theta:
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=2, normalization="rms", epsilon=1e-20))
    vector = rule.pack(rule.init_theta(torch.Generator().manual_seed(seed)))
    return Theta.from_vector(rule, vector, rate=Rate(lr=0.005), provenance=provenance)


def rebuilt(
    theta: Theta, *, tensors: dict[str, Any] | None = None, drop: str = "", **manifest: Any
) -> bytes:
    """The file of a Θ with some of its tensors or fields of its manifest replaced, as an attacker
    would make it."""
    fields = {**theta.manifest, **manifest}
    fields.pop(drop, None)
    return safetensors.torch.save(
        {**theta.tensors, **(tensors or {})}, {"hyperadam": json.dumps(fields)}
    )


class TestRoundTrip:
    def test_through_bytes(self) -> None:
        theta = make(seed_of_job=3, metrics={"final_loss": 0.25})
        again = Theta.from_bytes(theta.to_bytes())
        assert again.rule.spec == theta.rule.spec
        assert torch.equal(again.vector, theta.vector)
        assert again.rate == theta.rate
        assert again.provenance == theta.provenance
        assert again.manifest == theta.manifest
        assert again.sha256 == theta.sha256
        assert again.to_bytes() == theta.to_bytes()

    def test_through_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "theta.safetensors"
        make().save(path)
        make(seed=1).save(path)
        assert Theta.load(path).sha256 == make(seed=1).sha256
        assert Theta.load(str(path)).to_bytes() == path.read_bytes()
        assert [file.name for file in tmp_path.iterdir()] == ["theta.safetensors"]

    def test_a_failed_save_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "theta.safetensors"
        path.mkdir()
        with pytest.raises(OSError, match=r"theta\.safetensors"):
            make().save(path)
        assert list(tmp_path.iterdir()) == [path]

    def test_a_schedule_is_kept_and_a_file_that_says_none_has_none(self) -> None:
        theta = make()
        knobs = dict(zip(KNOBS, (10, 0.25, 200, 0.5, 784, 5, 3, 0.1), strict=True))
        own = Theta(
            theta.rule,
            theta.tensors,
            Rate.from_fields({"lr": theta.lr, **knobs}),
        )
        assert Theta.from_bytes(own.to_bytes()).rate == own.rate
        assert own.rate.to_fields() == {"lr": theta.lr, **knobs}
        for name in KNOBS:
            assert Theta.from_bytes(rebuilt(own, drop=name)).rate == replace(own.rate, **{name: 0})
            changed = Theta(theta.rule, theta.tensors, replace(theta.rate, **{name: 1}))
            assert changed.sha256 != theta.sha256

    def test_same_theta_same_bytes(self) -> None:
        a = make(x=1, y=2)
        b = make(y=2, x=1)
        assert a.to_bytes() == b.to_bytes()
        assert make(seed=1, x=1, y=2).sha256 != a.sha256
        assert make(x=1, y=3).sha256 != a.sha256

    def test_a_file_keeps_its_bytes_however_it_was_written(self) -> None:
        theta = make()
        data = safetensors.torch.save(
            dict(theta.tensors), {"hyperadam": json.dumps(theta.manifest, indent=2)}
        )
        assert data != theta.to_bytes()
        assert Theta.from_bytes(data).to_bytes() == data

    def test_vector_is_in_the_rules_order(self) -> None:
        theta = make()
        assert torch.equal(
            theta.vector,
            torch.cat([theta.tensors[name].reshape(-1) for name in theta.rule.theta_shapes]),
        )

    def test_vectors_of_any_float_type_become_float32_of_their_own(self) -> None:
        vector = torch.zeros(make().rule.n_theta, dtype=torch.float64, requires_grad=True)
        theta = Theta.from_vector(make().rule, vector, rate=Rate(lr=1))
        with torch.no_grad():
            vector += 1
        assert theta.vector.dtype == torch.float32
        assert torch.count_nonzero(theta.vector) == 0
        assert not theta.vector.requires_grad


class TestOldFormats:
    """Files of every format version ever released stay loadable, and move w as they did then."""

    @pytest.mark.parametrize("name", ["theta-format-1"])
    def test_golden_file(self, name: str) -> None:
        theta = Theta.load(ASSETS / f"{name}.safetensors")
        golden = json.loads((ASSETS / f"{name}.json").read_text())
        assert theta.sha256 == golden["sha256"]
        gradients = torch.tensor(golden["gradients"])
        state = theta.rule.init_state(gradients[0])
        for gradient, expected in zip(gradients, golden["directions"], strict=True):
            direction, state = theta.rule.update(theta.tensors, gradient, state)
            torch.testing.assert_close(direction, torch.tensor(expected), rtol=1e-4, atol=1e-7)


def refused(data: bytes, match: str) -> None:
    with pytest.raises(ThetaError, match=match):
        Theta.from_bytes(data)


class TestRefusals:
    def test_empty_and_truncated(self) -> None:
        data = make().to_bytes()
        refused(b"", "header is cut short")
        refused(data[:7], "header is cut short")
        refused(data[:50], "header is cut short")
        refused(data[:-4], "not a safetensors file")

    def test_appended(self) -> None:
        refused(make().to_bytes() + bytes(4), "not a safetensors file")

    def test_oversized(self, tmp_path: Path) -> None:
        data = make().to_bytes() + bytes(MAX_FILE_BYTES)
        refused(data, f"at most {MAX_FILE_BYTES} are accepted")
        (tmp_path / "large").write_bytes(data)
        with pytest.raises(ThetaError, match="are accepted"):
            Theta.load(tmp_path / "large")

    def test_a_header_that_is_too_long(self) -> None:
        data = make().to_bytes()
        header = b"[" + b"{}," * (5 * 2**20 - 1) + b"{}]"
        refused(len(header).to_bytes(8, "little") + header + data, "at most 1048576 are accepted")

    @pytest.mark.parametrize(
        "provenance",
        [
            {"note": "\ud800"},
            {"\ud800": 1},
            {"metrics": {"x": 10**400}},
            {"deep": json.loads("[" * 300 + "]" * 300)},
        ],
    )
    def test_provenance_that_cannot_be_sent(self, provenance: dict[str, Any]) -> None:
        refused(rebuilt(make(), provenance=provenance), "manifest is not valid JSON")
        with pytest.raises(ThetaError, match="provenance is not JSON"):
            make(**provenance)

    def test_changed_number(self) -> None:
        data = bytearray(make().to_bytes())
        data[-1] ^= 1
        refused(bytes(data), "tensors_sha256 does not match")

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_number_that_is_not_finite(self, value: float) -> None:
        refused(
            rebuilt(make(), tensors={"lstm.bias": torch.full((8,), value)}),
            "'lstm.bias' has values that are not finite",
        )

    def test_wrong_shape(self) -> None:
        refused(
            rebuilt(make(), tensors={"lstm.bias": torch.zeros(4)}),
            r"'lstm.bias' has shape \(4,\), expected \(8,\)",
        )

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int32])
    def test_wrong_dtype(self, dtype: torch.dtype) -> None:
        refused(
            rebuilt(make(), tensors={"lstm.bias": torch.zeros(8, dtype=dtype)}),
            "'lstm.bias' does not have the dtype F32",
        )

    def test_dtype_that_torch_does_not_know(self) -> None:
        data = (
            make()
            .to_bytes()
            .replace(b'"dtype":"F32"', b'"dtype":"F4\x20"', 1)
            .replace(b'"F4 "', b'"F4" ', 1)
        )
        refused(data, "does not have the dtype F32")

    def test_extra_and_missing_tensors(self) -> None:
        refused(rebuilt(make(), tensors={"extra": torch.zeros(1)}), r"unexpected \['extra'\]")
        theta = make()
        tensors = {name: x for name, x in theta.tensors.items() if name != "lstm.bias"}
        refused(
            safetensors.torch.save(tensors, {"hyperadam": json.dumps(theta.manifest)}),
            r"missing \['lstm.bias'\]",
        )

    def test_wrong_digest_and_shapes(self) -> None:
        refused(
            rebuilt(make(), tensors_sha256="0" * 64),
            "manifest tensors_sha256 does not match the tensors",
        )
        refused(rebuilt(make(), shapes={}), "manifest shapes does not match the tensors")

    def test_no_manifest(self) -> None:
        tensors = dict(make().tensors)
        refused(safetensors.torch.save(tensors), "no 'hyperadam' manifest")
        refused(safetensors.torch.save(tensors, {"other": "x"}), "no 'hyperadam' manifest")

    @pytest.mark.parametrize(
        "text", ["", "{", "{'a': 1}", '{"lr": NaN}', "[" * 100_000, "9" * 5000]
    )
    def test_manifest_that_is_not_json(self, text: str) -> None:
        refused(
            safetensors.torch.save(dict(make().tensors), {"hyperadam": text}),
            "manifest is not valid JSON",
        )

    @pytest.mark.parametrize("text", ["1", "[]", '"x"', "null"])
    def test_manifest_that_is_no_object(self, text: str) -> None:
        refused(
            safetensors.torch.save(dict(make().tensors), {"hyperadam": text}),
            "manifest is not a JSON object",
        )

    @pytest.mark.parametrize(
        "field", ["format_version", "rule", "lr", "shapes", "tensors_sha256", "provenance"]
    )
    def test_field_that_is_missing_or_of_another_type(self, field: str) -> None:
        refused(rebuilt(make(), drop=field), f"manifest {field} is missing or of the wrong type")
        for value in (None, True):
            refused(
                rebuilt(make(), **{field: value}),
                f"manifest {field} is missing or of the wrong type",
            )

    @pytest.mark.parametrize("version", [0, 2, -1])
    def test_other_format_version(self, version: int) -> None:
        refused(
            rebuilt(make(), format_version=version),
            f"format_version {version} is not supported, expected 1",
        )

    @pytest.mark.parametrize("lr", [0, -1.0, 10**400])
    def test_rate(self, lr: float) -> None:
        reason = "lr must be a finite number above 0|a number is beyond the range of floats"
        refused(rebuilt(make(), lr=lr), reason)

    @pytest.mark.parametrize("value", [-1, 10**12, 2.0, True, None, "5"])
    @pytest.mark.parametrize("name", [name for name in KNOBS if name not in NUMBERS])
    def test_schedule(self, name: str, value: object) -> None:
        refused(rebuilt(make(), **{name: value}), f"{name} must be a whole number from 0 to")

    @pytest.mark.parametrize("value", [-0.1, 1e9, True, None, "5"])
    @pytest.mark.parametrize(("name", "largest"), NUMBERS.items())
    def test_numbers_of_a_rate(self, name: str, largest: int, value: object) -> None:
        refused(rebuilt(make(), **{name: value}), f"{name} must be a number from 0 to {largest}")

    @pytest.mark.parametrize(
        ("rule", "match"),
        [
            ({}, "kind must be one of"),
            ({"kind": "adam"}, "kind must be one of"),
            ({"kind": ["hyperadam"]}, "kind must be one of"),
            ({"kind": "hyperadam", "colour": 1}, "no field 'colour'"),
            ({"kind": "hyperadam", "n_candidates": 10**9}, "n_candidates must be between 1 and 64"),
            ({"kind": "hyperadam", "epsilon": 10**300}, "epsilon must be between"),
            ({"kind": "hyperadam", "epsilon": 10**400}, "beyond the range of floats"),
            ({"kind": "hyperadam", "n_candidates": 3}, "has shape"),
            ({"kind": "hyperadam", "n_candidates": 2, "lstm": False}, "unexpected"),
        ],
    )
    def test_rule(self, rule: dict[str, Any], match: str) -> None:
        refused(rebuilt(make(), rule=rule), match)

    def test_provenance_that_overflows(self) -> None:
        theta = make(loss=1.25)
        text = json.dumps(theta.manifest).replace("1.25", "1e999")
        refused(
            safetensors.torch.save(dict(theta.tensors), {"hyperadam": text}),
            "a number is not finite",
        )

    @pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, torch.zeros(1)])
    def test_provenance_that_is_not_json(self, value: Any) -> None:
        with pytest.raises(ThetaError, match="provenance is not JSON"):
            make(value=value)

    def test_tensors_that_could_change(self) -> None:
        theta = make()
        bias = theta.tensors["lstm.bias"]
        for wrong in (bias.clone().requires_grad_(), bias.to("meta")):
            with pytest.raises(
                ThetaError, match=r"'lstm.bias' must be on the CPU and not require a gradient"
            ):
                Theta(theta.rule, {**theta.tensors, "lstm.bias": wrong}, Rate(lr=0.1))


def only_theta_error(data: bytes) -> None:
    try:
        Theta.from_bytes(data)
    except ThetaError:
        return
    raise AssertionError("accepted")


class TestNothingButThetaError:
    """Whatever the bytes, the answer is a Θ or a `ThetaError`."""

    @given(st.binary(max_size=300))
    def test_random_bytes(self, data: bytes) -> None:
        only_theta_error(data)

    @given(st.binary(max_size=200), st.binary(max_size=50))
    def test_random_header_and_data(self, header: bytes, data: bytes) -> None:
        only_theta_error(len(header).to_bytes(8, "little") + header + data)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
            max_leaves=8,
        )
    )
    def test_random_json_header(self, header: Any) -> None:
        text = json.dumps(header).encode()
        only_theta_error(len(text).to_bytes(8, "little") + text)

    @settings(max_examples=150)
    @given(st.data())
    def test_one_byte_changed(self, data: st.DataObject) -> None:
        original = make(seed_of_job=1).to_bytes()
        position = data.draw(st.integers(0, len(original) - 1))
        value = data.draw(st.integers(0, 255))
        changed = original[:position] + bytes([value]) + original[position + 1 :]
        try:
            theta = Theta.from_bytes(changed)
        except ThetaError:
            return
        assert torch.equal(
            theta.vector, make().vector
        )  # a changed rate, say, or another provenance
        assert theta.to_bytes() == changed

    @given(
        st.sampled_from(["format_version", "rule", "lr", "shapes", "tensors_sha256", "provenance"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=5)
        | st.lists(st.integers(), max_size=2),
    )
    def test_one_field_of_the_manifest_changed(self, field: str, value: Any) -> None:
        try:
            theta = Theta.from_bytes(rebuilt(make(), **{field: value}))
        except ThetaError:
            return
        assert (field, value) in [("format_version", 1), ("lr", theta.lr)]

    @given(
        st.sampled_from(sorted(make().manifest["rule"])),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=5)
        | st.lists(st.none()),
    )
    def test_one_field_of_the_rule_changed(self, field: str, value: Any) -> None:
        try:
            theta = Theta.from_bytes(
                rebuilt(make(), rule={**make().manifest["rule"], field: value})
            )
        except ThetaError:
            return
        assert getattr(theta.rule.spec, field) == value
