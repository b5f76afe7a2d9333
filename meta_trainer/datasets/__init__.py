"""Data that learners are trained on, whole in memory or made up: minibatches are drawn by seeds,
without a data loader.

`mnist5k` is embedded; `mnist`, `fashion_mnist` and `cifar10` are read from a data folder, in the
layouts that torchvision or the official sites write. Nothing is downloaded unless asked for:

    python -m meta_trainer.datasets download mnist --data-dir DIR
"""

from meta_trainer.datasets.base import Data, Dataset, DatasetMissing, TensorData
from meta_trainer.datasets.characters import Characters, MaskedCharacters
from meta_trainer.datasets.language import Language
from meta_trainer.datasets.load import load
from meta_trainer.datasets.ratings import Ratings
from meta_trainer.datasets.regression import Regression
from meta_trainer.datasets.sequences import SineSequences
from meta_trainer.datasets.tables import TableRows

__all__ = [
    "Characters",
    "Data",
    "Dataset",
    "DatasetMissing",
    "Language",
    "MaskedCharacters",
    "Ratings",
    "Regression",
    "SineSequences",
    "TableRows",
    "TensorData",
    "load",
]
