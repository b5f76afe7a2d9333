"""RNNprop as a `torch.optim.Optimizer`."""

from __future__ import annotations

from typing import ClassVar

from hyperadam.optimizers.learned import LearnedOptimizer


class RNNprop(LearnedOptimizer):
    """An LSTM in every coordinate that reads what RMSProp and Adam would do and says the step.

    Lv, Jiang, Li: Learning gradient descent: better generalization and longer horizons, ICML 2017.
    In every coordinate, with Θ shared by all of them, each step is

        m  ← 0.95 m + 0.05 g,   v ← 0.95 v + 0.05 g²          (bias-corrected to m̂, v̂)
        x  = [g / (√v̂ + ε), m̂ / (√v̂ + ε)]
        d  = 0.1 · tanh(Linear(LSTM(LSTM(ELU(Linear(x))))))
        w  ← w − lr · d

    The equations in full, and how their signs go with the published code, are in
    `hyperadam.rules.rnnprop`.

    Example:
        >>> theta = hyperadam.pull("rnnprop@latest")
        >>> optimizer = hyperadam.RNNprop(model.parameters(), theta=theta)

    Args:
        params: parameters, named parameters or groups, as for any torch optimizer. A group may set
            `lr` and `weight_decay`.
        theta: what meta-training learned, by a job of rule `rnnprop`, such as the preset
            `rnnprop-paper`. None is the Θ `rnnprop-paper` of the package.
        lr: α; 1 is the published scale, at which no coordinate moves by more than 0.1 a step. None
            is the rate that Θ was trained with.
        weight_decay: decoupled; w ← w − lr_t · weight_decay · w; None is Θ's own.
        warmup_steps, decay_after, base_fan_in, least_fan_in, base_places: the schedule of `lr`, as
            in `HyperAdam`; None is Θ's own.
        state_dtype: None keeps the state in the dtype of computation, `torch.bfloat16` in half of
            float32's memory.

    Memory: 84 numbers a coordinate (336 bytes in float32) beside the gradient's buffer, Adam 2.
    Time: in plain torch, block by block. At a million parameters a step took 1.6 s of one core,
    fused Adam 1.6 ms, HyperAdam 0.22 s: it is here to be compared with.

    A coordinate whose gradient is 0 may still move, as published. Everything else that is common to
    learned optimizers (missing, sparse or non-finite gradients, mixed dtypes, checkpoints) is said
    in `LearnedOptimizer`.

    Raises:
        ValueError: Θ is of another kind; there are no parameters, or they are on several devices;
            or `lr`, `weight_decay`, a field of the schedule or `state_dtype` is out of range.
        TypeError: `theta` is not a `Theta`, or a parameter is of a dtype that is not optimized.
    """

    rule_kinds: ClassVar[frozenset[str]] = frozenset({"rnnprop"})
    default_theta: ClassVar[str] = "rnnprop-paper"
