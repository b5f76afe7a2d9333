"""What one process holds of a parameter: all of it, or, of a DTensor (FSDP2, tensor parallelism),
its local tensor; of a complex one, as in torch's own optimizers, its parts, real and imaginary.

A rule steps over pieces. What a parameter is, its fan-in and its role, is read from its whole
shape, which a DTensor has, and a complex tensor without its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import Tensor

if TYPE_CHECKING:
    import torch.distributed as dist
    from torch.distributed.tensor import DTensor


def is_spread(tensor: Tensor) -> TypeGuard[DTensor]:
    """Whether it is a DTensor. torch's own test would import what most programs never need."""
    return hasattr(tensor, "device_mesh") and hasattr(tensor, "placements")


def coordinate_shape(tensor: Tensor) -> torch.Size:
    """That of its coordinates: a complex number has two."""
    return torch.Size((*tensor.shape, 2)) if tensor.dtype.is_complex else tensor.shape


def find_piece(tensor: Tensor) -> Tensor:
    """The coordinates that this process holds of it; they share memory with the tensor."""
    piece = tensor.to_local() if is_spread(tensor) else tensor
    return torch.view_as_real(piece) if piece.dtype.is_complex else piece


def find_gradient(parameter: Tensor) -> Tensor:
    """What this process holds of the parameter's gradient: the same coordinates as of the
    parameter.

    Of a complex one torch has ∂L/∂Re + i ∂L/∂Im, at times with a conjugation that is put off.
    """
    gradient = parameter.grad
    assert gradient is not None
    if is_spread(parameter):
        if is_spread(gradient) and gradient.placements != parameter.placements:
            gradient = gradient.redistribute(parameter.device_mesh, parameter.placements)
    elif not gradient.dtype.is_complex:
        return gradient
    return find_piece(gradient.resolve_conj())


def list_groups(parameter: Tensor, dims: Sequence[int] | None = None) -> list[dist.ProcessGroup]:
    """The groups of processes among which a parameter is cut.

    Args:
        parameter: any.
        dims: only cuts along these dimensions of it; None: along any.
    """
    if not is_spread(parameter):
        return []
    mesh = parameter.device_mesh
    groups = []
    for number, placement in enumerate(parameter.placements):
        dim = getattr(placement, "dim", None)
        is_cut = dim is not None and mesh.size(number) > 1
        if is_cut and (dims is None or dim in dims):
            groups.append(mesh.get_group(number))
    return groups


def spread_field(piece: Tensor, parameter: Tensor) -> Tensor:
    """A field of the state of a parameter as a tensor that lies as the parameter does.

    Args:
        piece: of the field, (n, *`find_piece` of the parameter); its memory is shared.
        parameter: any; the piece itself is the field of one that lies here as a whole.
    """
    if not is_spread(parameter):
        return piece
    from torch.distributed.tensor import DTensor

    shape = torch.Size((len(piece), *coordinate_shape(parameter)))
    return DTensor.from_local(
        piece,
        parameter.device_mesh,
        _place_field(parameter),
        run_check=False,
        shape=shape,
        stride=torch.empty(shape, device="meta").stride(),
    )


def cut_field(field: Tensor, parameter: Tensor, name: str) -> Tensor:
    """What this process holds of a field with a number a coordinate.

    Args:
        field: (n, *coordinate_shape(parameter)), as a whole or as a DTensor.
        parameter: whose field it is.
        name: what errors call it.

    Raises:
        ValueError: the field is a DTensor, and the parameter is none.
    """
    if not is_spread(parameter):
        if is_spread(field):
            raise ValueError(
                f"{name} is a DTensor, and its parameter is none: give its full_tensor()"
            )
        return field
    from torch.distributed.tensor import distribute_tensor

    mesh = parameter.device_mesh
    placements = _place_field(parameter)
    if is_spread(field):
        return field.redistribute(mesh, placements).to_local()
    return distribute_tensor(field, mesh, placements, src_data_rank=None).to_local()


def _place_field(parameter: DTensor) -> list[Any]:
    """Where a field of shape (n, *coordinate_shape(parameter)) lies."""
    return [_shift(placement) for placement in parameter.placements]


def _shift(placement: Any) -> Any:
    """The same cut, of a tensor with one dimension more in front."""
    if hasattr(placement, "split_factor"):
        return type(placement)(placement.dim + 1, split_factor=placement.split_factor)
    return type(placement)(placement.dim + 1) if placement.is_shard() else placement
