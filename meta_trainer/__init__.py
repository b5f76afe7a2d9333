"""Meta-training: tasks, unrolls, estimators, the training loop, evaluation, and the runners that
carry them out."""
