"""Networks as people write them, at the starts of torch, GPT-2, timm and Hugging Face: the suite
`field`. Each is a plain torch module, run as a user's own would be (`ModuleLearner`)."""

from meta_trainer.learners.field.networks import (
    field_image_network,
    field_network,
    find_field_data,
)

__all__ = ["field_image_network", "field_network", "find_field_data"]
