"""DMoptimizer as a `torch.optim.Optimizer`."""

from __future__ import annotations

from typing import ClassVar

from hyperadam.optimizers.learned import LearnedOptimizer


class DMOptimizer(LearnedOptimizer):
    """An LSTM in every coordinate that reads the gradient and says the step.

    Andrychowicz et al.: Learning to learn by gradient descent by gradient descent, NIPS 2016. In
    every coordinate, with Θ shared by all of them, each step is

        x  = [log(max(|g|, e^−10)) / 10, clip(e^10 g, −1, 1)]
        d  = 0.1 · Linear(LSTM(LSTM(x)))
        w  ← w − lr · d

    The equations in full, and how their signs go with the published code, are in
    `hyperadam.rules.dm`. It is here for comparison: it is known not to carry over to learners and
    horizons other than those it was trained on.

    Example:
        >>> theta = hyperadam.pull("dm@latest")
        >>> optimizer = hyperadam.DMOptimizer(model.parameters(), theta=theta)

    Args:
        params: parameters, named parameters or groups, as for any torch optimizer. A group may set
            `lr` and `weight_decay`.
        theta: what meta-training learned, by a job of rule `dm`, such as the preset `dm-paper`.
            None is the Θ `dm-paper` of the package.
        lr: α; 1 is the published scale. None is the rate that Θ was trained with.
        weight_decay: decoupled; w ← w − lr_t · weight_decay · w; None is Θ's own.
        warmup_steps, decay_after, base_fan_in, least_fan_in, base_places: the schedule of `lr`, as
            in `HyperAdam`; None is Θ's own.
        state_dtype: None keeps the state in the dtype of computation, `torch.bfloat16` in half of
            float32's memory.

    Memory: 80 numbers a coordinate (320 bytes in float32) beside the gradient's buffer, Adam 2.
    Time: in plain torch, block by block. At a million parameters a step took 0.7 s of one core,
    fused Adam 1.6 ms, HyperAdam 0.22 s.

    A coordinate whose gradient is 0 may still move, as published. Everything else that is common to
    learned optimizers (missing, sparse or non-finite gradients, mixed dtypes, checkpoints) is said
    in `LearnedOptimizer`.

    Raises:
        ValueError: Θ is of another kind; there are no parameters, or they are on several devices;
            or `lr`, `weight_decay`, a field of the schedule or `state_dtype` is out of range.
        TypeError: `theta` is not a `Theta`, or a parameter is of a dtype that is not optimized.
    """

    rule_kinds: ClassVar[frozenset[str]] = frozenset({"dm"})
    default_theta: ClassVar[str] = "dm-paper"
