"""The contract of an update rule.

A rule is two pure functions over a NamedTuple state: `init_state` and `update`. It does no I/O,
moves nothing between devices and draws no random numbers (except in `init_theta`, from the
generator it is given). The very same object is meta-trained by the service and run inside
`torch.optim.Optimizer` subclasses: there is no second copy.

Notation, used by every rule: `p` coordinates of the learner in one flat vector, `*batch` any
leading dimensions (several learners side by side), `J` candidates. Fields of a state are
candidate-major, `(J, *batch, p)`: a linear layer is one matrix product `W @ x` over all coordinates
of all learners, and a norm over the coordinates of one learner is a reduction over contiguous
memory. So that an optimizer can cut a state into its parameters and join it again, the last
dimension of every field is p, or, in a rule's `per_tensor_fields`, the number of parameters. No
field may be the gradient that was passed in, whose memory is reused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor

StateT = TypeVar("StateT", bound=tuple[Any, ...])
Tensors = Mapping[str, Tensor]
Shapes = Sequence[Sequence[int]]
"""Of parameters that lie one after the other in p coordinates."""


class CoordinateSums(Protocol):
    """Sums over coordinates of which others have some, as processes that share a model do."""

    def sum(self, x: Tensor) -> Tensor:
        """Over all coordinates; from (*batch, p) to (*batch, 1)."""

    def mean(self, x: Tensor) -> Tensor:
        """The same, over how many there are."""


class RuleError(ValueError):
    """A rule's spec, Θ or state is not one that the rule can run.

    Args:
        message: a sentence for people.
        field: the field of the spec that is to blame; "" where none is.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Insight(NamedTuple):
    """What a rule says of a state as it is, between two steps.

    Decay rates and weights of the mixture are of each coordinate (k = p) or of each tensor; None
    where a rule has none.
    """

    direction: Tensor
    """d, of the moments and cells of the state; shape (p,)."""
    mixture: Tensor | None = None
    """ρ, how much each candidate counts; shape (J, k)."""
    beta: Tensor | None = None
    """Decay rates of first moments; shape (J, k)."""
    gamma: Tensor | None = None
    """Decay rates of second moments; shape (J, k), or (1, k) where there is one."""


