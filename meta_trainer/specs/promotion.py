"""A promotion rule: the version that a job makes takes over an alias if it beats the version that
has it."""

from __future__ import annotations

from typing import Annotated, Final

from hyperadam.names import NAME_PATTERN, check_alias
from pydantic import AfterValidator, Field

from meta_trainer.specs.base import Seed, Spec
from meta_trainer.specs.evaluation import EvaluationSpec
from meta_trainer.specs.plain_words import describe_choice
from meta_trainer.specs.suites import SUITES

SUITES_OF_LOSSES: Final = tuple(
    name
    for name, suite in SUITES.items()
    if suite.measure == "final loss" and suite.learners and not suite.varied and suite.may_decide
)


def _check_suite(value: str) -> str:
    if value not in SUITES_OF_LOSSES:
        raise ValueError(describe_choice("suite", value, SUITES_OF_LOSSES))
    return value


class PromotionSpec(Spec):
    """Which alias, and what the new version must beat its present holder on; see
    `meta_trainer.driver.promotion`."""

    alias: Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(check_alias)] = "champion"
    """Of the optimizer that the job registers its version under."""
    if_better_on: Annotated[
        str, AfterValidator(_check_suite), Field(json_schema_extra={"enum": list(SUITES_OF_LOSSES)})
    ] = "table1"
    """The suite on which both versions are run, from the same starts and on the same
    minibatches."""
    quick: Annotated[bool, Field(strict=True)] = False
    """The suite's quick size; refused for a protected alias."""
    by_standard_errors: float = Field(default=2.0, ge=0, le=10)
    """How many standard errors (over starts) the mean difference must lie below zero."""
    seed: Seed = 1
    """Of the evaluation."""

    def evaluation(self, references: tuple[str, ...]) -> EvaluationSpec:
        """The evaluation that decides: the versions alone, without baselines."""
        fields = {
            "optimizers": references,
            "suite": self.if_better_on,
            "quick": self.quick,
            "baselines": (),
            "untrained": False,
            "seed": self.seed,
        }
        return EvaluationSpec.model_validate(fields)
