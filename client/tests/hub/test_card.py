"""The model card: its header is what the Hub reads, and texts of others are nothing but text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import hyperadam
import pytest
from hyperadam.api.models import AttachedEvaluation, Version
from hyperadam.theta import Theta

huggingface_hub = pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")

from hyperadam.hub.card import write_card  # noqa: E402

NAME = "somebody/small"
SUMMARY: dict[str, Any] = {
    "settings": {
        "suite": "table1",
        "measure": "final loss",
        "quick": False,
        "dataset": "mnist",
        "horizon": 100,
        "n_starts": 20,
    },
    "tasks": {
        "relu": {
            "mean": 0.2351,
            "stderr": 0.004,
            "n_diverged": 0,
            "baseline": {"optimizer": "nadam", "mean": 0.2532, "difference": {"mean": -0.0181}},
            "verdict": "win",
        },
        "deep": {
            "mean": None,
            "stderr": None,
            "n_diverged": 3,
            "baseline": None,
            "verdict": None,
        },
    },
}


@pytest.fixture(scope="module")
def theta() -> Theta:
    return hyperadam.pretrained("hyperadam-v1")


def make_version(theta: Theta, *summaries: dict[str, Any]) -> Version:
    now = datetime.now(UTC)
    evaluations = tuple(
        AttachedEvaluation(job_id="job_1", evaluated_at=now, summary=summary)
        for summary in summaries
    )
    return Version(
        optimizer="small",
        number=1,
        sha256=theta.sha256,
        size_bytes=len(theta.to_bytes()),
        created_at=now,
        evaluations=evaluations,
    )


def test_results_are_in_the_header_and_in_a_table(theta: Theta) -> None:
    text = write_card(theta, NAME, version=make_version(theta, SUMMARY), license="mit")
    [result] = huggingface_hub.ModelCard(text).data.eval_results
    assert (result.task_name, result.metric_value) == ("table1/relu", 0.2351)
    assert (result.dataset_name, result.metric_name) == ("mnist", "final loss")
    assert "| `relu` | `0.2351 ± 0.004` | `0` | `0.2532 (nadam)` | `win` |" in text
    assert "| `deep` | `not finite ± not finite` | `3` |" in text


def test_without_evaluations_it_says_so(theta: Theta) -> None:
    text = write_card(theta, NAME)
    assert "No evaluation came with it." in text
    assert not huggingface_hub.ModelCard(text).data.eval_results


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [("hyperadam-v1", "HyperAdam"), ("rnnprop-paper", "RNNprop"), ("dm-paper", "DMOptimizer")],
)
def test_the_use_it_shows_is_of_the_class_that_runs_it(name: str, optimizer: str) -> None:
    text = write_card(hyperadam.pretrained(name), NAME)
    assert f"hyperadam.{optimizer}(model.parameters(), theta=theta)" in text


def test_how_it_was_made_comes_from_the_manifest(theta: Theta) -> None:
    text = write_card(theta, NAME)
    assert theta.provenance["job"] in text
    assert theta.provenance["parent"]["sha256"] in text
    assert "| `lr` | `0.01` |" in text


def test_texts_of_others_are_no_markdown(theta: Theta) -> None:
    hostile = "a`|<img src=x>\n---\n# heading \x1b[31m"
    marked = Theta(theta.rule, theta.tensors, theta.rate, {"job": hostile, "code": {"x": hostile}})
    summary = SUMMARY | {"tasks": {hostile: SUMMARY["tasks"]["relu"]}}
    text = write_card(marked, NAME, version=make_version(marked, summary))
    body = text.split("\n---\n", 1)[1]
    assert "\n# heading" not in body
    assert "\x1b" not in text
    assert "`a'/<img src=x> --- # heading `" in body


def test_a_version_of_another_theta_is_refused(theta: Theta) -> None:
    other = hyperadam.pretrained("dm-paper")
    with pytest.raises(ValueError, match=f"version is small@1, of the Θ {theta.sha256}"):
        other.push_to_hub(NAME, version=make_version(theta))
