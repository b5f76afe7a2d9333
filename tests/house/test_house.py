"""The rules of the house, executable; each test says why its rule is there.

The import layers themselves are contracts of import-linter in `pyproject.toml`; this file runs them
and adds what a linter of imports cannot see.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

TOP = Path(__file__).resolve().parents[2]
SOURCES = ("client/hyperadam", "meta_trainer", "registry", "services")
TUNE_FILES = ("meta_trainer/studies/on_ray/",)
LARGEST_FILE_LINES = 500
LARGEST_FILE_BYTES = 600_000


def tracked() -> list[PurePosixPath]:
    """Every file of the project, new ones included, ignored ones not."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [
        PurePosixPath(name) for name in listed.stdout.split("\0") if name and (TOP / name).is_file()
    ]


@functools.cache
def source_files() -> tuple[Path, ...]:
    return tuple(sorted(path for room in SOURCES for path in (TOP / room).rglob("*.py")))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Dotted names of all modules imported anywhere in the file, in functions and under
    TYPE_CHECKING too."""
    return frozenset(_imports(tree_of(path)))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "importlib.import_module",
            "__import__",
        ):
            yield from (
                a.value
                for a in node.args[:1]
                if isinstance(a, ast.Constant) and isinstance(a.value, str)
            )


def test_import_layers_hold() -> None:
    """A room that imports only downwards can be read, tested and replaced without the rooms above
    it."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache", "--no-logo"],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("mlflow", ("registry/",)),
        ("fastapi", ("services/",)),
        ("starlette", ("services/",)),
        ("ray", ("meta_trainer/runners/", *TUNE_FILES, "services/executors/", "services/embedded")),
        ("torchvision", ("meta_trainer/datasets/",)),
        ("sqlalchemy", ("services/", "registry/")),
        ("pydantic", ("meta_trainer/", "services/", "registry/")),
    ],
)
def test_a_heavy_library_stays_in_its_room(library: str, rooms: tuple[str, ...]) -> None:
    """Each of these may be replaced, or be missing on a user's machine, and only its own room may
    notice."""
    strays = [
        path.relative_to(TOP).as_posix()
        for path in source_files()
        if any(name.split(".")[0] == library for name in imported(path))
        and not path.relative_to(TOP).as_posix().startswith(rooms)
    ]
    assert strays == []


def test_nothing_is_pickled() -> None:
    """Reading a pickle runs code; Θ, checkpoints and results come from disks and networks."""
    modules = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    found = []
    for path in source_files():
        found += [
            f"{path.relative_to(TOP)}: {name}"
            for name in imported(path)
            if name.split(".")[0] in modules
        ]
        found += [
            f"{path.relative_to(TOP)}:{node.lineno}: {ast.unparse(node.func)}"
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("torch.load", "torch.save", "eval", "exec")
        ]
    assert found == []


def test_files_are_one_idea_long() -> None:
    """A file that outgrows this is usually two ideas."""
    python = [TOP / path for path in tracked() if path.suffix == ".py"]
    lines = {
        path.relative_to(TOP).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in python
    }
    assert {name: n for name, n in lines.items() if n > LARGEST_FILE_LINES} == {}


def test_every_module_opens_with_its_idea() -> None:
    silent = [
        path.relative_to(TOP).as_posix()
        for path in source_files()
        if tree_of(path).body and not ast.get_docstring(tree_of(path))
    ]
    assert silent == []


def test_no_data_or_generated_files_are_tracked() -> None:
    """Data has licences of its own, and what can be made again is made again."""
    generated = re.compile(
        r"(^|/)(__pycache__|\.venv|dist|build|data|mlruns|mlartifacts|node_modules|[^/]+\.egg-info)/"
        r"|\.(pyc|pyo|pkl|pickle|pt|pth|ckpt|db|sqlite3?|gz|zip|whl|npz?|npy|parquet|log|deb|tgz)$"
        r"|-ubyte$"
    )
    assert [str(path) for path in tracked() if generated.search(str(path))] == []


def test_no_tracked_file_is_heavy() -> None:
    assert [
        str(path) for path in tracked() if (TOP / path).stat().st_size > LARGEST_FILE_BYTES
    ] == []


def test_no_file_names_a_machine() -> None:
    """What stands in the project must be true on every machine: no home folders, no package hosts,
    no find-links."""
    private = re.compile(
        r"(?<![\w.\-/])/(home|Users|root|work|mnt|opt)/[A-Za-z0-9_.-]+"
        r"|--(extra-)?index-url|--find-links|--trusted-host"
    )
    allowed = {"deploy/Dockerfile"}  # paths inside the image; its index is a build argument
    found = []
    for path in tracked():
        if str(path) in allowed or path == PurePosixPath("tests/house/test_house.py"):
            continue
        try:
            text = (TOP / path).read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path}: {match.group(0)}" for match in private.finditer(text)]
    assert found == []


def test_the_client_depends_on_nothing_of_the_server() -> None:
    """What is added there is installed beside every training script."""
    project = tomllib.loads((TOP / "client/pyproject.toml").read_text("utf-8"))["project"]
    names = {
        re.split(r"[<>=!~\[; ]", requirement)[0].lower() for requirement in project["dependencies"]
    }
    assert names == {"torch", "numpy", "safetensors", "httpx2", "typer", "rich"}


def test_both_distributions_have_one_version() -> None:
    server = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    client = tomllib.loads((TOP / "client/pyproject.toml").read_text("utf-8"))["project"]
    package = re.search(
        r'__version__ = "(.+)"', (TOP / "client/hyperadam/__init__.py").read_text("utf-8")
    )
    assert package is not None
    assert server["version"] == client["version"] == package.group(1)
    assert f"hyperadam=={client['version']}" in server["dependencies"]


def test_constraints_pin_what_is_required_and_nothing_of_a_machine() -> None:
    lines = [
        line
        for line in (TOP / "constraints.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line)
    ] == []
    pinned = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in lines}
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[; ]", one)[0]).lower() for one in required}
    assert names - pinned - {"hyperadam", "setuptools"} == set()
