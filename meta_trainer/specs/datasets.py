"""What a spec may call a dataset: one of those that are built in, or one that somebody registered.

A registered dataset is `NAME`, or `NAME@SHA256` with the digest of its file. The service writes the
digest behind the name when a job is submitted, so that a stored spec means the same for ever.
"""

from __future__ import annotations

from typing import Annotated, Final

from hyperadam.names import NAME_PATTERN, InvalidName, check_digest, check_name
from pydantic import AfterValidator, WithJsonSchema

BUILT_IN_DATASETS: Final = ("mnist5k", "mnist", "fashion_mnist", "cifar10")

_PATTERN: Final = f"{NAME_PATTERN.removesuffix('$')}(?:@[0-9a-f]{{64}})?$"


def is_registered(dataset: str) -> bool:
    """Whether the name is of a dataset that somebody registered."""
    return dataset not in BUILT_IN_DATASETS


def split_dataset(dataset: str) -> tuple[str, str | None]:
    """`name@sha256` → (name, sha256); of a name alone, the digest is None."""
    name, _, sha256 = dataset.partition("@")
    return name, sha256 or None


def check_dataset_name(value: str) -> str:
    """The value, if a dataset may be called so.

    Raises:
        ValueError: it may not; whether there is one of that name is another question.
    """
    if value in BUILT_IN_DATASETS:
        return value
    name, at, digest = value.partition("@")
    try:
        check_name(name)
        if at:
            check_digest(digest)
    except InvalidName as error:
        raise ValueError(
            f"a dataset must be one of {', '.join(BUILT_IN_DATASETS)}, or a registered one as "
            f"NAME or NAME@SHA256, got {value!r:.80}"
        ) from error
    return value


DatasetName = Annotated[
    str,
    AfterValidator(check_dataset_name),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "format": "dataset"}),
]
