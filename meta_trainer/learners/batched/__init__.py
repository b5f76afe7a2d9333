"""Networks of many kinds, each written once as products over learners: small ones cost a CPU as
little as their numbers, and not an operation for each learner."""

from meta_trainer.learners.batched.base import BatchedNetwork, Parameter
from meta_trainer.learners.batched.networks import batched_network
from meta_trainer.learners.batched.sizes import Sizes

__all__ = ["BatchedNetwork", "Parameter", "Sizes", "batched_network"]
