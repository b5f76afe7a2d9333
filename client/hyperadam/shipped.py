"""The Θ that come with the package: files in `hyperadam/pretrained/`, read as package resources,
never downloaded."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from hyperadam.theta import Theta

DEFAULT: Final = "hyperadam-v9"
"""The Θ that `hyperadam.HyperAdam` and `pretrained` take when none is given."""
_SUFFIX: Final = ".safetensors"


def pretrained_names() -> list[str]:
    """Names that `pretrained` knows, sorted."""
    names = [file.name for file in _find_folder().iterdir()]
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def pretrained(name: str = DEFAULT) -> Theta:
    """A Θ that comes with the package; how it was made stands in its `provenance`.

    Example:
        >>> import hyperadam
        >>> hyperadam.pretrained("hyperadam-v1").rule.kind
        'hyperadam'

    Raises:
        ValueError: there is none of this name; the message lists the names.
    """
    names = pretrained_names()
    if name not in names:
        raise ValueError(f"no pretrained Θ is named {name!r}; there are: {', '.join(names)}")
    file = _find_folder() / f"{name}{_SUFFIX}"
    return Theta.from_bytes(file.read_bytes())


def find_pretrained(sha256: str) -> str | None:
    """The name of the Θ of this digest, if it comes with the package."""
    names = (name for name in pretrained_names() if pretrained(name).sha256 == sha256)
    return next(names, None)


def _find_folder() -> Traversable:
    return files("hyperadam") / "pretrained"
