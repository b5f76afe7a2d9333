"""Learned optimizers for PyTorch.

    optimizer = hyperadam.HyperAdam(model.parameters())

`import hyperadam` is cheap: names are loaded when they are first used, and nothing touches the
network until a `Client` or `pull` is called.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperadam.api import ApiError as ApiError
    from hyperadam.api import AsyncClient as AsyncClient
    from hyperadam.api import BadAnswer as BadAnswer
    from hyperadam.api import BadRequest as BadRequest
    from hyperadam.api import Client as Client
    from hyperadam.api import ConfigurationError as ConfigurationError
    from hyperadam.api import Conflict as Conflict
    from hyperadam.api import DamagedDownload as DamagedDownload
    from hyperadam.api import Forbidden as Forbidden
    from hyperadam.api import HyperAdamError as HyperAdamError
    from hyperadam.api import IdempotencyMismatch as IdempotencyMismatch
    from hyperadam.api import InternalError as InternalError
    from hyperadam.api import MethodNotAllowed as MethodNotAllowed
    from hyperadam.api import NotAcceptable as NotAcceptable
    from hyperadam.api import NotFound as NotFound
    from hyperadam.api import QuotaExceeded as QuotaExceeded
    from hyperadam.api import RangeNotSatisfiable as RangeNotSatisfiable
    from hyperadam.api import ServerUnreachable as ServerUnreachable
    from hyperadam.api import TooLarge as TooLarge
    from hyperadam.api import TooManyRequests as TooManyRequests
    from hyperadam.api import Unauthorized as Unauthorized
    from hyperadam.api import Unavailable as Unavailable
    from hyperadam.api import UnsupportedMediaType as UnsupportedMediaType
    from hyperadam.api import ValidationFailed as ValidationFailed
    from hyperadam.api import pull as pull
    from hyperadam.averaging import PolynomialAverage as PolynomialAverage
    from hyperadam.optimizers import DMOptimizer as DMOptimizer
    from hyperadam.optimizers import HyperAdam as HyperAdam
    from hyperadam.optimizers import RNNprop as RNNprop
    from hyperadam.shipped import pretrained as pretrained
    from hyperadam.shipped import pretrained_names as pretrained_names
    from hyperadam.theta import Theta as Theta
    from hyperadam.theta import ThetaError as ThetaError

__version__ = "0.2.0"

_HOMES = {
    "DMOptimizer": "hyperadam.optimizers",
    "HyperAdam": "hyperadam.optimizers",
    "PolynomialAverage": "hyperadam.averaging",
    "RNNprop": "hyperadam.optimizers",
    "Theta": "hyperadam.theta",
    "ThetaError": "hyperadam.theta",
    "pretrained": "hyperadam.shipped",
    "pretrained_names": "hyperadam.shipped",
    # The client of the service.
    "ApiError": "hyperadam.api",
    "AsyncClient": "hyperadam.api",
    "BadAnswer": "hyperadam.api",
    "BadRequest": "hyperadam.api",
    "Client": "hyperadam.api",
    "ConfigurationError": "hyperadam.api",
    "Conflict": "hyperadam.api",
    "DamagedDownload": "hyperadam.api",
    "Forbidden": "hyperadam.api",
    "HyperAdamError": "hyperadam.api",
    "IdempotencyMismatch": "hyperadam.api",
    "InternalError": "hyperadam.api",
    "MethodNotAllowed": "hyperadam.api",
    "NotAcceptable": "hyperadam.api",
    "NotFound": "hyperadam.api",
    "QuotaExceeded": "hyperadam.api",
    "RangeNotSatisfiable": "hyperadam.api",
    "ServerUnreachable": "hyperadam.api",
    "TooLarge": "hyperadam.api",
    "TooManyRequests": "hyperadam.api",
    "Unauthorized": "hyperadam.api",
    "Unavailable": "hyperadam.api",
    "UnsupportedMediaType": "hyperadam.api",
    "ValidationFailed": "hyperadam.api",
    "pull": "hyperadam.api",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hyperadam' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
