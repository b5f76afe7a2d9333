"""Base of the bodies that clients send."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from meta_trainer.specs.booleans import Numeric


class RequestModel(Numeric, BaseModel):
    """Refuses fields that it does not know, and truth values for numbers."""

    model_config = ConfigDict(extra="forbid")
