"""`field`: networks as people write them."""

from __future__ import annotations

from typing import Final, get_args

from meta_trainer.specs.baselines import FIELD_BASELINES
from meta_trainer.specs.field_tasks import (
    FieldImageNetwork,
    FieldImageTaskSpec,
    FieldNetwork,
    FieldTaskSpec,
)
from meta_trainer.specs.suites.base import Size, Suite, SuiteLearner, quick_size

_SMALL_BATCHES: Final = {"gpt-2": 16, "masked-language-model": 16, "lora": 16, "lstm": 16}

_ON_IMAGES: Final[dict[str, SuiteLearner]] = {
    name: FieldImageTaskSpec(network=name) for name in get_args(FieldImageNetwork)
}
_ON_MADE_UP_DATA: Final[dict[str, SuiteLearner]] = {
    name: FieldTaskSpec(network=name, batch_size=_SMALL_BATCHES.get(name, 64))
    for name in get_args(FieldNetwork)
}

FIELD: Final = Suite(
    name="field",
    title="Networks as people write them",
    learners={**_ON_IMAGES, **_ON_MADE_UP_DATA},
    also_at=(300,),
    may_decide=False,
    size=Size(horizon=2_000, n_starts=8, baselines=FIELD_BASELINES),
    quick=quick_size(),
)
