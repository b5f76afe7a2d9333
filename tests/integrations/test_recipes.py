"""docs/integrations.md: every block of Python on it runs, and trains."""

from __future__ import annotations

import importlib
import importlib.util
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.house.project import TOP

PAGE = (TOP / "docs" / "integrations.md").read_text("utf-8")
LIBRARIES = {
    "Lightning": "lightning",
    "Hugging Face Trainer": "transformers",
    "Accelerate": "accelerate",
}
HUB = "The Hub"
STUBS = TOP / "client" / "tests" / "support"


def read_recipes() -> dict[str, str]:
    """Heading → the Python below it; what all begin with is below the title."""
    parts = re.split(r"^##? (.+)$", PAGE, flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    blocks = {title: re.findall(r"```python\n(.*?)```", text, re.DOTALL) for title, text in pairs}
    return {title: "\n".join(found) for title, found in blocks.items() if found}


RECIPES = read_recipes()
BEGINNING = RECIPES.pop("In your training loop")


def run_recipe(title: str) -> dict[str, Any]:
    """The names that it leaves, with `before`: the weights that it began with."""
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(BEGINNING, names)
    names["before"] = [parameter.detach().clone() for parameter in names["model"].parameters()]
    exec(RECIPES[title], names)
    return names


SLOW = {"Many processes": pytest.mark.slow}
"""Its imports take seconds."""


def has_moved(names: dict[str, Any]) -> bool:
    """Of what is in this process: all of it."""
    pairs = zip(names["model"].parameters(), names["before"], strict=True)
    pieces = [(getattr(after, "_local_tensor", after), before) for after, before in pairs]
    return all(not after.equal(before) for after, before in pieces)


def test_the_hubs_recipe_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stub: nothing of a test goes to the public one."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="not installed")
    monkeypatch.syspath_prepend(STUBS)
    stub: Any = importlib.import_module("stub_hub")
    hub = stub.StubHub()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with stub.serve(hub) as endpoint:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        names = run_recipe(HUB)
    assert has_moved(names)
    assert list(hub.commits["org/name"][0]) == ["theta.safetensors", "README.md"]


@pytest.mark.parametrize(
    "title",
    [
        pytest.param(title, marks=SLOW.get(title, ()))
        for title in RECIPES
        if title not in (HUB, *LIBRARIES)
    ],
)
def test_a_recipe_of_torch_alone_runs_without_a_warning(title: str) -> None:
    names = run_recipe(title)
    if title != "Checkpoints":
        assert has_moved(names)


@pytest.mark.slow
@pytest.mark.parametrize("title", list(LIBRARIES))
def test_a_recipe_with_a_library_runs(title: str) -> None:
    library = LIBRARIES[title]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        names = run_recipe(title)
    assert has_moved(names)
    ours = [str(warning.message) for warning in caught if "Θ" in str(warning.message)]
    assert ours == []
