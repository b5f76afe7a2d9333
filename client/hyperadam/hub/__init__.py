"""Θ on the Hugging Face Hub: files from a repository, and to one with a model card.

`Theta.from_pretrained` and `Theta.push_to_hub` are what people call. The library huggingface_hub
speaks to the Hub; it comes with the extra `hyperadam[hub]`, and is imported when one of the two is
called.
"""

from __future__ import annotations

from hyperadam.hub.on_hub import OnHub

__all__ = ["OnHub"]
