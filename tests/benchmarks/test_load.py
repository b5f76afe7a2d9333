"""The measurements of the service under load can all be made, and tell what they must tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.load import __main__ as load
from benchmarks.load.figures import Figure, summarize


def test_a_figure_is_judged_by_its_bounds() -> None:
    verdicts = {
        value: Figure(name="x", value=value, unit="s", at_least=10, aim=3).verdict
        for value in (2.9, 3, 9, 10.1)
    }
    assert verdicts == {2.9: "aim", 3: "aim", 9: "holds", 10.1: "misses"}
    assert Figure(name="x", value=1, unit="s").verdict == "report"
    assert "misses" in Figure(name="x", value=11, unit="s", at_least=10).line()


def test_quantiles() -> None:
    assert summarize([float(n) for n in range(101)]) == {"p50": 50, "p99": 99, "calls": 101}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_downloads_and_reads(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """On plain processes, with few calls: it says nothing about speed."""
    target = tmp_path / "new" / "load.json"
    options = ["--executor", "process", "--jobs", "60", "--requests", "5", "--json", str(target)]
    load.main(["--only", "downloads", "--only", "reads", *options])
    written = json.loads(target.read_text())
    table = capsys.readouterr().out
    names = [figure["name"] for figure in written["figures"]]
    assert [name.partition(",")[0] for name in names[:6:2]] == [
        "the usual Θ",
        "the largest Θ",
        "a file",
    ]
    assert "one job, p99" in names
    assert all(name in table for name in names)
    assert all(figure["value"] > 0 for figure in written["figures"])
