"""Sums over coordinates that lie in several processes.

Three cases are known for what they are: whole parameters here (every process has all of them, as
under `DistributedDataParallel`), pieces of DTensors (FSDP2), and parameters of which every process
has others (torch's `ZeroRedundancyOptimizer`). Sums are added in float64, and every process gets
the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from torch import Tensor

from hyperadam.optimizers.pieces import coordinate_shape, is_spread, list_groups

if TYPE_CHECKING:
    import torch.distributed as dist


class Others(NamedTuple):
    """Processes that have other parameters of the same model."""

    group: dist.ProcessGroup
    device: torch.device
    """Where this process's parameters are, if it has any."""


class Layout(NamedTuple):
    """Parameters that are cut among the same processes."""

    groups: tuple[dist.ProcessGroup, ...]
    device: torch.device
    """That these processes exchange tensors of."""
    columns: list[int]
    """Of the parameters, in the order of a vector."""


class Spread:
    """Where the coordinates of some parameters lie."""

    def __init__(
        self, parameters: Sequence[Tensor], sizes: Sequence[int], others: Others | None
    ) -> None:
        """
        Args:
            parameters: the same, in the same order, in every process that has them.
            sizes: how many coordinates of each are here.
            others: None: there are no parameters but these.
        """
        self._sizes: Final = list(sizes)
        self._others: Final = others
        self._layouts: Final = _find_layouts(parameters)
        self.n_whole: Final = [coordinate_shape(parameter).numel() for parameter in parameters]
        """How many coordinates each of them has in all processes together."""

    @property
    def is_trivial(self) -> bool:
        """Whether all coordinates there are lie here."""
        return self._others is None and not self._cut_layouts

    @property
    def has_others(self) -> bool:
        """Whether other processes have other parameters."""
        return self._others is not None

    @property
    def _cut_layouts(self) -> list[Layout]:
        return [layout for layout in self._layouts if layout.groups]

    def sum(
        self,
        x: Tensor,  # shape: (*batch, p)
    ) -> Tensor:
        """Over all coordinates of all processes; shape (*batch, 1), in the dtype of x."""
        return self._add_others(self._sum_parameters(x)).to(x.dtype)

    def mean(
        self,
        x: Tensor,  # shape: (*batch, p)
    ) -> Tensor:
        """The same, over how many there are."""
        total = self._sum_parameters(x)
        count = torch.full_like(total, sum(self.n_whole))
        totals = self._add_others(torch.cat([total, count], -1))
        return (totals[..., :1] / totals[..., 1:].clamp(min=1)).to(x.dtype)

    def _sum_parameters(self, x: Tensor) -> Tensor:
        """Over all coordinates of these parameters; shape (*batch, 1), float64."""
        parts = x.split(self._sizes, -1)
        total = x.new_zeros((*x.shape[:-1], 1), dtype=torch.float64)
        for layout in self._layouts:
            sums = [parts[column].sum(-1, keepdim=True) for column in layout.columns]
            total += _add_over(torch.stack(sums).double().sum(0), layout)
        return total

    def add_columns(
        self,
        columns: Tensor,  # shape: (n, k)
    ) -> Tensor:
        """Sums over what is here of each of the k parameters, made sums over all of it; float64."""
        totals = columns.double()
        for layout in self._cut_layouts:
            totals[:, layout.columns] = _add_over(totals[:, layout.columns], layout)
        return totals

    def average_columns(
        self,
        means: Tensor,  # shape: (n, k)
    ) -> Tensor:
        """Means over what is here of each of the k parameters, made means over all of it."""
        if not self._cut_layouts:
            return means
        here = torch.tensor(self._sizes, device=means.device).double()
        whole = torch.tensor(self.n_whole, device=means.device).double().clamp(min=1)
        return (self.add_columns(means.double() * here) / whole).to(means.dtype)

    def measure_norm(self, gradients: list[Tensor], dtype: torch.dtype) -> float:
        """Euclidean, over all gradients of all processes; not finite if any coordinate is not, or
        if its square overflows `dtype`."""
        squares = torch.zeros((), dtype=torch.float64)
        if gradients:
            norms = torch.stack(torch._foreach_norm(gradients, dtype=dtype))
            squares = self.add_columns(norms.double().square()[None]).sum()
        square = self._add_others(squares).to(dtype)
        return float(square.sqrt())

    def _add_others(self, total: Tensor) -> Tensor:
        if self._others is None:
            return total
        import torch.distributed as dist

        moved = total.to(self._others.device, copy=True)
        dist.all_reduce(moved, group=self._others.group)
        return moved.to(total.device)


def _find_layouts(parameters: Sequence[Tensor]) -> list[Layout]:
    """In the order in which they are met first, which is the same in all processes."""
    layouts: dict[tuple[dist.ProcessGroup, ...], Layout] = {}
    for column, parameter in enumerate(parameters):
        groups = tuple(list_groups(parameter))
        device = parameter.device
        if is_spread(parameter):
            device = torch.device(parameter.device_mesh.device_type)
        layouts.setdefault(groups, Layout(groups, device, [])).columns.append(column)
    return list(layouts.values())


def _add_over(sums: Tensor, layout: Layout) -> Tensor:
    """Over the processes of a layout; in memory of its own."""
    import torch.distributed as dist

    moved = sums.to(layout.device, copy=True)
    for group in layout.groups:
        dist.all_reduce(moved, group=group)
    return moved.to(sums.device)
