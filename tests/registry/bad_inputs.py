"""What every backend refuses, with the words that its message must have."""

from __future__ import annotations

from datetime import UTC, datetime

from registry import MetricPoint

TIME = datetime(2026, 1, 2, tzinfo=UTC)


def _point(**changes: object) -> MetricPoint:
    return MetricPoint(**{"name": "a", "value": 1.0, "step": 0, "time": TIME, **changes})  # type: ignore[arg-type]


STRANGE_KEYS = ["", "a b", "x' OR '1'='1", "`", "é", "a" * 201, "a\n"]
BAD_TAGS = [
    ({"mlflow.user": "x"}, "tag name"),
    ({"hyperadam.key": "x"}, "tag name"),
    ({"a b": "x"}, "tag name"),
    ({"a": "x" * 4001}, "tag 'a' has 4001 characters"),
    ({"a": "\0"}, "control"),
    ({f"t{i}": "" for i in range(51)}, "51 entries"),
]
UNKNOWN_RUNS = ["0123456789abcdef" * 2, "", "../x", "job_1"]
BAD_POINTS = [
    (_point(step=-1), "step"),
    (_point(step=2**63), "step"),
    (_point(name="a/b"), "metric name"),
    (_point(name=""), "metric name"),
    (_point(value="1"), "value"),
    (_point(time=TIME.replace(tzinfo=None)), "time zone"),
]
MISSING = ["a", "a/b/c", "a/b/x"]
PATH_TRICKS = [
    "",
    ".",
    "..",
    "../x",
    "a/../../x",
    "/etc/passwd",
    "a//b",
    "a/",
    "a\\b",
    ".hidden",
    "a/.b",
    "C:x",
    "a\0",
    "a\n",
    "é",
    "file:///x",
    "%2e%2e/x",
    "a" * 121,
    "/".join("abcdefghi"),
    "-x",
]
STRANGE_NAMES = ["", "A", "a/b", "../x", "a b", "x' or name like '%", "a..b", "é", "a" * 65]
UNKNOWN_NUMBERS = [0, 2, 2**31, 10**60]
BAD_REASONS = [
    ("ann", "x" * 2001, "reason has 2001"),
    ("x" * 201, "", "actor has 201"),
    ("ann", "a\0b", "reason contains"),
    ("ann", "\ud800", "reason contains"),
]
NOT_ALIASES = ["latest", "1", "007", "", "Champion", "a b", "a/b", "-a", "@", "a" * 65]
BAD_SUMMARIES = [
    ({"mean": float("nan")}, "summary is not JSON"),
    ({"mean": object()}, "summary is not JSON"),
    ({"text": "x" * 50_001}, "summary has 500"),
]
