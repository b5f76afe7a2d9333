"""Datasets of images with labels, whole in memory: minibatches are drawn by seeded indices, without a data loader.

`mnist5k` is embedded; `mnist`, `fashion_mnist` and `cifar10` are read from a data folder, in the layouts that
torchvision or the official sites write. Nothing is downloaded unless asked for:

    python -m meta_trainer.datasets download mnist --data-dir DIR
"""

from meta_trainer.datasets.base import Dataset, DatasetMissing
from meta_trainer.datasets.load import load

__all__ = ["Dataset", "DatasetMissing", "load"]
