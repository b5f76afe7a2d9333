"""What the learners of an evaluation are trained and tested on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from meta_trainer.datasets import Data, Dataset
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import SUITES
from meta_trainer.tasks import load_data, load_dataset
from registry import Registry


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Data of all tasks of a suite."""

    train: Mapping[str, Data]
    """By name."""
    test: Dataset | None = None
    """The test split, for suites that measure on it."""

    @classmethod
    def load(
        cls,
        spec: EvaluationSpec,
        data_dir: str | None = None,
        registry: Registry | None = None,
    ) -> Self:
        """What the spec needs and no more.

        Args:
            registry: that has the files of registered datasets.

        Raises:
            DatasetMissing: one is not in the data folder, or not registered.
        """
        train = load_data([task.learner for task in spec.tasks], data_dir, registry)
        if not SUITES[spec.suite].with_test:
            return cls(train)
        return cls(train, load_dataset(spec.dataset, data_dir, registry, "test"))

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
