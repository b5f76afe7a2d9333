"""What a registry accepts from outside: strict names, bounded texts. Both backends check with
these, before anything is stored, so that a bad value is refused alike and nothing is silently cut
to a backend's limits.

All raise ValueError (`hyperadam.names.InvalidName` for names and paths) with the argument's name in
the message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from hyperadam.names import InvalidName
from hyperadam.theta import Theta, ThetaError

from registry.records import Evaluation, MetricPoint

MAX_REASON_CHARS: Final = 2000
MAX_ACTOR_CHARS: Final = 200
MAX_RUN_NAME_CHARS: Final = 200
MAX_TAG_CHARS: Final = 4000
MAX_TAGS: Final = 50
MAX_DESCRIPTION_CHARS: Final = 4000
MAX_MANIFEST_CHARS: Final = 90_000
MAX_EVALUATIONS: Final = 50
"""Evaluations that a version keeps."""
MAX_SUMMARY_CHARS: Final = 50_000
_SIGNATURE: Final = re.compile(r"[a-z0-9-]{1,20}:[0-9a-f]{1,64}:[A-Za-z0-9+/=]{1,1000}")
RESERVED_TAG_PREFIXES: Final = ("hyperadam.", "mlflow.")

_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")
_METRIC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,119}")
_MAX_SEGMENTS: Final = 8
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def check_key(key: str) -> str:
    """The key of a run or version: 1–200 of letters, digits, '.', '_', ':', '-', beginning with a
    letter or digit."""
    if not _KEY.fullmatch(key):
        raise InvalidName(f"key must be 1–200 of letters, digits, '.', '_', ':', '-', got {key!r}")
    return key


def check_artifact_path(path: str) -> str:
    """A relative path of strict segments: no leading dot, no '..', no empty segment, no backslash,
    at most 8 deep."""
    segments = path.split("/")
    are_strict = all(_SEGMENT.fullmatch(segment) for segment in segments)
    if len(segments) > _MAX_SEGMENTS or not are_strict:
        raise InvalidName(
            f"artifact path must be 1–{_MAX_SEGMENTS} segments of letters, digits, '.', '_', '-', "
            f"none beginning with '.' or '-', got {path!r}"
        )
    return path


def check_text(value: str, argument: str, *, max_chars: int) -> str:
    """Free text: bounded, encodable, without control characters other than tab and newline."""
    if len(value) > max_chars:
        raise ValueError(
            f"{argument} has {len(value)} characters, at most {max_chars} are accepted"
        )

    has_surrogates = any("\ud800" <= character <= "\udfff" for character in value)
    if has_surrogates or _CONTROL.search(value):
        raise ValueError(f"{argument} contains control characters or broken Unicode: {value!r}")
    return value


def check_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Tags as a new dict: names of letters, digits, '.', '_', '-', none with a reserved prefix;
    values are texts."""
    checked = dict(tags or {})
    if len(checked) > MAX_TAGS:
        raise ValueError(f"tags has {len(checked)} entries, at most {MAX_TAGS} are accepted")
    for name, value in checked.items():
        check_tag_name(name)
        check_text(value, f"tag {name!r}", max_chars=MAX_TAG_CHARS)
    return checked


def check_tag_name(name: str) -> str:
    """The name of a tag that is not reserved."""
    if not _TAG.fullmatch(name) or name.startswith(RESERVED_TAG_PREFIXES):
        raise InvalidName(
            f"tag name must be 1–100 of letters, digits, '.', '_', '-', "
            f"not beginning with {' or '.join(RESERVED_TAG_PREFIXES)}, got {name!r}"
        )
    return name


def merge_tags(tags: Mapping[str, str], changes: Mapping[str, str | None] | None) -> dict[str, str]:
    """Tags after changes, checked as a whole; a change to None removes its tag."""
    merged = dict(tags)
    for name, value in (changes or {}).items():
        check_tag_name(name)
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return check_tags(merged)


def check_signature(text: str) -> str:
    """A signature in one line."""
    if not _SIGNATURE.fullmatch(text):
        raise ValueError(f"signature must be algorithm:key:base64, got {text!r:.100}")
    return text


def check_description(description: str) -> str:
    """What people say about a version."""
    return check_text(description, "description", max_chars=MAX_DESCRIPTION_CHARS)


def encode_manifest(theta: Theta) -> str:
    """Θ's manifest as one JSON text.

    Raises:
        ThetaError: it is longer than is kept.
    """
    text = json.dumps(theta.manifest, sort_keys=True, allow_nan=False, separators=(",", ":"))
    if len(text) > MAX_MANIFEST_CHARS:
        raise ThetaError(
            f"manifest has {len(text)} characters, at most {MAX_MANIFEST_CHARS} are accepted"
        )
    return text


def encode_summary(evaluation: Evaluation) -> str:
    """An evaluation's summary as one JSON text."""
    check_key(evaluation.key)
    _check_zone(evaluation.evaluated_at, "evaluated_at")
    try:
        text = json.dumps(
            evaluation.summary, sort_keys=True, allow_nan=False, separators=(",", ":")
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"summary is not JSON: {error}") from error
    if len(text) > MAX_SUMMARY_CHARS:
        raise ValueError(
            f"summary has {len(text)} characters, at most {MAX_SUMMARY_CHARS} are accepted"
        )
    return text


def check_points(points: Sequence[MetricPoint]) -> None:
    """Every point of a batch, so that a bad one leaves nothing behind."""
    for point in points:
        if not _METRIC.fullmatch(point.name):
            raise InvalidName(
                f"metric name must be 1–100 of letters, digits, '.', '_', '-', got {point.name!r}"
            )
        if not 0 <= point.step < 2**63:
            raise ValueError(
                f"step of metric {point.name!r} must be between 0 and 2^63 − 1, got {point.step}"
            )
        _check_zone(point.time, f"time of metric {point.name!r}")
        if not isinstance(point.value, (int, float)):
            raise ValueError(
                f"value of metric {point.name!r} must be a number, got {point.value!r}"
            )


def age(evaluation: Evaluation) -> tuple[datetime, str]:
    """What the evaluations of a version are sorted by: their time, then their key."""
    return evaluation.evaluated_at, evaluation.key


def _check_zone(time: datetime, argument: str) -> None:
    if time.utcoffset() is None:
        raise ValueError(f"{argument} has no time zone: {time}")
