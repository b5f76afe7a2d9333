"""What the learners of an evaluation are trained and tested on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from meta_trainer.datasets import Data, Dataset, load
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import SUITES
from meta_trainer.tasks import load_data


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Data of all tasks of a suite."""

    train: Mapping[str, Data]
    """By name."""
    test: Dataset | None = None
    """The test split, for suites that measure on it."""

    @classmethod
    def load(cls, spec: EvaluationSpec, data_dir: str | None = None) -> Self:
        """What the spec needs and no more.

        Raises:
            DatasetMissing: one is not in the data folder.
        """
        train = load_data([task.learner for task in spec.tasks], data_dir)
        has_test = SUITES[spec.suite].with_test
        return cls(train, load(spec.dataset, data_dir, "test") if has_test else None)

    @property
    def names(self) -> str:
        """For people."""
        return ", ".join(self.train)

    @property
    def fingerprint(self) -> str:
        """The data's own where it is one; else a digest of all."""
        fingerprints = [data.fingerprint for data in self.train.values()]
        if self.test is not None:
            fingerprints.append(self.test.fingerprint)
        if len(fingerprints) == 1:
            return fingerprints[0]
        return hashlib.sha256(" ".join(fingerprints).encode()).hexdigest()
