"""Optimizers, their versions of Θ, and the aliases that name them, over the registry."""
