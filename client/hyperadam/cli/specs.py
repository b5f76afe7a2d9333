"""A job's spec from a file, a preset and single values, laid over each other in this order."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from hyperadam.cli.common import UsageProblem


def build_spec(file: Path | None, preset: str | None, values: Iterable[str]) -> dict[str, Any]:
    """The spec.

    Args:
        file: JSON; `-` is standard input.
        preset: name of a starting point that the server knows.
        values: `path=value` with a dotted path and JSON, or plain text where it is not JSON.

    Raises:
        UsageProblem: naming the file or the value that is wrong.
        OSError: the file cannot be read.
    """
    spec = _read_file(file) if file is not None else {}
    if preset is not None:
        spec["preset"] = preset
    for text in values:
        path, equals, value = text.partition("=")
        names = path.removeprefix("spec.").split(".")
        if not equals or not all(names):
            raise UsageProblem(f"--set takes path=value, as in unroll.horizon=200, got {text!r}")
        _set_value(spec, names, parse_json(value), text)
    return spec


def parse_labels(labels: Iterable[str]) -> dict[str, str] | None:
    """`name=value` texts as a mapping; None when there are none.

    Raises:
        UsageProblem: one is not of that form.
    """
    pairs: dict[str, str] = {}
    for text in labels:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageProblem(f"--label takes name=value, got {text!r}")
        pairs[name] = value
    return pairs or None


def parse_past(text: str | None, option: str) -> datetime | timedelta | None:
    """As `parse_moment`, but a time (`2h`) is so long ago."""
    moment = parse_moment(text, option)
    return -moment if isinstance(moment, timedelta) else moment


def parse_moment(text: str | None, option: str) -> datetime | timedelta | None:
    """A time from now (`90s`, `30m`, `2h`, `7d`) or a moment with its zone
    (`2030-01-31T18:00:00+01:00`).

    Raises:
        UsageProblem: it is neither; `option` is named.
    """
    if text is None:
        return None

    duration = _read_duration(text)
    if duration is not None:
        return duration

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageProblem(
            f"{option} takes a time from now (90s, 30m, 2h, 7d) or a moment with its zone, "
            f"got {text!r}"
        )
    return moment


def parse_seconds(text: str, option: str) -> float:
    """A time such as `90s`, in seconds.

    Raises:
        UsageProblem: it is none; `option` is named.
    """
    duration = _read_duration(text)
    if duration is None:
        raise UsageProblem(f"{option} takes a time (90s, 30m, 2h, 7d), got {text!r}")
    return duration.total_seconds()


def _read_duration(text: str) -> timedelta | None:
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    number, unit = match.groups()
    return timedelta(**{_UNITS[unit]: float(number)})


_DURATION: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _read_file(file: Path) -> dict[str, Any]:
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    try:
        spec = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UsageProblem(f"--file {file} is not JSON: {error}") from error
    if not isinstance(spec, dict):
        raise UsageProblem(f"--file {file} should hold a JSON object, the job's spec")
    return spec


def _set_value(spec: dict[str, Any], names: list[str], value: Any, text: str) -> None:
    inner: Any = spec
    for name in names[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            raise UsageProblem(f"--set {text}: {name} is not an object")
    inner[names[-1]] = value


def parse_json(value: str) -> Any:
    """JSON, or the plain text where it is none."""
    try:
        return json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
