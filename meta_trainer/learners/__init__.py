"""Learners: the networks that an optimizer trains, many of one shape side by side."""

from meta_trainer.learners.base import Classifier, Learner, LossExpansion, Shapes
from meta_trainer.learners.cnn import CNN
from meta_trainer.learners.lstm import LSTM
from meta_trainer.learners.mlp import MLP
from meta_trainer.learners.module import ModuleLearner
from meta_trainer.learners.networks import image_network, language_model

__all__ = [
    "CNN",
    "LSTM",
    "MLP",
    "Classifier",
    "Learner",
    "LossExpansion",
    "ModuleLearner",
    "Shapes",
    "image_network",
    "language_model",
]
