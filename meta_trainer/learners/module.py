"""Any `torch.nn.Module` as a learner, through `torch.func`: for Python, never over REST."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from meta_trainer.learners.base import Learner, Shapes, scale_rows

Loss = Callable[[Tensor, Tensor], Tensor]
"""(output of the module, targets) of one minibatch → its mean loss, a scalar."""


class ModuleLearner(Learner):
    """L copies of a module side by side, each with its own parameters and minibatch.

    The start is the module's own: `make` is called once for every learner, under that learner's
    seed. Coordinates stand in the order of `named_parameters`. Buffers are constants, so a module
    that changes one when it is called (batch norm with running statistics) is refused;
    `torch.func.replace_all_batch_norm_modules_` makes it acceptable.

    Modules run together through `vmap`. With `together=False` they run one by one instead, for
    which any operation will do, and which a CPU is often faster at. So they do with `random=True`,
    for dropout and its like, each under a seed drawn for (learner, step), so that runs are paired
    and can be repeated.

    Example:
        >>> def make():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1))
        >>> ModuleLearner(make, nn.functional.mse_loss)
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        loss: Loss,
        *,
        random: bool = False,
        together: bool = True,
    ) -> None:
        """
        Args:
            make: makes a module in the mode in which it shall be trained; its parameters are cast
                to a run's dtype.
            loss: see `Loss`.
            random: whether the module draws random numbers when it is called.
            together: whether learners that are not random run as one.

        Raises:
            ValueError: the module has a part that its docstring excludes.
        """
        self._make = make
        self._loss = loss
        self._random = random
        self._together = together

        self._module = self._make_module(0)
        for name, module in self._module.named_modules():
            self._check(name or type(module).__name__, module)
        self._shapes = {
            name: parameter.shape for name, parameter in self._module.named_parameters()
        }

    @property
    def n_coordinates(self) -> int:
        return sum(shape.numel() for shape in self._shapes.values())

    @property
    def shapes(self) -> Shapes:
        return list(self._shapes.values())

    @property
    def is_random(self) -> bool:
        return self._random

    def noise(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,  # noqa: ARG002
        dtype: torch.dtype,  # noqa: ARG002
    ) -> Tensor:
        """A seed for each learner; shape (L,), int64."""
        return torch.stack([_draw_seed(g) for g in generators])

    def start(
        self,
        generators: Sequence[torch.Generator],
        std: float | Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        """Parameters as `make` gives them, times `std`; shape (L, p)."""
        starts = []
        for g in generators:
            seed = int(_draw_seed(g))
            parameters = dict(self._make_module(seed).named_parameters())
            flat = [parameters[name].detach().flatten() for name in self._shapes]
            starts.append(torch.cat(flat))
        return scale_rows(torch.stack(starts).to(dtype), std)

    def losses(
        self,
        w: Tensor,
        inputs: Tensor,
        targets: Tensor,
        noise: Tensor | None = None,
    ) -> Tensor:
        """The same for inputs (L, batch, …) and targets (L, batch, …) of any shape that module and
        loss take."""
        if noise is None and self._together:
            return vmap(self._learner_loss, randomness="error")(w, inputs, targets)

        learners = zip(w, inputs, targets, strict=True)
        if noise is None:
            return torch.stack([self._learner_loss(*learner) for learner in learners])

        losses = []
        for seed, learner in zip(noise.tolist(), learners, strict=True):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                losses.append(self._learner_loss(*learner))
        return torch.stack(losses)

    def state_dict(self, w: Tensor) -> dict[str, Tensor]:
        """One learner's w (p,) as the parameters of a module, by name."""
        parameters = {}
        parts = w.split([shape.numel() for shape in self._shapes.values()])
        for (name, shape), part in zip(self._shapes.items(), parts, strict=True):
            parameters[name] = part.view(shape)
        return parameters

    def _check(self, name: str, module: nn.Module) -> None:
        if getattr(module, "track_running_stats", False):
            raise ValueError(
                f"module {name!r} keeps running statistics: make it with "
                "track_running_stats=False, or call "
                "torch.func.replace_all_batch_norm_modules_ on the whole"
            )

        is_dropout = isinstance(module, nn.modules.dropout._DropoutNd)
        if is_dropout and module.p and module.training and not self._random:
            raise ValueError(f"module {name!r} draws random numbers: pass random=True")

    def _learner_loss(self, w: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of one learner's w (p,) on its minibatch."""
        outputs = functional_call(self._module, self.state_dict(w), (inputs,))
        return self._loss(outputs, targets)

    def _make_module(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._make()


def _draw_seed(generator: torch.Generator) -> Tensor:
    return torch.randint(2**62, (), generator=generator)
