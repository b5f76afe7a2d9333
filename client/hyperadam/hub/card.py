"""The model card of a Θ: what is in the file, how it was made, and what evaluations found.

A card is Markdown below a header in YAML. The Hub reads license, tags and results from the header.
Everything in it comes from the manifest and from a version's evaluations; texts of theirs stand in
code spans, where they are nothing but text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from hyperadam.hub.repository import load_library
from hyperadam.plain_text import make_plain

if TYPE_CHECKING:
    from hyperadam.api.models import Version
    from hyperadam.theta import Theta

TAGS: Final = ("learned-optimizer", "meta-learning", "pytorch")
_CLASSES: Final = {"rnnprop": "RNNprop", "dm": "DMOptimizer"}
"""Kinds of rule that other classes than `HyperAdam` run."""


def write_card(
    theta: Theta,
    repo_id: str,
    *,
    version: Version | None = None,
    license: str | None = None,  # noqa: A002
) -> str:
    """The card of a repository.

    Args:
        repo_id: `owner/name`.
        version: has the evaluations; None: the card says that there are none.
        license: for the header.
    """
    summaries = [evaluation.summary for evaluation in version.evaluations] if version else []
    parts = [
        _write_header(theta, repo_id, summaries, license),
        f"# {repo_id.rpartition('/')[2]}\n",
        _describe_use(theta, repo_id),
        _describe_theta(theta),
        _describe_origin(theta),
        _describe_results(summaries),
    ]
    return "\n".join(parts)


def _write_header(
    theta: Theta, repo_id: str, summaries: Sequence[Mapping[str, Any]], license_name: str | None
) -> str:
    hub = load_library()
    data = hub.ModelCardData(
        library_name="hyperadam",
        license=license_name,
        tags=[*TAGS, theta.rule.kind],
        model_name=repo_id.rpartition("/")[2],
        eval_results=[hub.EvalResult(**result) for result in list_results(summaries)],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def list_results(summaries: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """What the header says of each task that has a finite mean."""
    for summary in summaries:
        settings = summary.get("settings", {})
        measure = str(settings.get("measure", "final loss"))
        for task, outcome in summary.get("tasks", {}).items():
            if outcome.get("mean") is None:
                continue
            yield {
                "task_type": "optimization",
                "task_name": f"{settings.get('suite')}/{task}",
                "dataset_type": str(settings.get("dataset")),
                "dataset_name": str(settings.get("dataset")),
                "metric_type": "loss",
                "metric_name": measure,
                "metric_value": outcome["mean"],
            }


def _describe_use(theta: Theta, repo_id: str) -> str:
    name = _CLASSES.get(theta.rule.kind, "HyperAdam")
    return f"""\
A learned optimizer for PyTorch: the numbers Θ of an update rule that was trained on training runs.

```python
import hyperadam  # pip install 'hyperadam[hub]'

theta = hyperadam.Theta.from_pretrained("{repo_id}")
optimizer = hyperadam.{name}(model.parameters(), theta=theta)
```
"""


def _describe_theta(theta: Theta) -> str:
    rows = {
        "rule": theta.rule.kind,
        "numbers": theta.rule.n_theta,
        **theta.rate.to_fields(),
        "sha256": theta.sha256,
    }
    return f"## What it is\n\n{_write_table(('field', 'value'), rows.items())}"


def _describe_origin(theta: Theta) -> str:
    """What the manifest says, one row a field; objects in it as `name=value`."""
    names = ("job", "parent", "continued_from", "datasets", "code", "metrics")
    found = {name: theta.provenance[name] for name in names if theta.provenance.get(name)}
    if not found:
        return "## How it was made\n\nIts manifest does not say.\n"
    return f"## How it was made\n\n{_write_table(('field', 'value'), found.items())}"


def _describe_results(summaries: Sequence[Mapping[str, Any]]) -> str:
    if not summaries:
        return "## Results\n\nNo evaluation came with it.\n"
    return "## Results\n\n" + "\n".join(map(_describe_evaluation, summaries))


def _describe_evaluation(summary: Mapping[str, Any]) -> str:
    settings = summary.get("settings", {})
    names = ("suite", "dataset", "n_starts", "horizon", "quick")
    said = ", ".join(f"{name} {_write_cell(settings.get(name))}" for name in names)
    head = ("task", settings.get("measure", "final loss"), "diverged", "best baseline", "verdict")
    rows = [_list_cells(task, outcome) for task, outcome in summary.get("tasks", {}).items()]
    return f"{said}:\n\n{_write_table(head, rows)}"


def _list_cells(task: str, outcome: Mapping[str, Any]) -> tuple[Any, ...]:
    baseline = outcome.get("baseline") or {}
    beside = f"{_write_number(baseline.get('mean'))} ({baseline.get('optimizer', 'none')})"
    reached = f"{_write_number(outcome.get('mean'))} ± {_write_number(outcome.get('stderr'))}"
    return task, reached, outcome.get("n_diverged"), beside, outcome.get("verdict")


def _write_table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head)]
    texts = [f"| {' | '.join(line)} |" for line in lines]
    texts += [f"| {' | '.join(map(_write_cell, row))} |" for row in rows]
    return "\n".join(texts) + "\n"


def _write_cell(value: Any) -> str:
    """As text that cannot be Markdown."""
    if isinstance(value, Mapping):
        return ", ".join(f"{_write_cell(name)} = {_write_cell(of)}" for name, of in value.items())
    plain = make_plain(str(value)).replace("\n", " ").replace("`", "'").replace("|", "/")
    return f"`{plain}`"


def _write_number(value: Any) -> str:
    return "not finite" if value is None else f"{value:.4g}"
