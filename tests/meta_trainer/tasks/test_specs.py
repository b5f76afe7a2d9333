"""Task distributions as specs: complete when stored, bounded, clear about what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from meta_trainer.specs import (
    DISTRIBUTIONS,
    CNNTaskSpec,
    LSTMTaskSpec,
    MetaTrainingSpec,
    MLPTaskSpec,
    NetworkTaskSpec,
)


@pytest.mark.parametrize("preset", DISTRIBUTIONS)
def test_presets_are_valid_and_complete_when_stored(preset: str) -> None:
    spec = MetaTrainingSpec.model_validate({"preset": "quick", "tasks": {"preset": preset}})
    stored = spec.model_dump(mode="json")
    assert stored["task"] is None
    assert "preset" not in stored["tasks"]
    assert len(stored["tasks"]["validation"]) >= 1
    assert MetaTrainingSpec.model_validate(stored) == spec


def test_what_was_stored_before_there_were_distributions_still_means_the_same() -> None:
    stored = {
        "task": {
            "dataset": "mnist",
            "activations": ["relu"],
            "hidden": [5],
            "batch_size": 64,
            "init_std": 0.2,
        }
    }
    spec = MetaTrainingSpec.model_validate(stored)
    expected = MLPTaskSpec(
        dataset="mnist", activation="relu", hidden=(5,), batch_size=64, init_std=0.2
    )
    assert spec.tasks is None
    assert spec.simple_tasks == spec.validation_tasks == [expected]


def test_small_mlps_are_validated_on_as_they_are_drawn() -> None:
    drawn = {"sides": [14, 7], "initializations": ["torch", "normal"], "init_std": [0.2, 0.2]}
    (task,) = MetaTrainingSpec.model_validate({"tasks": {"mlp": drawn}}).validation_tasks
    assert task == MLPTaskSpec(side=14, initialization="torch")


def test_validation_tasks_are_declared_or_typical() -> None:
    declared = {
        "lstm": {},
        "validation": [{"kind": "cnn", "dropout": True}, {"kind": "lstm", "n_layers": 2}],
    }
    spec = MetaTrainingSpec.model_validate({"tasks": declared})
    assert spec.validation_tasks == (CNNTaskSpec(dropout=True), LSTMTaskSpec(n_layers=2))
    drawn = {
        "mlp": {
            "activations": ["relu", "tanh"],
            "depth": [1, 5],
            "width": [10, 40],
            "init_std": [0.05, 0.2],
        },
        "cnn": {"datasets": ["mnist", "cifar10"]},
    }
    typical = MetaTrainingSpec.model_validate({"tasks": drawn}).validation_tasks
    assert [task.kind for task in typical] == ["mlp", "mlp", "cnn", "cnn"]
    mlp = typical[1]
    assert isinstance(mlp, MLPTaskSpec)
    assert (mlp.activation, mlp.hidden, mlp.init_std) == ("tanh", (20, 20, 20), pytest.approx(0.1))


def test_data_of_all_that_may_be_drawn() -> None:
    given = {
        "mlp": {"datasets": ["mnist", "fashion_mnist"]},
        "validation": [{"kind": "cnn", "dataset": "cifar10"}],
    }
    tasks = MetaTrainingSpec.model_validate({"tasks": given}).data_tasks
    assert {task.dataset for task in tasks if not isinstance(task, LSTMTaskSpec)} == {
        "mnist",
        "fashion_mnist",
        "cifar10",
    }


def test_networks_are_validated_on_by_dataset_and_kind() -> None:
    drawn = {"networks": ["gru", "regression"], "datasets": ["mnist", "cifar10"], "widths": [12]}
    tasks = MetaTrainingSpec.model_validate({"tasks": {"network": drawn}}).validation_tasks
    assert [
        (task.network, task.dataset) for task in tasks if isinstance(task, NetworkTaskSpec)
    ] == [
        ("gru", "mnist"),
        ("regression", "mnist"),
        ("gru", "cifar10"),
    ]


@pytest.mark.parametrize(
    ("given", "where", "message"),
    [
        ({"tasks": {}}, ("tasks",), "mlp, cnn, lstm, network, described or listed must be given"),
        (
            {"tasks": {"preset": "all"}},
            ("tasks",),
            "preset must be one of paper, mlps, tiny, mixed",
        ),
        (
            {"tasks": {"mlp": {"depth": [3, 1]}}},
            ("tasks", "mlp", "depth"),
            "a range is [lowest, highest]",
        ),
        (
            {"tasks": {"mlp": {"depth": [1, 13]}}},
            ("tasks", "mlp", "depth", 1),
            "less than or equal to 12",
        ),
        (
            {"tasks": {"mlp": {"width": [0, 5]}}},
            ("tasks", "mlp", "width", 0),
            "greater than or equal to 1",
        ),
        (
            {"tasks": {"mlp": {"init_std": [0.0, 1.0]}}},
            ("tasks", "mlp", "init_std", 0),
            "greater than 0",
        ),
        (
            {"tasks": {"mlp": {"activations": ["relu", "relu"]}}},
            ("tasks", "mlp", "activations"),
            "differ",
        ),
        (
            {"tasks": {"mlp": {"activations": []}}},
            ("tasks", "mlp", "activations"),
            "there must be 1 to 16 choices",
        ),
        (
            {"tasks": {"mlp": {"sides": [28]}}},
            ("tasks", "mlp", "sides", 0),
            "Input should be 7 or 14",
        ),
        (
            {
                "tasks": {
                    "mlp": {},
                    "validation": [{"kind": "mlp", "initialization": "gpt2", "init_std": 0.2}],
                }
            },
            ("tasks", "validation", 0, "mlp"),
            "init_std must not be given where initialization is 'gpt2'",
        ),
        (
            {"tasks": {"network": {"widths": [10]}}},
            ("tasks", "network", "widths", 0),
            "multiple of 4",
        ),
        (
            {"tasks": {"cnn": {"architectures": ["resnet"]}}},
            ("tasks", "cnn", "architectures", 0),
            "'cnn-1'",
        ),
        (
            {"tasks": {"lstm": {"n_layers": [3]}}},
            ("tasks", "lstm", "n_layers", 0),
            "less than or equal to 2",
        ),
        ({"tasks": {"lstm": {"bogus": 1}}}, ("tasks", "lstm", "bogus"), "not permitted"),
        ({"tasks": {"module": "x.y"}}, ("tasks", "module"), "not permitted"),
        (
            {"tasks": {"lstm": {}, "random_scaling": [0, 11]}},
            ("tasks", "random_scaling", 1),
            "less than or equal",
        ),
        (
            {"tasks": {"lstm": {}, "horizon": [50, 100]}},
            (),
            "tasks must have a horizon in multiples of the period",
        ),
        ({"tasks": {"lstm": {}}, "task": {}}, (), "tasks and task exclude each other"),
        ({"task": None}, (), "tasks and task exclude each other, and one of them must be given"),
    ],
)
def test_what_is_wrong_is_named(
    given: dict[str, Any], where: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValidationError) as error:
        MetaTrainingSpec.model_validate(given)
    (problem,) = error.value.errors()
    assert problem["loc"] == where
    assert message in problem["msg"]
