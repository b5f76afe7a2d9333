"""Tasks of benchmarks: those that training draws are none of validation, and words choose them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.task_lists import choose_tasks, list_either, name_task, read_tasks
from meta_trainer.specs import MetaTrainingSpec, MLPTaskSpec


def test_tasks_are_chosen_by_number_or_kind() -> None:
    tasks = [MLPTaskSpec(hidden=(4,)), MLPTaskSpec(hidden=(5,))]
    assert [name for name, _ in choose_tasks(tasks)] == ["0 kind mlp", "1 kind mlp"]
    assert [name for name, _ in choose_tasks(tasks, ["1"])] == ["1 kind mlp"]
    assert len(list(choose_tasks(tasks, ["mlp"]))) == 2
    with pytest.raises(SystemExit, match="0 kind mlp; 1 kind mlp"):
        list(choose_tasks(tasks, ["gpt"]))


def test_drawn_tasks_are_none_of_validation() -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "default"})
    assert spec.tasks is not None
    drawn = list_either(spec.tasks, 2)
    assert list_either(spec.tasks, 0) == list(spec.tasks.validation)
    assert not [task for task in drawn if task in spec.tasks.validation]
    names = [name_task(task) for task in drawn]
    assert names == sorted(names)
    assert {names.count(name) for name in names} == {2}


def test_tasks_of_a_file_are_those_of_a_job(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text('[{"kind": "mlp", "hidden": [4]}]')
    assert read_tasks(path) == [MLPTaskSpec(hidden=(4,))]
    path.write_text('[{"kind": "mlp", "hiden": [4]}]')
    with pytest.raises(SystemExit, match="hiden"):
        read_tasks(path)
    with pytest.raises(SystemExit, match=r"none\.json"):
        read_tasks(tmp_path / "none.json")
