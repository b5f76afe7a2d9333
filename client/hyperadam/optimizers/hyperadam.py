"""HyperAdam as a `torch.optim.Optimizer`."""

from __future__ import annotations

from typing import ClassVar

from hyperadam.optimizers.learned import LearnedOptimizer
from hyperadam.shipped import DEFAULT


class HyperAdam(LearnedOptimizer):
    """J Adams with learned, state-dependent decay rates in every coordinate, mixed with learned
    weights.

    Wang, Sun, Xu: HyperAdam: A Learnable Task-Adaptive Adam for Network Training, AAAI
    2019, Algorithm 2. With g the gradients of all parameters as ONE flat vector and Θ shared by all
    its coordinates, each step is

        s        = StateCell(g / ‖g‖, s)         an LSTM: where in the training is this coordinate?
        β_j, γ_j = AdamCell(s, m)                decay rates of J Adams
        m_j      ← β_j m_j + (1 − β_j) g         bias-corrected to m̂_j
        v_j      ← γ_j v_j + (1 − γ_j) g²        bias-corrected to v̂_j
        ρ_j      = WeightCell(s)                 how far each Adam is trusted; may be negative
        d        = Σ_j ρ_j m̂_j / √(v̂_j + ε)
        w        ← w − lr_t · d                  lr_t: lr, warmed up and decayed (`hyperadam.rates`)

    The equations in full are in `hyperadam.rules.hyperadam`. A Θ of kind `hyperadam-tensor`, as the
    default is, has the three cells once for each tensor, and steps in proportion to a tensor's
    weights at its first step (`hyperadam.rules.hyperadam_tensor`): J + 1 numbers a coordinate, and
    lr is 1.

    Example:
        >>> import torch, hyperadam
        >>> model = torch.nn.Linear(3, 1)
        >>> inputs = torch.randn(64, 3)
        >>> targets = inputs @ torch.tensor([[1.0], [-2.0], [0.5]])
        >>> optimizer = hyperadam.HyperAdam(model.parameters())
        >>> losses = []
        >>> for _ in range(100):
        ...     optimizer.zero_grad()
        ...     loss = torch.nn.functional.mse_loss(model(inputs), targets)
        ...     loss.backward()
        ...     optimizer.step()
        ...     losses.append(loss.item())
        >>> losses[-1] < 0.1 * losses[0]
        True

    Args:
        params: parameters, named parameters or groups, as for any torch optimizer. A group may set
            `lr` and `weight_decay`; norms are over all groups together.
        theta: what meta-training learned; None is `hyperadam.pretrained()`.
        lr: α. Directions do not depend on the scale of the loss, so `lr` is a length per step, not
            tuned to the loss; None is the rate that Θ was trained with. Another is meant as a part
            of that: below a fortieth of it, a warning says so.
        total_steps: N, how many steps the run has, where you know it: the rate rises over the first
            part of them, `warmup_share`, and falls to 0 over the last, `rest`. Steps of the
            optimizer, not minibatches or epochs. Where you do not know it, measure an average of
            the weights (`hyperadam.PolynomialAverage`).
        weight_decay: λ, decoupled; w ← w − lr_t λ w, of matrices and kernels. Where lr is 1, a
            thousandth of what AdamW has beside a rate of 1e-3; what takes more than 0.5 % of the
            weights in a step is warned of. This and what follows: None is what Θ says, 0 none; a
            group may set its own; each group counts its own steps.
        warmup_steps: W, steps over which the rate rises to `lr`; where it is given, just so many.
        warmup_share: S; with `total_steps` the warm-up is over this part of them, the first, where
            that is more than Θ's W.
        decay_after: D, steps after which the rate falls as 1/√t. Under an LR scheduler that lets it
            fall, pass 0.
        rest: R; with `total_steps` the rate falls linearly to 0 over this part of them, the last.
        base_fan_in: F; weights of more inputs (columns of a matrix, channels times places of a
            kernel) have F / fan-in of the rate.
        least_fan_in: G; parameters of fewer inputs (biases and scales have 1) have fan-in / G of
            the rate.
        base_places: P; kernels of more places (nine of 3×3) have P / places of the rate.
        state_dtype: None keeps the state in the dtype of computation, `torch.bfloat16` in half of
            float32's memory.
        maximize: climb instead of descend; a group may set its own.
        skip_nonfinite: leave steps out whose gradient is not finite, instead of raising.
        normalize_gradients: the rule is told g / ‖g‖: a loss weight that changes in mid-run, as in
            curricula, changes nothing. Θ was trained without.

    Memory: J + 1 numbers a coordinate of kind `hyperadam-tensor` (J = 4: 20 bytes in float32, 10 in
    bfloat16); 6 J of kind `hyperadam` (J = 20: 480 bytes, and 240), beside the gradient's buffer.

    Where it differs from the paper: what the paper leaves open, or the published codes do otherwise
    (the place of ε, normalised states, RMS instead of Euclidean norms, …), is a field of the
    `HyperAdamSpec` that Θ carries, so that a Θ is run by the rule it was trained with. Schedule,
    weight decay and groups are added here.

    Works with LR schedulers and `torch.amp.GradScaler`. `OneCycleLR` and `CyclicLR` cycle the rate
    alone: Θ has learned its own momentum. What happens with missing, sparse or non-finite
    gradients, mixed dtypes and checkpoints is said in `LearnedOptimizer`.

    Raises:
        ValueError: Θ is of another kind; there are no parameters, or they are on several devices;
            or `lr`, `weight_decay`, `state_dtype` or a field of the schedule is out of range.
        TypeError: `theta` is not a `Theta`, or a parameter is of a dtype that is not optimized.
    """

    rule_kinds: ClassVar[frozenset[str]] = frozenset({"hyperadam", "hyperadam-tensor"})
    default_theta: ClassVar[str] = DEFAULT
