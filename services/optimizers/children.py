"""Versions that were trained from another one, and what they lose with it.

A start is made again from a version's parent, and that one's parent, which evaluations look up by
name and digest (`meta_trainer.evaluation.untrained`): what meta-training added is not to be had
without.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from registry import OptimizerNotFound, Registry, Version
from services.auth.scopes import Principal
from services.container import Container
from services.optimizers.lineage import read_parent
from services.optimizers.owners import list_seen
from services.problems import Conflict

MOST_NAMED: Final = 5


def check_childless(services: Container, version: Version, principal: Principal) -> None:
    """No other version was trained from this one.

    Raises:
        Conflict: some were; those that the principal sees are named.
    """
    children = list(find_children(services.registry, version))
    if not children:
        return
    seen = set(list_seen(services.database, {child.optimizer for child in children}, principal))
    names = [f"{child.optimizer}@{child.number}" for child in children if child.optimizer in seen]
    listed = names[:MOST_NAMED]
    n_seen = len(names) - len(listed)
    n_unseen = len(children) - len(names)
    listed += [f"{n_seen} more"] if n_seen else []
    listed += [f"{n_unseen} of other projects"] if n_unseen else []
    raise Conflict(
        f"{version.optimizer}@{version.number} is the parent of {', '.join(listed)}: evaluations "
        "need it to say what meta-training added to those. Archive it, which keeps its file; or "
        "delete it all the same, with force."
    )


def find_children(registry: Registry, version: Version) -> Iterator[Version]:
    """Versions, archived ones too, that were trained from this one, of all optimizers by name,
    oldest first."""
    parent = (f"{version.optimizer}@{version.number}", version.sha256)
    for name in registry.optimizers(unlisted=True):
        try:
            versions = registry.versions(name)
        except OptimizerNotFound:  # all of its versions were deleted
            continue
        yield from (each for each in reversed(versions) if read_parent(each) == parent)
