"""The documentation site, built: without a warning, without a dead link, without an address
elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from guide.check import find_problems

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TOP = Path(__file__).resolve().parents[2]
LARGEST_SITE_BYTES = 16_000_000


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(
        command,
        cwd=TOP,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).strip() == ""
    return folder


def test_every_link_leads_somewhere(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 80
    assert find_problems(site) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<h2 id="here">x</h2><a href="#here">ok</a><a href="#there">no</a><a href="gone/">no</a>'
        '<script src="https://cdn.example/x.js"></script><a href="https://example.org">ok</a>'
    )
    problems = find_problems(tmp_path)
    assert len(problems) == 3
    assert any("#there has no such anchor" in problem for problem in problems)
    assert any("gone/ leads nowhere" in problem for problem in problems)
    assert any("from elsewhere" in problem for problem in problems)


def test_no_script_stands_in_a_page(site: Path) -> None:
    """So the strict policy of `/guide` admits all that there is."""
    for path in site.rglob("*.html"):
        scripts = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", path.read_text("utf-8"))
        assert [tag for tag in scripts if "application/json" not in tag] == [], path


def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//", path.read_text("utf-8")) == [], path


def test_it_is_small_enough_for_a_wheel(site: Path) -> None:
    files = [path for path in site.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST_SITE_BYTES


def test_charts_are_those_of_the_reports_in_fewer_colours(site: Path) -> None:
    name = "reproduction/table1-v9/curves.png"
    with Image.open(TOP / "docs" / name) as own, Image.open(site / name) as shown:
        assert shown.size == own.size
        assert shown.mode == "P"
        difference = ImageChops.difference(own.convert("RGB"), shown.convert("RGB"))
    assert max(ImageStat.Stat(difference).mean) < 2  # of 255


def test_it_has_no_source_maps_and_points_to_none(site: Path) -> None:
    assert list(site.rglob("*.map")) == []
    scripts = [*site.rglob("*.js"), *site.rglob("*.css")]
    assert len(scripts) > 10
    assert [path for path in scripts if "sourceMappingURL" in path.read_text("utf-8")] == []


def test_parts_that_are_made_of_the_code_are_there(site: Path) -> None:
    commands = (site / "reference/cli/index.html").read_text("utf-8")
    assert "hyperadam jobs submit" in commands
    assert "hyperadam-server keys create" in commands
    settings = (site / "reference/settings/index.html").read_text("utf-8")
    assert "HYPERADAM_MAX_RUNNING_JOBS_PER_KEY" in settings
    assert "/v1/jobs/{job_id}/events" in (site / "reference/routes/index.html").read_text("utf-8")
    python = (site / "reference/python/index.html").read_text("utf-8")
    assert "hyperadam.HyperAdam" in python
    assert "submit" in python
