"""What every backend must do: inherit `RegistryContract` and supply the fixture `registry`."""

from __future__ import annotations

from tests.registry.artifact_contract import ArtifactContract
from tests.registry.metric_contract import MetricContract
from tests.registry.run_contract import RunContract
from tests.registry.version_contract import VersionContract


class RegistryContract(RunContract, MetricContract, ArtifactContract, VersionContract):
    """Everything but aliases, whose contract starts from versions:
    `tests/registry/alias_contract.py`."""
