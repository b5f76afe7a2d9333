"""How a job's Θ becomes a version of the registry."""

from __future__ import annotations

from typing import Any

from hyperadam.theta import Theta

from meta_trainer.recorder import Recorder
from registry import Registry, Version


def register_theta(
    theta: Theta, optimizer: str, key: str, run_id: str, registry: Registry, recorder: Recorder
) -> Version:
    """Make a version of an optimizer, and tell of it.

    Args:
        key: the same key gives the same version, however often it is asked for.
        run_id: the run that the version belongs to.
    """
    version = registry.create_version(optimizer, theta, key=key, run_id=run_id)
    recorder.event("version", describe_version(version))
    return version


def describe_version(version: Version) -> dict[str, Any]:
    """What the event `version`, results and `done.json` say of a version."""
    return {
        "optimizer": version.optimizer,
        "number": version.number,
        "sha256": version.sha256,
    }
