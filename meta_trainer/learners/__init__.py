"""Learners: the networks that an optimizer trains, many of one shape side by side."""

from meta_trainer.learners.base import Learner
from meta_trainer.learners.mlp import MLP

__all__ = ["MLP", "Learner"]
