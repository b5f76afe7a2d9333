"""`all`: every other suite that applies to the given versions, each at its own size, in one report
with sections."""

from __future__ import annotations

from typing import Final

from meta_trainer.specs.suites.base import Size, Suite

ALL: Final = Suite(name="all", title="Every suite", learners={}, size=Size(), quick=Size())
"""Without learners of its own: see `EvaluationSpec.sections`."""
