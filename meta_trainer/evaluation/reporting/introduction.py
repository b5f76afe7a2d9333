"""What is said above the tables of a report."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from hyperadam.rates import Rate

from meta_trainer.evaluation.report import Report, Row
from meta_trainer.specs.baselines import BASELINES, Baseline, UntunedBaseline


def write_introduction(report: Report) -> list[str]:
    """What was measured and how, a paragraph each."""
    seeds = f"Seed {report.spec.seed}; dataset sha256 {report.dataset_fingerprint[:16]}."
    if report.is_timing:
        return [_describe_timing(report), f"{_OF_TORCH} {seeds}"]
    texts = [_describe_losses(report), f"{_describe_rates(report)} {seeds}"]
    if report.has_untrained:
        texts.append(_UNTRAINED)
    for name, reason in report.unknown_starts.items():
        texts.append(f"What {name} was before meta-training is not known: {reason}.")
    return texts


_OF_TORCH: Final = (
    "Baselines are those of torch.optim as they come. The figures are of this machine."
)
_DEFINITION: Final = (
    "The final loss of a run is the mean loss at its last weights over all minibatches that it saw."
)
_AVERAGED: Final = (
    "The last weights of learned optimizers and of tuned baselines are an average of the newest of "
    "their run, η = {:g} (`hyperadam.averaging`)."
)
_VERDICTS: Final = (
    "A win or a loss is a paired difference of more than two standard errors, or a difference in "
    "how many starts diverge; everything else is a tie."
)
_SCHEDULED: Final = (
    "Scheduled baselines have the schedule of the learned optimizer beside them, and as AdamW and "
    "NAdam its decay."
)
_UNTRAINED: Final = (
    "What meta-training added is the difference to a Θ's own start, made again from its file: the "
    "better of that start at the same rate, and at an α tuned for each task."
)
_QUICK: Final = (
    "This is the quick size, with minibatches of 16: good only to see that everything works."
)


def _describe_timing(report: Report) -> str:
    spec = report.spec
    return (
        "Time per update once the gradient is there, on one thread: mean ± standard error over "
        f"{spec.n_starts} repeats of {spec.horizon} updates each, the optimizers in turn. "
        "Lowest in bold."
    )


def _describe_losses(report: Report) -> str:
    spec = report.spec
    horizons = sorted({task.horizon for task in spec.tasks})
    steps = " or ".join(map(str, horizons))
    measured = (
        f"Final loss after {steps} steps on {report.dataset}: mean ± standard error over "
        f"{spec.n_starts} random starts, the same starts and minibatches for every optimizer."
    )
    averaged = [_AVERAGED.format(spec.averaging)] if spec.averaging else []
    sentences = [measured, _DEFINITION, *averaged, "Lowest in bold.", _VERDICTS]
    if spec.quick:
        sentences.append(_QUICK)
    if spec.quick and report.suite.also_on:
        others = sorted({name for names in report.suite.also_on.values() for name in names})
        sentences.append(f"It leaves out {', '.join(others)}, which the full size runs on too.")
    return " ".join(sentences)


def _describe_rates(report: Report) -> str:
    spec = report.spec
    beside = ", and beside it at one tuned in the same way (“α tuned”)"
    tuning = (
        f"The rate of each baseline was tuned for each task on {spec.n_tuning_starts} other "
        "starts, and on up to four times as many where noise left the best open; learned "
        f"optimizers run at their own rate everywhere{beside if spec.tune_learned else ''}."
    )
    return " ".join([tuning, *_describe_others(report), *_describe_schedules(report)])


def _describe_others(report: Report) -> list[str]:
    """Baselines whose rates are not only a number: a sentence for those with a course, and one for
    those at their defaults."""
    baselines = {name: BASELINES.get(name) for name in report.optimizers}
    untuned = [
        name for name, baseline in baselines.items() if isinstance(baseline, UntunedBaseline)
    ]
    with_course = [
        name
        for name, baseline in baselines.items()
        if isinstance(baseline, Baseline) and baseline.course is not None
    ]
    sentences = []
    if with_course:
        names = ", ".join(with_course)
        sentences.append(
            f"The rate of {names} rises over 5 % of a run, and falls to 0 as a cosine."
        )
    if untuned:
        sentences.append(f"Not tuned, at their defaults: {', '.join(untuned)}.")
    return sentences


def _describe_schedules(report: Report) -> list[str]:
    """Whose rates change, by how much and when: a sentence for each knob that any has."""
    scheduled = {row.optimizer for row in report.rows if _takes_schedule(row)}
    sentences = [_SCHEDULED] if scheduled else []
    own_rates = {row.optimizer: row.rate for row in report.rows if _has_rate_of_its_own(row)}
    for knob in fields(Rate):
        template = knob.metadata.get("report", "").strip()
        numbers = {optimizer: getattr(rate, knob.name) for optimizer, rate in own_rates.items()}
        users = [f"{optimizer} ({number})" for optimizer, number in numbers.items() if number]
        if template and users:
            sentences.append(template.format(", ".join(users)))
    return sentences


def _takes_schedule(row: Row) -> bool:
    """Whether it is a baseline with the schedule of a Θ, whose name may stand behind its own."""
    if row.kind != "baseline":
        return False
    name, _, _ = row.optimizer.partition(" (")
    baseline = BASELINES.get(name)
    return isinstance(baseline, Baseline) and bool(baseline.takes)


def _has_rate_of_its_own(row: Row) -> bool:
    """Whether its schedule is no one else's."""
    if row.kind == "baseline":
        return not _takes_schedule(row)
    return row.kind == "learned" and row.tuned is None
