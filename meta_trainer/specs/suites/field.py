"""`field`: networks as people write them, after 300 and 2,000 steps.

One start of one optimizer takes about 40 seconds of a core for all twenty tasks at 300 steps, from
half a second (`mlp-16`) to 6 (`resnet-batch-norm`), and the final losses at 2,000 steps 7 times as
much. A rate takes some 11 runs of `adam` and 6 of `adamw-warmup-cosine` for each tuning start, more
where noise leaves the best open. So 300 steps with 2 starts, 1 tuning start, two Θ without their
starts and all baselines (2 × 8 + 17 runs) are half an hour of a core, and 2,000 steps at full size
(8 starts, 8 tuning starts, which settle on up to 32) are 1 to 2 days. A quick one takes seconds.
"""

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
