"""Running optimizers on optimizees: the episodes of meta-training, step by step, and plain runs."""
