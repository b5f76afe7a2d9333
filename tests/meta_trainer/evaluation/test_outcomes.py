"""What became of starts is kept by content: an evaluation that was cut off runs the rest alone, the
next version runs no baseline, and neither says anything else than one that ran whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hyperadam.theta import Theta

from meta_trainer.evaluation import (
    EvaluationData,
    OutcomeCache,
    Report,
    TuningCache,
    content_cache,
    evaluate,
)
from meta_trainer.evaluation.cells import Outcome
from meta_trainer.recorder import LogRecorder
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.training.result import Stopped
from tests.meta_trainer.evaluation.conftest import evaluation_spec, files_of

CONTENT = {"task": {"stream": "relu"}, "starts": [0, 4]}
OUTCOME = Outcome(
    torch.tensor([0.5, torch.nan], dtype=torch.float64), torch.rand(3, 2).double(), torch.rand(2, 3)
)


def test_outcomes_are_kept_by_content_to_the_bit(tmp_path: Path) -> None:
    OutcomeCache(tmp_path / "outcomes").put(CONTENT, OUTCOME)
    again = OutcomeCache(tmp_path / "outcomes")
    found = again.get(dict(reversed(CONTENT.items())))
    assert found is not None
    for one, other in zip(found, OUTCOME, strict=True):
        assert one is not None
        assert other is not None
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    assert again.get({**CONTENT, "starts": [0, 5]}) is None


def test_one_without_a_test_split_has_none_afterwards(tmp_path: Path) -> None:
    OutcomeCache(tmp_path).put(CONTENT, OUTCOME._replace(test=None))
    found = OutcomeCache(tmp_path).get(CONTENT)
    assert found is not None
    assert found.test is None


def test_other_code_has_other_outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    OutcomeCache(tmp_path).put(CONTENT, OUTCOME)
    monkeypatch.setattr(
        "meta_trainer.evaluation.outcomes.fingerprint_code", lambda: "of another revision"
    )
    assert OutcomeCache(tmp_path).get(CONTENT) is None


def test_the_code_is_that_of_both_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line more in any of their files is other code; a file of bytecode is none."""

    def of(folder: Path) -> str:
        monkeypatch.setattr(content_cache.meta_trainer, "__path__", [str(folder)])
        return content_cache.fingerprint_code.__wrapped__()

    (tmp_path / "learners").mkdir()
    (tmp_path / "learners" / "mlp.py").write_text("a = 1\n")
    before = of(tmp_path)
    (tmp_path / "learners" / "mlp.pyc").write_text("bytes")
    assert of(tmp_path) == before
    (tmp_path / "learners" / "mlp.py").write_text("a = 2\n")
    assert of(tmp_path) != before


@pytest.mark.parametrize("damage", [b"", b"\x10\0\0\0\0\0\0\0{", "other tensors", "other shapes"])
def test_a_damaged_file_is_told_and_replaced(
    tmp_path: Path, damage: bytes | str, caplog: pytest.LogCaptureFixture
) -> None:
    from safetensors.torch import save

    OutcomeCache(tmp_path).put(CONTENT, OUTCOME)
    (file,) = tmp_path.iterdir()
    if damage == "other tensors":
        damage = save({"final_losses": torch.zeros(2)})
    elif damage == "other shapes":
        damage = save({"final_losses": torch.zeros(2), "curves": torch.zeros(3)})
    assert isinstance(damage, bytes)
    file.write_bytes(damage)
    cache = OutcomeCache(tmp_path)
    assert cache.get(CONTENT) is None
    assert "damaged" in caplog.text
    cache.put(CONTENT, OUTCOME)
    assert cache.get(CONTENT) is not None


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outcomes").write_text("a file stands where the folder should be")
    cache = OutcomeCache(tmp_path / "outcomes")
    cache.put(CONTENT, OUTCOME)
    assert "could not be kept" in caplog.text
    assert cache.get(CONTENT) is None


def test_without_a_folder_nothing_is_kept() -> None:
    cache = OutcomeCache()
    cache.put(CONTENT, OUTCOME)
    assert cache.get(CONTENT) is None


DATA = EvaluationData.load(evaluation_spec())


def run(
    spec: EvaluationSpec,
    thetas: dict[str, Theta],
    folder: Path,
    recorder: Any,
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    caches = TuningCache(folder / "tuned-rates"), OutcomeCache(folder / "outcomes")
    return evaluate(spec, thetas, DATA, InProcessRunner(), recorder, should_stop, *caches)


def cells(recorder: Any) -> list[str]:
    return [data["label"] for kind, data in recorder.events if kind == "cell"]


@pytest.mark.slow
@pytest.mark.parametrize("n_cells", [1, 8, 13])
def test_one_that_was_cut_off_goes_on_where_it_was(
    tmp_path: Path, tiny_spec: EvaluationSpec, theta: Theta, recorder: Any, n_cells: int
) -> None:
    """After the first tuning, after the last, and amid the runs of learned optimizers and
    baselines."""
    thetas = {"hyperadam@1": theta}
    whole = files_of(evaluate(tiny_spec, thetas, DATA, InProcessRunner(), recorder))
    all_cells = cells(recorder)
    recorder.events.clear()
    with pytest.raises(Stopped):
        run(tiny_spec, thetas, tmp_path, recorder, lambda: len(cells(recorder)) >= n_cells)
    first = cells(recorder)
    recorder.events.clear()
    assert files_of(run(tiny_spec, thetas, tmp_path, recorder)) == whole
    assert first == all_cells[:n_cells]
    assert cells(recorder) == all_cells[n_cells:]
    assert recorder.series("progress")[len(all_cells) - n_cells] == 1.0


@pytest.mark.slow
def test_the_next_version_runs_alone(
    tmp_path: Path, tiny_spec: EvaluationSpec, theta: Theta, recorder: Any
) -> None:
    run(tiny_spec, {"hyperadam@1": theta}, tmp_path, LogRecorder())
    other = Theta(
        theta.rule,
        {**theta.tensors, "weight_cell.bias": theta.tensors["weight_cell.bias"] + 0.1},
        theta.rate,
    )
    versions = {"hyperadam@1": theta, "hyperadam@2": other}
    spec = evaluation_spec(optimizers=list(versions))
    found = run(spec, versions, tmp_path, recorder)
    assert set(cells(recorder)) == {f"{task.name}: hyperadam@2" for task in spec.tasks}
    anew = evaluate(
        spec,
        versions,
        DATA,
        InProcessRunner(),
        LogRecorder(),
        cache=TuningCache(tmp_path / "tuned-rates"),
    )
    assert json.loads(files_of(found)["result.json"]) == json.loads(files_of(anew)["result.json"])


@pytest.mark.slow
def test_another_rate_of_the_same_theta_is_another_run(
    tmp_path: Path, tiny_spec: EvaluationSpec, theta: Theta, recorder: Any
) -> None:
    before = run(tiny_spec, {"hyperadam@1": theta}, tmp_path, LogRecorder())
    after = run(evaluation_spec(warmup_steps=3), {"hyperadam@1": theta}, tmp_path, recorder)
    assert set(cells(recorder)) == {f"{task.name}: hyperadam@1" for task in tiny_spec.tasks}
    assert not torch.equal(before.rows[0].finals, after.rows[0].finals)
    assert torch.equal(before.rows[1].finals, after.rows[1].finals)
