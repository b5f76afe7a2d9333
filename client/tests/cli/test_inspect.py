"""`hyperadam inspect`: a small training, looked into and drawn."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import hyperadam
import pytest
from hyperadam.cli.app import app
from hyperadam.inside.page import draw_chart, write_page
from hyperadam.inside.recording import record_training
from typer.testing import CliRunner


def read_lines(chart: str) -> list[list[tuple[float, float]]]:
    """The points of each line of a chart."""
    svg = ET.fromstring(chart).find("svg")
    assert svg is not None
    texts = [line.get("points", "") for line in svg.iter("polyline")]
    pairs = [[point.split(",") for point in text.split()] for text in texts]
    return [[(float(x), float(y)) for x, y in line] for line in pairs]


@pytest.mark.parametrize("name", ["hyperadam-v1", "rnnprop-paper", "dm-paper"])
def test_a_training_is_recorded_and_shown(name: str) -> None:
    theta = hyperadam.pretrained(name)
    recording = record_training(theta, n_steps=4, every=2)
    assert recording.steps == [1, 2, 4]
    assert [tensor.name for tensor in recording.looks[0]][:2] == ["0.weight", "0.bias"]
    page = write_page(theta, recording)
    assert theta.sha256 in page
    assert "<script" not in page
    assert page.count("<polyline") == 1 + 6 + (6 if recording.looks[0][0].beta else 0) + len(
        recording.looks[0][0].mixture
    )


def test_the_same_seed_is_the_same_training() -> None:
    theta = hyperadam.pretrained("dm-paper")
    first = record_training(theta, n_steps=3, every=1)
    assert record_training(theta, n_steps=3, every=1) == first
    assert record_training(theta, n_steps=3, every=1, seed=1) != first


def test_higher_values_stand_higher_and_what_is_not_finite_is_left_out() -> None:
    chart = draw_chart("a <b>", [1, 2, 3], {"x": [1.0, 2.0, 4.0], "y": [math.inf, 3.0, math.nan]})
    first, second = read_lines(chart)
    assert [x for x, _ in first] == sorted(x for x, _ in first)
    assert [y for _, y in first] == sorted((y for _, y in first), reverse=True)
    assert len(second) == 1
    assert second[0][0] == first[1][0]


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    arguments = ["inspect", "dm-paper", "-o", str(output), "--steps", "3", "--every", "1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert output.read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"no theta", "not a safetensors file")]
)
def test_what_is_no_theta_is_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "theta.safetensors"
    if content is not None:
        file.write_bytes(content)
    done = CliRunner().invoke(app, ["inspect", str(file)])
    assert done.exit_code == 2
    assert message in done.output
