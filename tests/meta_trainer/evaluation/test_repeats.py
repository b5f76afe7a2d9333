"""Starts of a report, run once more: the same ends, or it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hyperadam
import pytest
from hyperadam.theta import Theta
from typer.testing import CliRunner

from meta_trainer.evaluation import EvaluationData, evaluate
from meta_trainer.evaluation.__main__ import app
from meta_trainer.evaluation.repeats import (
    Repetition,
    SampleError,
    SampleOfReport,
    read_sample,
)
from meta_trainer.evaluation.reporting.origin import Origin, describe_machine
from meta_trainer.evaluation.reporting.results import encode_results
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from tests.house.project import TOP

REPRODUCTION = TOP / "docs/reproduction"
PUBLISHED = [
    (name, task) for name, sample in read_sample(REPRODUCTION).items() for task in sample.tasks
]
NAME = "hyperadam-v1@1"
SMALL = {
    "optimizers": [NAME],
    "quick": True,
    "untrained": True,
    "learners": ["sigmoid"],
    "horizon": 1,
    "n_starts": 2,
    "n_tuning_starts": 1,
    "baselines": ["adam"],
}
SAMPLE = SampleOfReport(tasks=("sigmoid",), n_starts=2, tolerance=1e-4)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small report, and its sample."""
    spec = EvaluationSpec.model_validate(SMALL)
    theta = hyperadam.pretrained("hyperadam-v1")
    data = EvaluationData.load(spec)
    report = evaluate(spec, {NAME: theta}, data, InProcessRunner(), LogRecorder())
    origin = Origin(
        command="none",
        date="2026-11-29",
        thetas={NAME: theta.sha256},
        code={},
        machine=describe_machine(),
    )
    folder = tmp_path_factory.mktemp("results")
    (folder / "small").mkdir()
    (folder / "small/results.json").write_bytes(encode_results(report, origin))
    (folder / "sample.json").write_text(json.dumps({"small": SAMPLE.model_dump()}))
    return folder


def make_repetition(folder: Path, theta: Theta | None = None) -> Repetition:
    return Repetition(
        folder=folder,
        find_theta=lambda _: theta or hyperadam.pretrained("hyperadam-v1"),
        find_version=lambda _: None,
        load_data=EvaluationData.load,
    )


def test_what_every_claim_rests_on_ends_where_it_did(results: Path) -> None:
    assert read_sample(results) == {"small": SAMPLE}
    repeated = list(make_repetition(results).repeat("small", SAMPLE))
    assert [each.row.kind for each in repeated] == ["learned", "untrained", "baseline"]
    assert all(each.is_right for each in repeated)
    assert all(len(each.finals) == 2 for each in repeated)


def change_results(results: Path, folder: Path, change: Any) -> Path:
    content = json.loads((results / "small/results.json").read_bytes())
    change(content)
    (folder / "small").mkdir()
    (folder / "small/results.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("start", [0, 1])
def test_a_figure_that_was_changed_is_noticed(results: Path, tmp_path: Path, start: int) -> None:
    def worsen(content: Any) -> None:
        content["rows"][0]["finals"][start] *= 1.001

    folder = change_results(results, tmp_path, worsen)
    verdicts = [each.is_right for each in make_repetition(folder).repeat("small", SAMPLE)]
    assert verdicts == [False, True, True]


def test_a_start_that_diverges_on_one_side_alone_is_noticed(results: Path, tmp_path: Path) -> None:
    def diverge(content: Any) -> None:
        content["rows"][0]["finals"][1] = None

    folder = change_results(results, tmp_path, diverge)
    first = next(make_repetition(folder).repeat("small", SAMPLE))
    assert first.largest_difference == float("inf")
    assert not first.is_right


def test_another_theta_is_refused(results: Path) -> None:
    repetition = make_repetition(results, hyperadam.pretrained("hyperadam-v0"))
    with pytest.raises(SampleError, match="small: hyperadam-v1@1 is not the Θ"):
        list(repetition.repeat("small", SAMPLE))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [("tasks", ("tanh",), "tasks must be of sigmoid, got 'tanh'"), ("n_starts", 3, "at most 2")],
)
def test_a_sample_of_what_is_not_there_is_refused(
    results: Path, field: str, value: Any, told: str
) -> None:
    sample = SAMPLE.model_copy(update={field: value})
    with pytest.raises(SampleError, match=told):
        list(make_repetition(results).repeat("small", sample))


