"""What all learned optimizers share: a rule with its Θ as a `torch.optim.Optimizer`.

Here is what torch's users meet: arguments, groups, state dicts, refusals. What a step does is in
`hyperadam.optimizers.parameter_stepper`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, ClassVar, Unpack, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from hyperadam.optimizers.arithmetic import exact_arithmetic
from hyperadam.optimizers.checkpoint import (
    DIGEST,
    copy_entries,
    find_theta,
    read_state,
    warn_of_another_theta,
)
from hyperadam.optimizers.checks import (
    check_dtypes,
    check_group,
    check_in_memory,
    check_strided,
    check_theta,
    find_trainable,
)
from hyperadam.optimizers.flat import one_device
from hyperadam.optimizers.groups import (
    check_loaded_groups,
    find_total_steps,
    read_rate,
)
from hyperadam.optimizers.habits import (
    refuse_module,
    warn_of_lost_decay,
    warn_of_strong_decay,
)
from hyperadam.optimizers.insight import TensorInsight, inspect_tensors
from hyperadam.optimizers.parameter_stepper import ParameterStepper
from hyperadam.optimizers.shards import (
    check_known,
    check_not_flattened,
    check_sees_all,
    count_dimensions,
    find_others,
)
from hyperadam.rates import KNOBS, RateKnobs, complete_changes
from hyperadam.shipped import pretrained
from hyperadam.theta import Theta


class LearnedOptimizer(Optimizer):
    """Runs a Θ over one flat vector of all parameters with gradients.

        d, state = update(Θ, g, state)
        w ← (1 − lr_t · weight_decay) w − lr_t · share(w) · d

    Abstract; a subclass says which kinds of rule it runs and which Θ is its default. All behave
    alike:

    - **Missing gradients.** A parameter whose `grad` is None is left out of the step: it does not
      move or decay, has no part in norms, and keeps its state.
    - **Gradients that are not finite** (or whose squared norm overflows the dtype of computation)
      raise `FloatingPointError` before anything is changed. Norms join all coordinates: one NaN,
      passed on as other optimizers do, would at once be in the state of every coordinate, for good.
      With `skip_nonfinite=True` the step is left out, and `n_skipped_steps` counts it;
      `torch.amp.GradScaler` skips such steps by itself. The check is one norm.
    - **Loss weights.** Directions do not depend on the loss's scale, but first moments remember
      gradients of before: where it falls to a thousandth in mid-run, steps follow those for a
      while. With `normalize_gradients=True`, which divides each by its norm, no weight matters.
    - **Dtypes.** Parameters may be float32, float64, bfloat16 or float16, also mixed; of complex
      ones the parts are coordinates, as in torch's own. State and computation are float64 if any
      that is trained is, else float32; only w is rounded to the parameter's dtype. With
      `state_dtype=torch.bfloat16` the state alone is in bfloat16, half the memory, and rounded to
      nearest after every step. Checkpoints load into either.
    - **State.** `state[parameter]` holds the rule's fields as tensors of shape
      (·, *parameter.shape), (·, *parameter.shape, 2) of a complex one, or (·, 1) where a rule has
      one number a parameter. They may be changed, replaced and cleared, and others may keep entries
      beside them. Between steps over the same parameters they are the same tensors.
    - **Checkpoints.** `state_dict` is per parameter, as torch's, and continuation from it is
      bit-equal. It carries the digest of Θ, in each group too, and is not loaded into an optimizer
      that was given another Θ. One that was given none goes on with the Θ of the state dict, if
      that comes with the package, and says so: another release may have another default.
    - **Contexts.** A step is the same inside `torch.autocast`, `torch.compile`, or under another
      default device.
    - **Processes.** Under FSDP2 and tensor parallelism (DTensors) norms are over all processes,
      what shapes say is read from whole shapes, and the state lies as the parameters do; torch's
      `ZeroRedundancyOptimizer` and `DistributedDataParallel` are right as they are. Flat shards
      (FSDP1, DeepSpeed's ZeRO) are refused: they show no shapes.
    - **Frozen parameters** (`requires_grad=False`) may be of any dtype, on any device.
    - **Rate.** At the t-th step of a group its rate is lr_t = lr min(1, (t + 1) / W)
      √min(1, D / (t + 1)), with its `warmup_steps` W and its `decay_after` D. A parameter has a
      share of it by its shape (`base_fan_in`, …: `hyperadam.rates`). By default all are Θ's own; 0
      turns each off. A scheduler goes on top, as one warning says: `effective_lr(group)` has all.
    - **Length of the run.** Told its `total_steps` N, a group warms up over S N of them where that
      is more than W (`warmup_share` S), and comes to rest over the last R N (`rest` R): lr_t is
      also times min(1, (N − t) / (R N)) / (1 − R / 2), so that it goes as far in all.
    - **Weight decay** is decoupled, as AdamW's; by default Θ's own. Unlike AdamW's it leaves
      vectors (biases, scales) and rows of matrices without a gradient (embeddings of what was not
      seen) as they are; a group with `decay_all=True` decays as a whole.
    - **Layouts** are read from shapes (`hyperadam.shapes`); a group with `transposed=True` has
      weights that are stored (in, out, …), as transposed convolutions and GPT-2's `Conv1D` do,
      and one with a `role` ('vector', 'matrix', 'stack', 'kernel') says what its parameters are. A
      rule with its cells a tensor reads them when a parameter's state begins.
    - **New groups** (`add_param_group`) start from the rule's first state, with a warm-up of their
      own, and come to rest with the first group.
    """

    rule_kinds: ClassVar[frozenset[str]]
    """Kinds of rule that the class runs."""
    default_theta: ClassVar[str]
    """Name of the pretrained Θ that is taken when none is given."""

    def __init__(
        self,
        params: ParamsT,
        theta: Theta | None = None,
        lr: float | Tensor | None = None,
        *,
        total_steps: int | None = None,
        state_dtype: torch.dtype | None = None,
        maximize: bool = False,
        skip_nonfinite: bool = False,
        normalize_gradients: bool = False,
        **knobs: Unpack[RateKnobs],
    ) -> None:
        if state_dtype not in (None, torch.bfloat16):
            raise ValueError(f"state_dtype must be None or torch.bfloat16, got {state_dtype!r}")
        self._state_dtype = state_dtype
        self._skip_nonfinite = skip_nonfinite
        self._normalize_gradients = normalize_gradients
        self._theta = pretrained(self.default_theta) if theta is None else theta
        self._is_given = theta is not None
        check_theta(self._theta, self.rule_kinds, type(self).__name__)
        refuse_module(params)
        self._n_skipped_steps = 0

        self._n_dimensions: list[int] = []
        groups: Any = params if isinstance(params, Tensor) else list(params)
        others = {
            "n_steps": 0,
            "total_steps": total_steps or 0,
            # Nothing reads it: Θ has learned its own. Schedulers that cycle one write to it.
            "momentum": 0.0,
            "maximize": maximize,
            "decay_all": False,
            "transposed": False,
            "role": None,
            DIGEST: self._theta.sha256,
        }
        self._rate_changes = self._find_changes(lr, knobs)
        super().__init__(groups, {**self._theta.rate.to_fields(), **self._rate_changes, **others})
        self._open_run()
        if knobs.get("weight_decay") is None:
            warn_of_lost_decay(groups, self._theta.rate.weight_decay)
        self._stepper.watch.see_new(self.param_groups)
        warn_of_strong_decay(self.param_groups, self._theta.rate.weight_decay)

    def _open_run(self) -> None:
        """What is not carried from process to process, and not there while groups are added that
        the optimizer begins with."""
        others = find_others()
        check_sees_all(self._theta.rule, others, type(self).__name__)
        self._stepper = ParameterStepper(
            self._theta,
            self._state_dtype,
            others,
            normalize_gradients=self._normalize_gradients,
        )

    @property
    def _is_open(self) -> bool:
        return "_stepper" in self.__dict__

    @property
    def theta(self) -> Theta:
        """The Θ that is run."""
        return self._theta

    @property
    def n_skipped_steps(self) -> int:
        """How many steps were left out because a gradient was not finite, with
        `skip_nonfinite`."""
        return self._n_skipped_steps

    def effective_lr(self, group: Mapping[str, Any]) -> float:
        """α_t of a group's next step: its `lr` times Θ's schedule, before shares by shape.

        Args:
            group: one of `param_groups`.
        """
        return read_rate(group).at(group["n_steps"])

    def inspect(self) -> list[TensorInsight]:
        """What is being done to each tensor: its step relative to its scale, the weights of the
        mixture and the decay rates, of the state as it is; see `TensorInsight`.

        About as slow as a step in plain torch. All processes with parts of parameters must call it.
        """
        return inspect_tensors(self.param_groups, self.state, self._theta)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move the parameters once.

        Args:
            closure: reevaluates the model with gradients and returns the loss, which is then
                returned from here.

        Raises:
            RuntimeError: a gradient is sparse, or a parameter is on the meta device.
            FloatingPointError: a gradient is not finite; nothing was changed.
            ValueError: the parameters are on several devices, or what stands in `state` is not a
                state of the rule's.
            TypeError: a parameter is of a dtype that is not optimized.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = [parameter for parameter in self._parameters() if parameter.grad is not None]
        if moving or not self._stepper.steps_alone:
            self._step(moving)
        else:
            check_in_memory(self._parameters(), type(self).__name__)
        return loss

    def _step(self, moving: list[Tensor]) -> None:
        name = type(self).__name__
        check_strided([parameter.grad for parameter in moving if parameter.grad is not None], name)
        if is_new := not self._stepper.is_prepared(moving, self.param_groups):
            check_dtypes(moving, name)
            check_known(moving, name)
            if moving:
                one_device(moving)
            check_in_memory(self._parameters(), name)
            check_not_flattened(self.param_groups, self._n_dimensions, name)
        device = moving[0].device if moving else torch.get_default_device()
        try:
            with exact_arithmetic(device):
                if is_new:
                    self._stepper.prepare(moving, self.param_groups)
                self._stepper.step(moving, self.param_groups, self.state)
        except FloatingPointError:
            if not self._skip_nonfinite:
                raise
            self._n_skipped_steps += 1

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with a `lr`, `weight_decay` and schedule of their own if given; their
        state starts from zero, and they come to rest when the first group does. An `lr` that is far
        from Θ's own, and a `weight_decay` that takes much of the weights, are warned of, as the
        constructor's.

        Raises:
            ValueError: `lr` is not a finite number of at least 0, a field of the schedule is no
                number in its range (`hyperadam.rates`), its `role` is none that its parameters
                can have, a parameter has no shape yet, or the devices differ.
            TypeError: a parameter is of a dtype that is not optimized.
        """
        given = set(param_group)
        param_group.update(complete_changes(param_group))
        if self._is_open:
            param_group.setdefault("total_steps", find_total_steps(self.param_groups))
        super().add_param_group(param_group)
        self.param_groups[-1][DIGEST] = self._theta.sha256
        try:
            check_group(self.param_groups[-1], type(self).__name__)
            trainable = find_trainable(self._parameters())
            check_known(trainable, type(self).__name__)
            if trainable:
                one_device(trainable)
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise
        self._n_dimensions.append(count_dimensions(self.param_groups[-1]))
        if not self._is_open:
            return
        if "lr" in given:
            self._stepper.watch.see_new(self.param_groups[-1:])
        if given & {"lr", "weight_decay"}:
            warn_of_strong_decay(self.param_groups[-1:], self._theta.rate.weight_decay)

    def state_dict(self) -> dict[str, Any]:
        """As torch's, with `theta_sha256` beside `state` and `param_groups`; loads with
        `weights_only=True`.

        The state in it is a copy: later steps do not change it.
        """
        packed = super().state_dict()
        return packed | {"state": copy_entries(packed["state"]), DIGEST: self._theta.sha256}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave, bit for bit. If it is refused, nothing has changed.

        An optimizer that was made without a `theta` goes on with that of the state dict, if it
        comes with the package, with a warning.

        Raises:
            ValueError: it comes from another Θ; its groups, fields or shapes are not those of this
                optimizer; or it has numbers that no optimizer leaves.
        """
        state: defaultdict[Any, Any] = defaultdict(dict)

        # The state goes past torch's loader, which would round it to the dtype of the parameters:
        # it is read after all hooks that come before loading, and put before all that come after.
        own = self._theta
        theta = own

        def read_entries(_: Optimizer, loaded: dict[str, Any]) -> dict[str, Any]:
            nonlocal theta
            theta = self._find_theta(loaded)
            check_loaded_groups(loaded["param_groups"])
            state.update(read_state(loaded, theta.rule, self._parameters()))
            return {**loaded, "state": {}}

        def put_entries(_: Optimizer) -> None:
            if theta is not own:
                self._take_theta(theta)
            self.state = state

        before = self.register_load_state_dict_pre_hook(read_entries)
        after = self.register_load_state_dict_post_hook(put_entries, prepend=True)
        with before, after:
            super().load_state_dict(state_dict)
        if theta is not own:
            warn_of_another_theta(theta, own)

    def _find_theta(self, loaded: dict[str, Any]) -> Theta:
        theta = find_theta(loaded, self._theta, () if self._is_given else self.rule_kinds)
        if theta is not self._theta:
            check_sees_all(theta.rule, find_others(), type(self).__name__)
        return theta

    def _take_theta(self, theta: Theta) -> None:
        """Run another one from now on; the groups have its rate already."""
        self._theta = theta
        self._open_run()
        self.defaults |= theta.rate.to_fields() | self._rate_changes | {DIGEST: theta.sha256}
        for group in self.param_groups:
            group[DIGEST] = theta.sha256

    def __getstate__(self) -> dict[str, Any]:
        own = (
            "_theta",
            "_is_given",
            "_rate_changes",
            "_state_dtype",
            "_skip_nonfinite",
            "_normalize_gradients",
            "_n_dimensions",
        )
        return super().__getstate__() | {name: getattr(self, name) for name in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        younger = {"_normalize_gradients": False, "_is_given": True, "_rate_changes": {}}
        for name, value in younger.items():
            self.__dict__.setdefault(name, value)
        if self._is_open:
            self._stepper.forget_state()
        else:
            self._open_run()
            self._n_skipped_steps = 0
        # What is younger than a checkpoint is as it was before: it began so.
        fields: dict[str, Any] = dict.fromkeys((*KNOBS, "n_steps", "total_steps"), 0)
        fields |= {"maximize": False, "decay_all": True, "transposed": False, "role": None}
        for group in self.param_groups:
            for name, value in fields.items():
                group.setdefault(name, value)
            group[DIGEST] = self._theta.sha256

    def _parameters(self) -> Iterator[Tensor]:
        return chain.from_iterable(group["params"] for group in self.param_groups)

    def _find_changes(self, lr: float | Tensor | None, knobs: RateKnobs) -> dict[str, Any]:
        """The fields that were given in place of those of Θ's own rate."""
        unknown = sorted(set(knobs) - set(KNOBS))
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no argument {unknown[0]!r}: leave it out, Θ says how "
                f"gradients are used; of the rate there are lr, {', '.join(KNOBS)}"
            )
        changes = complete_changes({"lr": lr, **knobs}).items()
        return {name: value for name, value in changes if value is not None}
