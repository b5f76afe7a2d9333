"""Where a report comes from: the command that made it, Θ, code, machine and date."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import torch

from meta_trainer.code_version import describe_code
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import ALL, SUITES

_CPU_INFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a second person needs to make the numbers again."""

    command: str
    date: str
    """As in 2026-11-29."""
    thetas: Mapping[str, str]
    """sha256 of the files of the learned optimizers, by their names."""
    code: Mapping[str, str]
    """Version, digest of the sources, and the libraries beneath them."""
    machine: Mapping[str, str]
    kernels: Mapping[str, str] = field(default_factory=dict)
    """What ran the learned optimizers, by name, and the baselines; empty in files from before."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**data)

    def list_facts(self) -> list[tuple[str, str]]:
        """For people, in their order."""
        facts = [("command", self.command), ("date", self.date)]
        facts += [(f"Θ {name}", f"sha256 {sha256}") for name, sha256 in self.thetas.items()]
        facts += [("code", _join(self.code)), ("machine", _join(self.machine))]
        if self.kernels:
            facts.append(("kernels", _join(self.kernels)))
        return facts


def describe_origin(command: str, thetas: Mapping[str, str], kernels: Mapping[str, str]) -> Origin:
    """Of what this process has made today.

    Args:
        thetas: sha256 of the files of the learned optimizers, by their names.
        kernels: as a report has them.
    """
    return Origin(
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        thetas=thetas,
        code=describe_code(),
        machine=describe_machine(),
        kernels=dict(kernels),
    )


def describe_machine() -> dict[str, str]:
    """What decides speed, and the last bits of losses."""
    return {
        "cpu": _read_cpu_model() or platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
    }


def write_command(spec: EvaluationSpec) -> str:
    """The shell command that asks for this evaluation: what differs from the suite's own size."""
    words = ["hyperadam", "evaluate", *spec.optimizers]
    if spec.suite != "table1":
        words += ["--suite", spec.suite]
    if spec.quick:
        words.append("--quick")
    for learner in spec.learners:
        words += ["--learner", learner]
    words += _write_size(spec)
    if spec.averaging:
        words += ["--averaging", f"{spec.averaging:g}"]
    if spec.tune_learned:
        words.append("--tune-learned")
    if spec.untrained == spec.quick and SUITES[spec.suite].measure == "final loss":
        words += ["--set", f"untrained={str(spec.untrained).lower()}"]
    if spec.seed != 1:
        words += ["--seed", str(spec.seed)]
    for knob, value in spec.rate.model_dump(exclude_none=True).items():
        words += ["--set", f"rate.{knob}={value}"]
    return shlex.join(words)


def _write_size(spec: EvaluationSpec) -> list[str]:
    suite = SUITES[spec.suite]
    if suite is ALL:
        return []
    size = suite.quick if spec.quick else suite.size
    options = {
        "--dataset": (spec.dataset, size.dataset),
        "--horizon": (spec.horizon, size.horizon),
        "--starts": (spec.n_starts, size.n_starts),
        "--tuning-starts": (spec.n_tuning_starts, size.n_tuning_starts),
    }
    words = []
    for option, (value, default) in options.items():
        if value != default:
            words += [option, str(value)]
    if spec.baselines != size.baselines:
        for baseline in spec.baselines:
            words += ["--baseline", baseline]
        if not spec.baselines:
            words += ["--set", "baselines=[]"]
    return words


def _read_cpu_model() -> str | None:
    """As Linux names it; None elsewhere."""
    if not _CPU_INFO.is_file():
        return None
    for line in _CPU_INFO.read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return None


def _join(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())
