"""The notebooks run as they stand, on a service that they find by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.house.project import TOP

NOTEBOOKS = sorted((TOP / "examples/notebooks").glob("*.ipynb"))
NEED_A_SERVICE = "hyperadam.Client()"


def read_notebook(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def list_pictures(notebook: Any) -> list[str]:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [data for output in outputs if (data := output.get("data", {}).get("image/png"))]


def test_there_are_four() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["1-", "2-", "3-", "4-"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_their_pictures_are_kept(path: Path) -> None:
    notebook = read_notebook(path)
    assert list_pictures(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert "error" not in kinds


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run(
    path: Path,
    tmp_path: Path,
    newcomer: dict[str, str],
    request: pytest.FixtureRequest,
) -> None:
    if NEED_A_SERVICE in path.read_text("utf-8"):
        request.getfixturevalue("url")
    notebook = read_notebook(path)
    for cell in notebook.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    resources = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources)
    client.execute(env=newcomer)
    assert list_pictures(notebook)
