"""Names of settings in the environment: what is a typing mistake, and what is another program's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final

from services.near_names import find_near

PREFIX: Final = "HYPERADAM_"
UNPREFIXED: Final = ("DATABASE_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS")
"""Names that other programs have too."""
OF_OTHERS: Final = frozenset(
    {
        "HYPERADAM_URL",
        "HYPERADAM_API_KEY",
        "HYPERADAM_KERNEL",
        "HYPERADAM_TRACKING_PASSWORD_FILE",
        "HYPERADAM_DATA",
        "HYPERADAM_PUBLISH",
        "HYPERADAM_REWRITE_GOLDEN",
    }
)
"""Of the client, the kernels, drivers, Compose and the tests."""
_TEST_PREFIX: Final = "HYPERADAM_TEST_"


def describe_unknown(environment: Mapping[str, str], fields: Iterable[str]) -> list[str]:
    """A sentence for each variable with our prefix that is the name of nothing."""
    known = {PREFIX + field.upper() for field in fields}
    sentences = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name.startswith(_TEST_PREFIX):
            continue
        if name in known | OF_OTHERS or name.removesuffix("_FILE") in known:
            continue
        near = find_near(name, known | OF_OTHERS, cutoff=0.8)
        hint = f": did you mean {near}?" if near else ""
        sentences.append(f"{name} is no setting{hint}")
    return sentences


def drop_unprefixed(environment: MutableMapping[str, str]) -> list[str]:
    """Take the names that other programs have out of the environment; which were there."""
    names = [name for known in UNPREFIXED for name in (known, f"{known}_FILE")]
    dropped = [name for name in names if environment.get(name)]
    for name in dropped:
        del environment[name]
    return dropped
