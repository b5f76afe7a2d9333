"""A small distribution with entry points, written into a folder as an installer would."""

from __future__ import annotations

from pathlib import Path

SPECS = '''
from typing import Annotated, Literal

from pydantic import Field

from meta_trainer.specs.base import Spec


class BowlTaskSpec(Spec):
    """A quadratic bowl around a point that noise hides."""

    kind: Literal["bowl"] = "bowl"
    n_coordinates: Annotated[int, Field(ge=1, le=1000)] = 4
    """Of the point."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 8
    """Noisy sights of the point in a minibatch."""
    init_std: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Weights start as N(0, init_std²)."""
'''

LEARNERS = '''
from dataclasses import dataclass

import torch

from meta_trainer.learners import Learner


@dataclass(frozen=True)
class Sights:
    n: int

    @property
    def name(self):
        return f"sights-{self.n}"

    @property
    def fingerprint(self):
        return f"{self.n:064x}"

    def draw(self, generators, batch_size, dtype=torch.float32):
        drawn = [torch.randn(batch_size, self.n, generator=g) for g in generators]
        sights = 3 + torch.stack(drawn)
        return sights.to(dtype), torch.zeros(len(generators), batch_size)


class Bowl(Learner):
    """f(w) = mean |w - x|^2 over a minibatch."""

    def __init__(self, n):
        self._n = n

    @property
    def n_coordinates(self):
        return self._n

    @property
    def shapes(self):
        return [(self._n,)]

    def losses(self, w, inputs, targets, noise=None):
        return (w[:, None] - inputs).square().mean((1, 2))


class BowlMaker:
    @staticmethod
    def build_learner(task, data):
        return Bowl(task.n_coordinates)

    @staticmethod
    def make_data(task):
        return Sights(task.n_coordinates)
'''

RULES = '''
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch

from hyperadam.rules import Rule


@dataclass(frozen=True, kw_only=True)
class BlendSpec:
    """Every choice of the rule."""

    kind: Literal["blend"] = "blend"
    decay: float = 0.9
    """Of the mean of gradients."""


class BlendState(NamedTuple):
    mean: torch.Tensor


class BlendRule(Rule[BlendState]):
    """d = exp(a) m + exp(b) g, with a mean m of gradients."""

    kind = "blend"
    spec_type = BlendSpec

    def __init__(self, spec):
        self._spec = spec

    @property
    def inits(self):
        return ("paper",)

    @property
    def spec(self):
        return self._spec

    @property
    def theta_shapes(self):
        return {"shares": (2,)}

    def init_theta(self, generator, init):
        return {"shares": torch.full((2,), -1.0, dtype=torch.float64)}

    def init_state(self, w, shapes=None):
        return BlendState(torch.zeros_like(w))

    def update(self, theta, gradient, state):
        mean = self._spec.decay * state.mean + (1 - self._spec.decay) * gradient
        of_mean, of_gradient = theta["shares"].exp()
        return of_mean * mean + of_gradient * gradient, BlendState(mean)
'''

ENTRY_POINTS = """
[hyperadam.tasks]
bowl = bowls.specs:BowlTaskSpec
mlp = bowls.specs:BowlTaskSpec
gone = bowls.nowhere:Spec

[hyperadam.learners]
bowl = bowls.learners:BowlMaker

[hyperadam.rules]
blend = bowls.rules:BlendRule
"""


def install(folder: Path) -> None:
    """`bowls` 1.2: two kinds that work, one that is taken, one that is not there."""
    package = folder / "bowls"
    package.mkdir(parents=True)
    for name, text in (("specs", SPECS), ("learners", LEARNERS), ("rules", RULES)):
        (package / f"{name}.py").write_text(text, "utf-8")
    (package / "__init__.py").touch()
    information = folder / "bowls-1.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: bowls\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
