"""The rooms of the house, executable: who may import whom, and what nobody may do; each test says
why its rule is there.

The import layers themselves are contracts of import-linter in `pyproject.toml`; this file runs them
and adds what a linter of imports cannot see.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.project import TOP, list_all_sources, name_file, parse_source

RAY_ROOMS = (
    "meta_trainer/runners/",
    "meta_trainer/studies/on_ray/",
    "services/executors/",
    "services/embedded",
)
IMPORTING_CALLS = ("importlib.import_module", "__import__")
PICKLING_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
CODE_RUNNING_CALLS = ("torch.load", "torch.save", "eval", "exec")


@functools.cache
def find_imports(path: Path) -> frozenset[str]:
    """Dotted names of all modules imported anywhere in the file, in functions and under
    TYPE_CHECKING too."""
    nodes = ast.walk(parse_source(path))
    return frozenset(name for node in nodes for name in _list_imports(node))


def _list_imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in IMPORTING_CALLS:
        names = (argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant))
        yield from (name for name in names if isinstance(name, str))


def imports_any(path: Path, libraries: set[str]) -> bool:
    return any(name.split(".")[0] in libraries for name in find_imports(path))


def test_import_layers_hold() -> None:
    """A room that imports only downwards can be read, tested and replaced without the rooms above
    it."""
    linter = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run(
        [linter, "--no-cache", "--no-logo"],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("mlflow", ("registry/",)),
        ("fastapi", ("services/",)),
        ("starlette", ("services/",)),
        ("ray", RAY_ROOMS),
        ("torchvision", ("meta_trainer/datasets/",)),
        ("sqlalchemy", ("services/", "registry/")),
        ("pydantic", ("meta_trainer/", "services/", "registry/")),
    ],
)
def test_a_heavy_library_stays_in_its_room(library: str, rooms: tuple[str, ...]) -> None:
    """Each of these may be replaced, or be missing on a user's machine, and only its own room may
    notice."""
    importers = [name_file(path) for path in list_all_sources() if imports_any(path, {library})]
    assert [name for name in importers if not name.startswith(rooms)] == []


def test_nothing_is_pickled() -> None:
    """Reading a pickle runs code; Θ, checkpoints and results come from disks and networks."""
    sources = list_all_sources()
    assert [name_file(path) for path in sources if imports_any(path, PICKLING_MODULES)] == []
    assert [call for path in sources for call in _find_calls(path, CODE_RUNNING_CALLS)] == []


def _find_calls(path: Path, functions: tuple[str, ...]) -> list[str]:
    calls = [node for node in ast.walk(parse_source(path)) if isinstance(node, ast.Call)]
    return [
        f"{name_file(path)}:{call.lineno}: {ast.unparse(call.func)}"
        for call in calls
        if ast.unparse(call.func) in functions
    ]


def test_every_module_opens_with_its_idea() -> None:
    """Who opens a file wants to know first what it is for, and whether to read on."""
    trees = {name_file(path): parse_source(path) for path in list_all_sources()}
    assert [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []
