"""Tasks: from specs, distributions of specs, or a user's module, to the optimizees that optimizers
run on."""

from meta_trainer.tasks.build import load_data, optimizee_of
from meta_trainer.tasks.sampling import Scales, sample_scales, sample_task
from meta_trainer.tasks.source import Chunk, ModuleTasks, SpecTasks, TaskSource, source_of

__all__ = [
    "Chunk",
    "ModuleTasks",
    "Scales",
    "SpecTasks",
    "TaskSource",
    "load_data",
    "optimizee_of",
    "sample_scales",
    "sample_task",
    "source_of",
]
