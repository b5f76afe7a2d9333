"""What the built wheels hold: the packages and their data, and nothing of any other project."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TOP = Path(__file__).resolve().parents[2]
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "tests", "build", "dist")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """Distribution name → its wheel, built from a copy of the sources."""
    top = tmp_path_factory.mktemp("wheels")
    sources = top / "source"
    sources.mkdir()
    for name in ("client", "meta_trainer", "registry", "services"):
        shutil.copytree(TOP / name, sources / name, ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, sources / name)
    for project in (sources / "client", sources):
        options = ["--wheel", "--no-isolation", "--outdir", str(top / "dist")]
        command = [sys.executable, "-m", "build", *options, str(project)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return {path.name.split("-")[0]: zipfile.ZipFile(path) for path in (top / "dist").glob("*.whl")}


def packages(wheel: zipfile.ZipFile) -> set[str]:
    return {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}


def metadata(wheel: zipfile.ZipFile) -> str:
    return read_file(wheel, "/METADATA")


def read_file(wheel: zipfile.ZipFile, ending: str) -> str:
    [name] = [name for name in wheel.namelist() if name.endswith(ending)]
    return wheel.read(name).decode()


def test_each_wheel_holds_its_own_packages_only(wheels: dict[str, zipfile.ZipFile]) -> None:
    assert packages(wheels["hyperadam"]) == {"hyperadam"}
    assert packages(wheels["hyperadam_server"]) == {"meta_trainer", "registry", "services"}


@pytest.mark.parametrize(
    ("distribution", "folder"),
    [
        ("hyperadam", "client/hyperadam"),
        ("hyperadam_server", "meta_trainer"),
        ("hyperadam_server", "registry"),
        ("hyperadam_server", "services"),
    ],
)
def test_no_file_is_left_behind(
    wheels: dict[str, zipfile.ZipFile], distribution: str, folder: str
) -> None:
    """Migrations, pages and pretrained Θ are files that code opens.

    That one is forgotten would show only after installing.
    """
    base = TOP / folder
    wanted = {
        path.relative_to(base.parent).as_posix()
        for path in base.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".md"
    }
    assert wanted - set(wheels[distribution].namelist()) == set()


def test_metadata_says_what_it_is(wheels: dict[str, zipfile.ZipFile]) -> None:
    for wheel in wheels.values():
        fields = Parser().parsestr(metadata(wheel))
        assert fields["License-Expression"] == "Apache-2.0"
        assert fields["License-File"] == "LICENSE"
        assert fields["Requires-Python"] == ">=3.11"
        assert fields.get_payload().strip()


def test_commands_are_installed(wheels: dict[str, zipfile.ZipFile]) -> None:
    for distribution, command in (
        ("hyperadam", "hyperadam = hyperadam."),
        ("hyperadam_server", "hyperadam-server = "),
    ):
        assert command in read_file(wheels[distribution], "entry_points.txt")


def test_the_server_requires_the_client_of_its_version(wheels: dict[str, zipfile.ZipFile]) -> None:
    client = Parser().parsestr(metadata(wheels["hyperadam"]))
    requires = Parser().parsestr(metadata(wheels["hyperadam_server"])).get_all("Requires-Dist", [])
    assert f"hyperadam=={client['Version']}" in requires
