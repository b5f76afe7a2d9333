"""Tasks: from specs, distributions of specs, or a user's module, to the optimizees that optimizers
run on."""

from meta_trainer.tasks.build import build_optimizee
from meta_trainer.tasks.data import load_data, load_dataset
from meta_trainer.tasks.module_source import ModuleTaskSource
from meta_trainer.tasks.sampling import Scales, sample_scales, sample_task
from meta_trainer.tasks.source import Chunk, TaskSource
from meta_trainer.tasks.spec_source import SpecTaskSource, as_task_source
from meta_trainer.tasks.training import build_training_optimizee

__all__ = [
    "Chunk",
    "ModuleTaskSource",
    "Scales",
    "SpecTaskSource",
    "TaskSource",
    "as_task_source",
    "build_optimizee",
    "build_training_optimizee",
    "load_data",
    "load_dataset",
    "sample_scales",
    "sample_task",
]