@pytest.mark.parametrize("text", ["{", "[]", '{"small": {"tasks": []}}'])
def test_a_file_that_is_no_sample_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "sample.json").write_text(text)
    with pytest.raises(SampleError, match=r"sample\.json"):
        read_sample(tmp_path)


def test_the_command_fails_where_a_start_ends_elsewhere(results: Path, tmp_path: Path) -> None:
    def worsen(content: Any) -> None:
        content["rows"][0]["finals"][0] *= 1.001

    runner = CliRunner()
    right = runner.invoke(app, ["repeat", str(results)])
    assert right.exit_code == 0, right.output
    assert f"small, sigmoid, {NAME}: as recorded on 2 starts" in right.output

    folder = change_results(results, tmp_path, worsen)
    (folder / "sample.json").write_bytes((results / "sample.json").read_bytes())
    wrong = runner.invoke(app, ["repeat", str(folder)])
    assert wrong.exit_code == 1
    assert f"small, sigmoid, {NAME}: NOT as recorded" in wrong.output


def test_what_there_is_no_data_for_is_told(results: Path, tmp_path: Path) -> None:
    def move_to_mnist(content: Any) -> None:
        content["spec"]["dataset"] = "mnist"

    folder = change_results(results, tmp_path, move_to_mnist)
    (folder / "sample.json").write_bytes((results / "sample.json").read_bytes())
    answer = CliRunner().invoke(app, ["repeat", str(folder), "--data-dir", str(tmp_path)])
    assert answer.exit_code == 0
    assert "small: NOT run again, for its data is not here: dataset 'mnist'" in answer.output


@pytest.mark.slow
def test_a_report_is_made_again_from_its_own_file(results: Path, tmp_path: Path) -> None:
    arguments = ["run", str(results / "small/results.json"), "--out", str(tmp_path)]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    recorded = json.loads((results / "small/results.json").read_bytes())
    again = json.loads((tmp_path / "results.json").read_bytes())
    assert again["rows"] == recorded["rows"]
    assert again["origin"]["thetas"] == recorded["origin"]["thetas"]
    assert again["origin"]["command"].startswith("python -m meta_trainer.evaluation run ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--theta", "x"], "must be NAME=FILE"),
        (["--theta", "x=missing.safetensors"], "missing.safetensors"),
        ([], "other@1 is none of"),
    ],
)
def test_a_command_that_cannot_run_says_why(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SMALL | {"optimizers": ["other@1"]}))
    answer = CliRunner().invoke(app, ["run", str(spec), "--out", str(tmp_path), *arguments])
    assert answer.exit_code != 0
    assert told in answer.output


@pytest.mark.slow
@pytest.mark.parametrize(("name", "task"), PUBLISHED)
def test_published_starts_end_where_they_did(name: str, task: str, data_dir: Path) -> None:
    """A sample of what README and model card quote, from the shipped Θ and the data."""
    repetition = Repetition(
        folder=REPRODUCTION,
        find_theta=lambda reference: hyperadam.pretrained(reference.partition("@")[0]),
        find_version=lambda _: None,
        load_data=lambda spec: EvaluationData.load(spec, str(data_dir)),
    )
    sample = read_sample(REPRODUCTION)[name].model_copy(update={"tasks": (task,)})
    wrong = [each for each in repetition.repeat(name, sample) if not each.is_right]
    assert wrong == []
