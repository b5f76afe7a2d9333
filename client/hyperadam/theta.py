"""Θ on disk and on the wire: one safetensors file with a JSON manifest in its header, never a
pickle.

The manifest says by which rule a Θ is run (kind and full spec), at which rate α and by which
schedule, how it was made, and the digest of its tensors. `Theta.from_bytes` refuses everything that
is not exactly that, with a message that names what is wrong; it is the one way in, for files,
downloads and uploads alike.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from hyperadam import strict_json
from hyperadam.hub import OnHub
from hyperadam.rates import KNOBS, Rate
from hyperadam.rules import Rule, RuleError, rule_from_spec

FORMAT_VERSION: Final = 1
MAX_FILE_BYTES: Final = 16 * 2**20
MAX_HEADER_BYTES: Final = 2**20
"""Of a file's header, manifest included."""
_METADATA_KEY: Final = "hyperadam"
_DIGEST_FIELD: Final = "manifest_sha256"
"""In a file's manifest: the digest of its other fields. Files from before it have none."""


class ThetaError(ValueError):
    """The bytes are not a valid Θ file; the message names the part that is wrong."""


@dataclass(frozen=True, eq=False, repr=False)
class Theta(OnHub):
    """A learned optimizer's parameters together with the rule that runs them.

    Example:
        >>> theta = hyperadam.Theta.load("theta.safetensors")
        >>> optimizer = hyperadam.HyperAdam(model.parameters(), theta=theta)
    """

    rule: Rule[Any]
    tensors: Mapping[str, Tensor]
    """Name → float32 tensor on the CPU, of the rule's names and shapes."""
    rate: Rate
    """α, its schedule, its shares and its decay: what Θ was trained with, and the default of an
    optimizer that runs it."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """How it was made, as JSON: task distribution, data fingerprints, seed, code version, parent
    version, metrics."""

    def __post_init__(self) -> None:
        _check_lr(self.lr)
        _check_json(self.provenance, "provenance")
        expected = self.rule.theta_shapes
        if set(self.tensors) != set(expected):
            missing = sorted(set(expected) - set(self.tensors))
            unexpected = sorted(set(self.tensors) - set(expected))
            raise ThetaError(
                f"tensors do not match rule {self.rule.kind!r}: "
                f"missing {missing}, unexpected {unexpected}"
            )
        for name, shape in expected.items():
            tensor = self.tensors[name]
            if tuple(tensor.shape) != shape:
                raise ThetaError(
                    f"tensor {name!r} has shape {tuple(tensor.shape)}, expected {shape}"
                )
            if tensor.dtype != torch.float32:
                raise ThetaError(
                    f"tensor {name!r} has dtype {tensor.dtype}, expected torch.float32"
                )
            if tensor.device.type != "cpu" or tensor.requires_grad:
                raise ThetaError(f"tensor {name!r} must be on the CPU and not require a gradient")
            if not bool(torch.isfinite(tensor).all()):
                raise ThetaError(f"tensor {name!r} has values that are not finite")

    @classmethod
    def from_vector(
        cls,
        rule: Rule[Any],
        vector: Tensor,  # shape: (n_theta,)
        *,
        rate: Rate,
        provenance: Mapping[str, Any] | None = None,
    ) -> Theta:
        """A Θ from the flat vector that meta-training works on.

        Args:
            rate: the whole rate that it was trained with, schedule, shares and decay included.
        """
        views = rule.unpack(vector.detach().to("cpu", torch.float32))
        tensors = {name: view.clone() for name, view in views.items()}
        return cls(rule, tensors, rate, dict(provenance or {}))

    def __repr__(self) -> str:
        """On one line: its rule, its size, its rate and the beginning of its digest."""
        return (
            f"Theta(rule={self.rule.kind!r}, n_theta={self.rule.n_theta}, lr={self.lr:g}, "
            f"sha256={self.sha256[:12]!r})"
        )

    def _repr_html_(self) -> str:
        """For notebooks: rule, rate and digest as a table."""
        rows = {
            "rule": self.rule.kind,
            "numbers": self.rule.n_theta,
            **self.rate.to_fields(),
            "sha256": self.sha256,
        }
        cells = [
            f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>"
            for name, value in rows.items()
        ]
        return f"<table><caption>Θ</caption>{''.join(cells)}</table>"

    @property
    def lr(self) -> float:
        """α, the default `lr` of an optimizer that runs this Θ."""
        return self.rate.lr

    @cached_property
    def vector(self) -> Tensor:
        """All numbers in the rule's order; shape (n_theta,), float32."""
        return self.rule.pack(self.tensors)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What stands in the file's header."""
        return {
            "format_version": FORMAT_VERSION,
            "rule": asdict(self.rule.spec),
            **self.rate.to_fields(),
            "shapes": {name: list(shape) for name, shape in self.rule.theta_shapes.items()},
            "tensors_sha256": self._tensors_sha256(),
            "provenance": dict(self.provenance),
        }

    @cached_property
    def sha256(self) -> str:
        """Digest of the whole file, in hexadecimal: the identity of a version, and its ETag."""
        return hashlib.sha256(self._file).hexdigest()

    def to_bytes(self) -> bytes:
        """The file. The same Θ gives the same bytes; one that was read gives back the bytes that
        were read."""
        return self._file

    @cached_property
    def _file(self) -> bytes:
        tensors = {name: self.tensors[name].contiguous() for name in self.rule.theta_shapes}
        fields = self.manifest | {_DIGEST_FIELD: _hash_fields(self.manifest)}
        manifest = _write_json(fields)
        return safetensors.torch.save(tensors, metadata={_METADATA_KEY: manifest})

    @classmethod
    def from_bytes(cls, data: bytes) -> Theta:
        """A Θ from a file's bytes, whatever their origin.

        Raises:
            ThetaError: too large, not safetensors, no manifest, unknown rule or field, or tensors
                whose names, shapes, dtype, digest or values are not what the manifest says.
        """
        if len(data) > MAX_FILE_BYTES:
            raise ThetaError(f"file has {len(data)} bytes, at most {MAX_FILE_BYTES} are accepted")
        header = _read_header(data)
        manifest = _read_manifest(header)
        for name in header.keys() - {"__metadata__"}:
            if not isinstance(header[name], dict) or header[name].get("dtype") != "F32":
                raise ThetaError(f"tensor {name!r} does not have the dtype F32")
        try:
            rule = rule_from_spec(manifest["rule"])
            tensors = safetensors.torch.load(data)
        except RuleError as error:
            raise ThetaError(f"manifest rule: {error}") from error
        except safetensors.SafetensorError as error:
            raise ThetaError(f"not a safetensors file: {error}") from error
        _check_lr(manifest["lr"])
        try:
            rate = Rate.from_fields(manifest)
        except ValueError as error:
            raise ThetaError(str(error)) from None
        theta = cls(rule, tensors, rate, manifest["provenance"])
        for key in ("tensors_sha256", "shapes"):
            if manifest[key] != theta.manifest[key]:
                raise ThetaError(f"manifest {key} does not match the tensors")
        theta.__dict__["_file"] = data
        return theta

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Theta:
        """Read a file written by `save`, or downloaded from the service."""
        with Path(path).open("rb") as file:
            return cls.from_bytes(file.read(MAX_FILE_BYTES + 1))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file atomically: readers see the old one or the whole new one."""
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            partial.write_bytes(self.to_bytes())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def _tensors_sha256(self) -> str:
        digest = hashlib.sha256()
        for name in self.rule.theta_shapes:
            digest.update(name.encode())
            digest.update(self.tensors[name].contiguous().numpy().tobytes())
        return digest.hexdigest()


_MANIFEST_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "format_version": int,
    "rule": dict,
    "lr": (int, float),
    "shapes": dict,
    "tensors_sha256": str,
    "provenance": dict,
}
"""Those that every manifest has; the schedule is younger, and 0 in files without it."""
_FIELDS: Final = frozenset({*_MANIFEST_TYPES, *KNOBS, _DIGEST_FIELD})


def _read_header(data: bytes) -> dict[str, Any]:
    """The header of a safetensors file: 8 bytes of length, then JSON."""
    header_length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or header_length > len(data) - 8:
        raise ThetaError("not a safetensors file: its header is cut short")
    if header_length > MAX_HEADER_BYTES:
        raise ThetaError(
            f"header has {header_length} bytes, at most {MAX_HEADER_BYTES} are accepted"
        )
    try:
        header = strict_json.loads(data[8 : 8 + header_length], max_bytes=MAX_HEADER_BYTES)
    except strict_json.StrictJSONError as error:
        raise ThetaError(f"header is not valid JSON: {error}") from error
    if not isinstance(header, dict):
        raise ThetaError("header is not a JSON object")
    return header


def _read_manifest(header: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest in a file's header, its fields checked for presence and type."""
    try:
        text = header["__metadata__"][_METADATA_KEY]
    except (KeyError, TypeError) as error:
        raise ThetaError(f"no {_METADATA_KEY!r} manifest in the file's header") from error
    if not isinstance(text, str):
        raise ThetaError(f"no {_METADATA_KEY!r} manifest in the file's header")
    try:
        manifest = strict_json.loads(text.encode(), max_bytes=MAX_HEADER_BYTES)
    except strict_json.StrictJSONError as error:
        raise ThetaError(f"manifest is not valid JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise ThetaError("manifest is not a JSON object")
    for name, kinds in _MANIFEST_TYPES.items():
        if not isinstance(manifest.get(name), kinds) or isinstance(manifest.get(name), bool):
            raise ThetaError(f"manifest {name} is missing or of the wrong type")
    if manifest["format_version"] != FORMAT_VERSION:
        version = manifest["format_version"]
        raise ThetaError(
            f"manifest format_version {version} is not supported, expected {FORMAT_VERSION}"
        )
    _check_fields(manifest)
    return manifest


def _check_fields(manifest: Mapping[str, Any]) -> None:
    """No field that is not ours, and the digest, where there is one, is that of the others: a bit
    that flips changes no rate in silence."""
    unknown = sorted(manifest.keys() - _FIELDS)
    if unknown:
        raise ThetaError(
            f"manifest has fields that are not known here: {unknown!r:.200}; "
            "it is damaged, or of a newer version"
        )
    if _DIGEST_FIELD not in manifest:
        return
    others = {name: value for name, value in manifest.items() if name != _DIGEST_FIELD}
    if manifest[_DIGEST_FIELD] != _hash_fields(others):
        raise ThetaError(f"manifest {_DIGEST_FIELD} does not match its other fields")


def _hash_fields(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(_write_json(fields).encode()).hexdigest()


def _write_json(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _check_lr(lr: float) -> None:
    if not 0 < lr <= sys.float_info.max:
        raise ThetaError(f"lr must be a finite number above 0, got {lr!r}")


def _check_json(value: Mapping[str, Any], name: str) -> None:
    try:
        strict_json.check_value(dict(value))
    except strict_json.StrictJSONError as error:
        raise ThetaError(f"{name} is not JSON: {error}") from error
