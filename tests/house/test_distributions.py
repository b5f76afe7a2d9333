"""The two distributions: what they require, and that they belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.house.project import TOP, read_text, read_toml


def name_requirements(requirements: Iterable[str]) -> set[str]:
    """Their names alone, written in the one way that indexes compare."""
    names = (re.split(r"[<>=!~\[; ]", requirement)[0] for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def test_the_client_depends_on_nothing_of_the_server() -> None:
    """What is added there is installed beside every training script."""
    names = name_requirements(read_toml("client/pyproject.toml")["project"]["dependencies"])
    assert names == {"torch", "numpy", "safetensors", "httpx2", "typer", "rich"}


def test_both_distributions_have_one_version() -> None:
    """So that whoever reports a fault names one number, and the server gets the client that it was
    tested with."""
    server = read_toml("pyproject.toml")["project"]
    client = read_toml("client/pyproject.toml")["project"]
    source = read_text(TOP / "client/hyperadam/__init__.py")
    package = re.search(r'__version__ = "(.+)"', source)
    assert package is not None
    assert server["version"] == client["version"] == package.group(1)
    assert f"hyperadam=={client['version']}" in server["dependencies"]
    assert f"\nversion: {client['version']}\n" in read_text(TOP / "CITATION.cff")


def test_the_changelog_has_the_version_with_its_date() -> None:
    version = read_toml("pyproject.toml")["project"]["version"]
    headings = re.findall(r"^## (.+)$", read_text(TOP / "CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(version)}\] — \d{{4}}-\d{{2}}-\d{{2}}", headings[1])


def test_constraints_pin_what_is_required_and_nothing_of_a_machine() -> None:
    """An environment made of them is the one that all tests passed in, on any machine."""
    lines = read_text(TOP / "constraints.txt").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", pin)] == []
    project = read_toml("pyproject.toml")["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    unpinned = name_requirements(required) - name_requirements(pins)
    assert unpinned <= {"hyperadam", "setuptools"}
