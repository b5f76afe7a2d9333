"""Specs from files, presets and single values."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hyperadam.cli.common import UsageProblem
from hyperadam.cli.specs import build_spec, parse_labels


def test_a_file_a_preset_and_values_are_laid_over_each_other(tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text('{"seed": 1, "preset": "default", "unroll": {"horizon": 100, "period": 20}}')
    assert build_spec(
        file, "quick", ["unroll.horizon=200", "spec.task.dataset=mnist5k", "seed=3"]
    ) == {
        "preset": "quick",
        "seed": 3,
        "unroll": {"horizon": 200, "period": 20},
        "task": {"dataset": "mnist5k"},
    }


def test_a_file_may_be_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"seed": 7}'))
    assert build_spec(Path("-"), None, []) == {"seed": 7}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("3.5", 3.5),
        ("true", True),
        ("null", None),
        ("quick", "quick"),
        ('"3"', "3"),
        ('["relu", "tanh"]', ["relu", "tanh"]),
        ('{"rate": 0.1}', {"rate": 0.1}),
        ("a=b", "a=b"),
        ("", ""),
        ("NaN", "NaN"),
    ],
)
def test_values_are_json_or_else_text(text: str, value: object) -> None:
    assert build_spec(None, None, [f"x.y={text}"]) == {"x": {"y": value}}


@pytest.mark.parametrize("text", ["", "=3", "x", ".=1", "a.=1", "spec.=1"])
def test_bad_values_are_named(text: str) -> None:
    with pytest.raises(UsageProblem, match="--set takes path=value"):
        build_spec(None, None, [text])


def test_a_value_is_not_overwritten_by_an_object() -> None:
    with pytest.raises(UsageProblem, match="seed is not an object"):
        build_spec(None, None, ["seed=1", "seed.low=2"])


def test_labels() -> None:
    assert parse_labels(["team=a", "note=x=y", "empty="]) == {
        "team": "a",
        "note": "x=y",
        "empty": "",
    }
    assert parse_labels([]) is None
    for text in ("team", "=a"):
        with pytest.raises(UsageProblem, match="--label"):
            parse_labels([text])
