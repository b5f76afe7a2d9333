"""Where weights move: in place as out of place, and the derivative against autograd's."""

from __future__ import annotations

import torch
from hyperadam.moves import direction_adjoints, move_parameters, moved_parameters
from hyperadam.rates import Rate

LIKE = torch.zeros(1, dtype=torch.float64)


def test_every_way_to_move_is_the_same() -> None:
    """In place over parameters, and out of place over learners as flat vectors."""
    rate = Rate(lr=0.1, warmup_steps=4, base_fan_in=2, weight_decay=0.5)
    shapes = [(3, 4), (3,)]
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(2, 15, generator=generator, dtype=torch.float64)
    d = torch.randn(2, 15, generator=generator, dtype=torch.float64)
    moved = moved_parameters(w, d, rate, 2, rate.shares(shapes, w))
    for learner in range(2):
        parameters = [part.clone() for part in w[learner].split([12, 3])]
        directions = [part.clone() for part in d[learner].split([12, 3])]
        move_parameters(parameters, directions, rate, 2, [rate.share(shape) for shape in shapes])
        assert torch.equal(torch.cat(parameters), moved[learner])
    expected = (1 - rate.at(2) * 0.5) * w - rate.at(2) * d * rate.shares(shapes, w)
    torch.testing.assert_close(moved, expected)


def test_adjoints_are_those_of_the_move() -> None:
    rate = Rate(lr=0.1, warmup_steps=4, decay_after=2, base_fan_in=2, weight_decay=0.5)
    shares = rate.shares([(3, 4), (3,)], LIKE)
    adjoints = torch.randn(3, 2, 15, generator=torch.Generator().manual_seed(0)).double()
    found = direction_adjoints(adjoints, rate, 1, shares)
    for step, adjoint in enumerate(adjoints):
        d = torch.zeros(2, 15, dtype=torch.float64, requires_grad=True)
        moved = -rate.at(step + 1) * shares * d  # type: ignore[operator]
        (expected,) = torch.autograd.grad(moved, d, adjoint)
        torch.testing.assert_close(found[step], expected)
