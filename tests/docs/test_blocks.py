"""Every block of code in the documentation: Python runs, commands are those that there are."""

from __future__ import annotations

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hyperadam
import pytest
import yaml

from meta_trainer.specs import MetaTrainingSpec
from tests.docs.blocks import (
    ELSEWHERE,
    LANGUAGES,
    TEXTS,
    Block,
    check_command,
    list_all,
    list_blocks,
    list_commands,
)
from tests.house.project import TOP

IN_AN_ENVIRONMENT_OF_ITS_OWN = ("accelerate", "lightning", "transformers")
"""Libraries whose blocks `make test-integrations` runs."""
PAGES_OF_PYTHON = [page for page in TEXTS if any(b.language == "python" for b in list_blocks(page))]
MOST_NOT_RUN = 6


def name_page(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


def test_every_block_says_what_it_is() -> None:
    blocks = [block for page in TEXTS for block in list_blocks(page)]
    assert len(blocks) > 60
    assert [block.name for block in blocks if block.language not in LANGUAGES] == []


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    blocks = list_all("python", "console", "sh", "json")
    not_run = [block.name for block in blocks if block.not_run]
    assert len(not_run) <= MOST_NOT_RUN, not_run


@pytest.mark.parametrize("block", list_all("console", "sh"), ids=lambda block: block.name)
def test_commands_are_those_that_there_are(block: Block, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("spec.json", "mine.json", "theta.safetensors", "downloaded.safetensors"):
        (tmp_path / name).write_text("{}")
    checked = subprocess.run(
        ["bash", "-n"], input=block.text, text=True, capture_output=True, check=False
    )
    if "\n$ " not in f"\n{block.text}":
        assert checked.returncode == 0, checked.stderr
    for words in list_commands(block):
        check_command(words)


def test_programs_that_are_not_run_have_a_reason() -> None:
    assert all(len(reason) >= 10 for reason in ELSEWHERE.values())


@pytest.mark.parametrize("block", list_all("json"), ids=lambda block: block.name)
def test_json_is_json_and_specs_are_specs(block: Block) -> None:
    value = json.loads(block.text)
    if isinstance(value, dict) and "preset" in value and "kind" not in value:
        MetaTrainingSpec.model_validate(value)


@pytest.mark.parametrize("block", list_all("yaml"), ids=lambda block: block.name)
def test_yaml_is_yaml(block: Block) -> None:
    list(yaml.safe_load_all(block.text))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", PAGES_OF_PYTHON, ids=name_page)
def test_python_runs_in_the_order_of_the_page(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one namespace, as a reader would paste it."""
    monkeypatch.chdir(tmp_path)
    hyperadam.pretrained().save(tmp_path / "theta.safetensors")
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in list_blocks(page):
        if block.language != "python" or block.not_run or needs_more(block):
            continue
        exec(compile(block.text, block.name, "exec"), namespace)


def needs_more(block: Block) -> bool:
    return any(
        f"import {name}" in block.text and find_spec(name) is None
        for name in IN_AN_ENVIRONMENT_OF_ITS_OWN
    )
