"""The tool itself: it finds the faults that a small file admits, and sees which ones tests
notice."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mutation.edits import find_edits
from tests.mutation.mutants import Mutant, draw_mutants, find_survivors
from tests.mutation.rooms import TESTS, find_nearest_tests
from tests.mutation.workbench import AlreadyBroken, Stage, Workbench

TOP = Path(__file__).resolve().parents[2]

SOURCE = '''
import logging

logger = logging.getLogger("Θ 1")

def clip(x: int | None, top=10, *, strict: bool = False) -> float:
    """Up to 10."""
    assert top > 1
    if x is None or not strict and x < top:
        logger.info("below %d", 3)
        return f"{x + 1}"
    counts["Θ"] += 1
    return top * 0.5 if strict else -x
'''
FAULTS = {
    "default value": {
        "def clip(x: int | None, top=11, *, strict: bool = False) -> float:",
        "def clip(x: int | None, top=10, *, strict: bool = True) -> float:",
    },
    "swapped branches": {
        "if (not (x is None or (not strict and x < top))):",
        "return (-x if strict else top * 0.5)",
    },
    "and/or": {
        "if (x is None and (not strict and x < top)):",
        "if x is None or (not strict or x < top):",
    },
    "comparison": {
        "if (x is not None) or not strict and x < top:",
        "if x is None or not strict and (x <= top):",
    },
    "removed operator": {
        "if x is None or (strict) and x < top:",
        "return top * 0.5 if strict else (x)",
    },
    "return value": {"return None"},
    "dropped statement": {"pass"},
    "constant": {'counts["Θ"] += 2', "return top * 1.0 if strict else -x"},
    "arithmetic": {"return (top / 0.5) if strict else -x"},
}


def test_a_small_file_admits_these_faults_and_no_others() -> None:
    found: dict[str, set[str]] = {kind: set() for kind in FAULTS}
    for edit in find_edits(SOURCE.encode()):
        changed = edit.apply(SOURCE.encode()).decode()
        (line,) = set(changed.splitlines()) - set(SOURCE.splitlines())
        found[edit.kind].add(line.strip())
    assert found == FAULTS


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of one function, and the one test of it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they cost seconds
    top = tmp_path / "project"
    (top / "tests").mkdir(parents=True)
    (top / "twice.py").write_text("def twice(x, times=2):\n    return x * times\n")
    (top / "tests/test_twice.py").write_text(
        "from twice import twice\n\ndef test_twice():\n    assert twice(3, 2) == 6\n"
    )
    subprocess.run(["git", "init", "-q"], cwd=top, check=True, timeout=20)
    return top


def draw_of(project: Path, kind: str) -> Mutant:
    (mutant,) = (m for m in draw_mutants(project, ["twice.py"], 9, 0) if m.edit.kind == kind)
    return mutant


@pytest.mark.slow
def test_what_is_tested_is_killed_and_what_is_not_survives(project: Path, tmp_path: Path) -> None:
    (project / "tests/test_other.py").write_text("def test_other():\n    pass\n")
    workbench = Workbench(project, tmp_path / "copy")
    stage = Stage(tests=("tests",))
    killed = workbench.try_mutant(draw_of(project, "arithmetic"), stage)
    assert (killed.verdict, killed.killer) == ("killed", "tests/test_twice.py::test_twice")
    assert workbench.try_mutant(draw_of(project, "default value"), stage).verdict == "survived"
    one_file = Stage(tests=("tests",), only=("tests/test_other.py",))
    assert workbench.try_mutant(draw_of(project, "arithmetic"), one_file).verdict == "survived"
    assert (project / "twice.py").read_text() == (tmp_path / "copy/twice.py").read_text()


def test_tests_that_fail_anyway_show_nothing(project: Path, tmp_path: Path) -> None:
    (project / "tests/test_twice.py").write_text("def test_broken():\n    assert False\n")
    workbench = Workbench(project, tmp_path / "copy")
    with pytest.raises(AlreadyBroken, match="test_broken"):
        workbench.try_mutant(draw_of(project, "arithmetic"), Stage(tests=("tests",)))


def test_nearest_are_files_that_name_the_module_else_the_folder_that_mirrors_its_own(
    tmp_path: Path,
) -> None:
    files = {
        "tests/rooms/test_by_package.py": "from rooms import chair, table\n",
        "tests/rooms/test_by_path.py": "import rooms.table as t\n",
        "tests/rooms/inner/test_table.py": "",
        "tests/rooms/test_other.py": "from rooms.tables import legs\n",
        "tests/test_elsewhere.py": "import rooms.table\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    nearest = find_nearest_tests(tmp_path, "rooms/table.py", ["tests/rooms"])
    assert nearest == [
        "tests/rooms/inner/test_table.py",
        "tests/rooms/test_by_package.py",
        "tests/rooms/test_by_path.py",
    ]
    assert find_nearest_tests(tmp_path, "rooms/inner/lamp.py", ["tests/rooms"]) == [
        "tests/rooms/inner"
    ]
    assert find_nearest_tests(tmp_path, "rooms/lamp.py", ["tests/rooms"]) == []


def test_a_seed_draws_the_same_mutants_from_every_room_in_turn() -> None:
    rooms = ["registry", "client/hyperadam/theta.py"]
    first, again, more = (draw_mutants(TOP, rooms, count, seed=3) for count in (6, 6, 20))
    assert [mutant.room for mutant in first] == rooms * 3
    assert first == again == more[:6]
    assert first != draw_mutants(TOP, rooms, 6, seed=4)


def test_survivors_are_found_again_where_their_line_has_moved(project: Path) -> None:
    mutants = draw_mutants(project, ["twice.py"], 9, 0)
    trials = [
        {
            "room": mutant.room,
            "path": mutant.path,
            "line": mutant.edit.line,
            "kind": mutant.edit.kind,
            "diff": mutant.diff,
            "verdict": "survived" if mutant.edit.kind == "arithmetic" else "killed",
        }
        for mutant in mutants
    ]
    source = project / "twice.py"
    source.write_text(f"# a line more\n{source.read_text()}")
    (again,) = find_survivors(project, trials)
    assert (again.edit.kind, again.edit.line) == ("arithmetic", 3)
    source.write_text("def twice(x):\n    return x + x\n")
    assert find_survivors(project, trials) == []


@pytest.mark.parametrize("room", TESTS)
def test_every_room_and_its_tests_are_there(room: str) -> None:
    assert [path for path in (room, *TESTS[room]) if not (TOP / path).exists()] == []
