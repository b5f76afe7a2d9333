"""The commands of docs/ablations.md: each makes a valid job, and together they make the versions of
each figure."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path

from hyperadam.cli.specs import build_spec
from hyperadam.theta import Theta

from meta_trainer.evaluation.ablation import read_variants
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.suites import SUITES
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import make_rule

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ablations.md"
COMMANDS = [
    shlex.split(line) for line in PAGE.read_text().splitlines() if line.startswith("hyperadam ")
]


def trained() -> dict[str, Theta]:
    thetas = {}
    for command in COMMANDS:
        if command[1:3] == ["jobs", "submit"]:
            values = [value for flag, value in pairwise(command) if flag == "--set"]
            spec = MetaTrainingSpec.model_validate(
                build_spec(None, command[command.index("--preset") + 1], values)
            )
            made = {"spec": spec.model_dump(mode="json")}
            theta = Theta.from_vector(
                make_rule(spec.rule),
                make_initial_theta(spec),
                rate=spec.unroll.rate,
                provenance=made,
            )
            thetas[f"{spec.register_as}@latest"] = theta
    return thetas


def test_the_commands_make_the_versions_of_each_figure() -> None:
    thetas, labels = trained(), {}
    for command in COMMANDS:
        if command[1] == "evaluate":
            suite = SUITES[command[command.index("--suite") + 1]]
            chosen = {word: thetas[word] for word in command if "@" in word}
            labels[suite.name] = [
                variant.label for variant in read_variants(suite, chosen).values()
            ]
    assert labels == {
        "ablation-state": ["full", "no LSTM", "no preprocessing", "no LSTM and preprocessing"],
        "ablation-tricks": ["RS and CC", "RS", "CC", "neither RS nor CC"],
        "ablation-j": ["J = 5", "J = 20"],
    }