class Rule(ABC, Generic[StateT]):
    """A learned update rule: `d, state' = update(Θ, g, state)`, then `w ← w − α d`.

    The first field of a state is one with a number a coordinate: its dtype is what the state is
    stored in.

    Subclasses are final, immutable, and made from a frozen spec that says every choice on which
    published codes differ.
    """

    kind: ClassVar[str]
    """Name of the rule in specs and Θ files."""
    per_tensor_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields of the state with one number a parameter, not one a coordinate."""
    mean_fields: ClassVar[frozenset[str]] = frozenset()
    """Of these, the means over a parameter's coordinates."""
    joins_parameters: ClassVar[bool] = False
    """Whether what becomes of a parameter depends on the gradients of others."""
    non_negative_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields of the state whose numbers are 0 or more after any steps."""

    @property
    @abstractmethod
    def inits(self) -> tuple[str, ...]:
        """Names of the initialisations that this rule has; the recommended one first."""

    @property
    @abstractmethod
    def spec(self) -> Any:
        """The frozen dataclass that this rule was made from; `rule_from_spec(asdict(spec))` gives
        the rule back."""

    @property
    @abstractmethod
    def theta_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of every tensor of Θ, in the order of the flat vector."""

    @abstractmethod
    def init_theta(self, generator: torch.Generator, init: str) -> dict[str, Tensor]:
        """A fresh Θ in float64, drawn from `generator`; `init` names one of the rule's
        initialisations."""

    def widen_theta(self, theta: Tensors) -> dict[str, Tensor]:
        """Θ for this rule of that of one with fewer features: it does what it did.

        Args:
            theta: the tensors of the other rule.
        """
        return dict(theta)

    @abstractmethod
    def init_state(self, w: Tensor, shapes: Shapes | None = None) -> StateT:
        """The state before the first step. Fields with a number a coordinate are 0.

        Args:
            w: the weights at the start, shape `(*batch, p)`; the state has its device and dtype.
            shapes: of the parameters in the p coordinates; None: all are one vector.
        """

    def begin_tensors(
        self,
        square_means: Tensor,  # noqa: ARG002  shape: (1, *batch, k)
        shapes: Shapes,  # noqa: ARG002
        lengths: Sequence[int],  # noqa: ARG002
    ) -> dict[str, Tensor]:
        """The `per_tensor_fields` of the state before the first step, of the k parameters of a
        network.

        Args:
            square_means: of their weights' squares; gives dtype and device.
            shapes: of the parameters.
            lengths: how many coordinates each has: two of each number that is complex.
        """
        return {}

    def with_lengths(self, state: StateT, lengths: Sequence[int]) -> StateT:  # noqa: ARG002
        """The state of parameters of which so many coordinates are in its p, not all of them."""
        return state

    def with_sums(self, sums: CoordinateSums) -> Self:  # noqa: ARG002
        """The same rule over coordinates of which others have some; itself where no coordinate
        depends on another."""
        return self

    @abstractmethod
    def update(self, theta: Tensors, gradient: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """One step.

        Args:
            theta: the tensors of Θ, of the state's dtype.
            gradient: shape `(*batch, p)`; a constant of the step (first order: nothing is
                propagated into it).
            state: the state of the step before.

        Returns:
            The direction `d`, shape `(*batch, p)`, and the new state. Differentiable in `theta` and
            `state`.
        """

    def look_inside(self, theta: Tensors, state: StateT) -> Insight | None:  # noqa: ARG002
        """What Θ makes of a state, without a new gradient; None of rules that do not say.

        Args:
            theta: the tensors of Θ, of the state's dtype.
            state: one learner's, after at least one step; it is not changed.
        """
        return None

    @cached_property
    def state_fields(self) -> tuple[str, ...]:
        """Names of the fields of a state."""
        fields: tuple[str, ...] = self.init_state(torch.empty(1, device="meta"))._fields  # type: ignore[attr-defined]
        return fields

    @property
    def is_pointwise(self) -> bool:
        """Whether no coordinate depends on another, so that some may be stepped without the
        others."""
        return not (self.joins_parameters or self.per_tensor_fields)

    @property
    def sees_network(self) -> bool:
        """Whether a parameter's state begins with what is known of the network's others."""
        return False

    @property
    def stands_still(self) -> bool:
        """Whether d is 0 in every coordinate whose gradient is exactly 0, whatever its state."""
        return False

    @property
    def log_length(self) -> str | None:
        """Name of Θ's tensor whose numbers are the logarithms of lengths of steps; None: α alone
        says how long a step is."""
        return None

    @property
    def direction_bound(self) -> float:
        """b, where |d| ≤ b in every coordinate; 0: there is no bound."""
        return 0.0

    def cast_state(self, state: StateT, dtype: torch.dtype) -> StateT:
        """The state as it is stored in `dtype`; itself where it is.

        Fields with one number a parameter cost nothing, and stay as exact as they are.
        """
        fields: dict[str, Tensor] = state._asdict()  # type: ignore[attr-defined]
        cast = [
            field if name in self.per_tensor_fields else field.to(dtype)
            for name, field in fields.items()
        ]
        return type(state)(*cast)

    @property
    def n_theta(self) -> int:
        """How many numbers Θ has."""
        return sum(prod(shape) for shape in self.theta_shapes.values())

    def pack(self, theta: Tensors) -> Tensor:
        """Θ as one flat vector, shape `(n_theta,)`."""
        return torch.cat([theta[name].reshape(-1) for name in self.theta_shapes])

    def unpack(self, vector: Tensor) -> dict[str, Tensor]:
        """Views into a flat Θ of shape `(n_theta,)`; gradients flow back into the vector."""
        if vector.shape != (self.n_theta,):
            raise RuleError(
                f"theta has shape {tuple(vector.shape)}; rule {self.kind!r} needs ({self.n_theta},)"
            )

        shapes = self.theta_shapes
        parts = vector.split([prod(shape) for shape in shapes.values()])
        theta: dict[str, Tensor] = {}
        for name, part in zip(shapes, parts, strict=True):
            theta[name] = part.view(shapes[name])
        return theta
