"""Versions that were pulled before, without a server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from hyperadam.api.cache import ThetaCache
from hyperadam.api.config import load_trust_policy
from hyperadam.api.errors import ConfigurationError
from hyperadam.api.trust import Trust
from hyperadam.names import split_ref
from hyperadam.settings import find_cache_dir

if TYPE_CHECKING:
    from hyperadam.theta import Theta

_LOG: Final = logging.getLogger("hyperadam")


def open_cache() -> ThetaCache:
    """The cache of this user.

    Raises:
        ConfigurationError: there is no folder for it.
    """
    try:
        return ThetaCache(find_cache_dir())
    except RuntimeError as error:
        raise ConfigurationError(f"no folder for a cache: {error}; set XDG_CACHE_HOME") from error


def pull_offline(reference: str, url: str | None, reason: ConfigurationError) -> Theta | None:
    """The Θ of a version that is pinned by its number and was pulled before, when the client does
    not know where to ask, as after a local server has stopped.

    Args:
        reference: `name@number`; with anything else than a number there is none.
        url: the server, if it is known; else of any server, if all mean the same by it.
        reason: why the server cannot be asked.

    Raises:
        UntrustedVersion: the environment names trusted keys, and none of them has signed it.
    """
    from hyperadam.theta import Theta

    name, ref = split_ref(reference)
    if not ref.isdecimal():
        return None
    number = str(int(ref))
    cache = open_cache()
    if url is None:
        sha256 = cache.recall_anywhere(name, number)
    else:
        sha256 = cache.recall(url.rstrip("/"), name, number)
    data = None if sha256 is None else cache.get(sha256)
    if data is None or sha256 is None:
        return None
    Trust(load_trust_policy(), cache).check_cached(name, int(number), sha256)
    _LOG.warning("%s; using version %s of %s from the local cache", reason, number, name)
    return Theta.from_bytes(data)
