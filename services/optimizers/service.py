"""Use cases about optimizers: from the registry's records to the wire's."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import islice
from typing import Final

from hyperadam.names import split_ref
from hyperadam.theta import Theta

from registry import Version
from registry.alias_log import find_protected, find_rules, resolve_aliases
from services.auth.scopes import DEFAULT_PROJECT, Principal
from services.container import Container
from services.idempotency.service import Post, hash_body
from services.optimizers import comparison
from services.optimizers.answers import answer_version, answer_versions, check_answer
from services.optimizers.owners import (
    check_owner,
    claim_name,
    find_belonging,
    is_shared,
    list_seen,
    share_name,
)
from services.optimizers.schemas import (
    AliasAnswer,
    AliasChangeAnswer,
    AliasList,
    AliasRequest,
    AnnotationRequest,
    ComparisonAnswer,
    OptimizerAnswer,
    OptimizerList,
    OptimizerVersionAnswer,
    OptimizerVersionList,
)
from services.optimizers.search import Search
from services.optimizers.storage import find_uploaded, take_room
from services.pages import cut_page
from services.problems import invalid

ORIGIN_TAGS: Final = frozenset({"source", "uploaded_by"})
"""What an upload says of itself; nobody writes these afterwards."""


def list_optimizers(
    services: Container, search: Search, principal: Principal, *, cursor: str | None, limit: int
) -> OptimizerList:
    """Optimizers that the principal sees, with a version that the search admits, by name, from the
    one after `cursor` on."""
    names = list_seen(services.database, services.registry.optimizers(), principal)
    following = (name for name in names if cursor is None or name > cursor)
    admitted = (name for name in following if _is_admitted(services, name, search))
    page = list(islice(admitted, limit + 1))

    items = [show(services, name) for name in page[:limit]]
    next_cursor = page[limit - 1] if len(page) > limit else None
    return OptimizerList(items=items, next_cursor=next_cursor)


def _is_admitted(services: Container, name: str, search: Search) -> bool:
    if search.is_empty:
        return True
    versions = services.registry.versions(name)
    return any(search.admits(version) for version in versions if not version.archived)


def show(services: Container, name: str) -> OptimizerAnswer:
    latest = services.registry.version(name, "latest")
    aliases = resolve_aliases(services.registry.alias_history(name))
    belonging = find_belonging(services.database, services.registry, name)
    return OptimizerAnswer(
        name=name,
        latest=answer_version(services, latest),
        aliases=aliases,
        owner=None if belonging is None else belonging.owner,
        project=DEFAULT_PROJECT if belonging is None else belonging.project,
        shared=is_shared(services.database, name),
    )


def list_versions(
    services: Container,
    name: str,
    search: Search,
    *,
    archived: bool,
    before: int | None,
    limit: int,
) -> OptimizerVersionList:
    """Versions that the search admits, newest first, below the number `before`; archived ones only
    where they are asked for."""
    versions = services.registry.versions(name)
    versions = [version for version in versions if archived or not version.archived]
    if before is not None:
        versions = [version for version in versions if version.number < before]
    admitted = list(filter(search.admits, versions))

    page = admitted[:limit]
    next_cursor = str(page[-1].number) if len(admitted) > limit else None
    return OptimizerVersionList(items=answer_versions(services, page), next_cursor=next_cursor)


def show_version(services: Container, name: str, ref: str) -> OptimizerVersionAnswer:
    return answer_version(services, services.registry.version(name, ref))


def annotate(
    services: Container, name: str, ref: str, request: AnnotationRequest, principal: Principal
) -> OptimizerVersionAnswer:
    """Describe and tag a version.

    Raises:
        Problem: 422 for a tag that says who uploaded it, or where there would be too many tags; 403
            for a version of another's.
    """
    check_owner(services.database, services.registry, name, principal)
    for tag in ORIGIN_TAGS & request.tags.keys():
        raise invalid(f"tags.{tag}", "says where the version came from, and never changes")
    number = services.registry.version(name, ref).number
    try:
        version = services.registry.annotate(
            name, number, description=request.description, tags=request.tags
        )
    except ValueError as error:
        raise invalid("tags", str(error)) from error
    return answer_version(services, version)


def share(services: Container, name: str, principal: Principal, *, shared: bool) -> OptimizerAnswer:
    """Let all projects read the versions of an optimizer, or no longer.

    Raises:
        OptimizerNotFound: it has none.
        Forbidden: the name is another's.
    """
    services.registry.versions(name)
    check_owner(services.database, services.registry, name, principal)
    share_name(services.database, services.registry, name, shared=shared)
    services.reach.forget()
    return show(services, name)


def compare(
    services: Container, name: str, ref: str, reference: str, principal: Principal
) -> ComparisonAnswer:
    """This version (left) and the one that `reference`, a `name@ref`, means (right)."""
    left = services.registry.version(name, ref)
    right = services.see_versions(principal).version(*split_ref(reference))
    left_answer, right_answer = answer_versions(services, [left, right])
    left = _keep_readable(left, left_answer)
    right = _keep_readable(right, right_answer)
    return ComparisonAnswer(
        left=left_answer,
        right=right_answer,
        spec=comparison.compare_specs(left, right),
        lineage=comparison.compare_lineages(left, right),
        metrics=comparison.compare_metrics(left, right),
        evaluations=comparison.compare_evaluations(left, right),
    )


def _keep_readable(version: Version, answer: OptimizerVersionAnswer) -> Version:
    """The version, without what its answer left out as damaged."""
    if answer.damage is None:
        return version
    return replace(version, manifest={}, tags={}, evaluations=())


def upload(
    services: Container, name: str, data: bytes, post: Post
) -> tuple[OptimizerVersionAnswer, bool]:
    """A version from a Θ file that was made elsewhere, and whether it is new.

    The same bytes again are the same version. So the idempotency key, which cannot be claimed
    together with the version, is claimed before.

    Raises:
        ThetaError: the bytes are not a valid Θ file.
        IdempotencyMismatch: the key was used with other bytes.
        Forbidden: the name is another's.
        QuotaExceeded: its project has no room for the file.
    """
    theta = Theta.from_bytes(data)
    check_owner(services.database, services.registry, name, post.principal)
    with take_room(services, name, theta.sha256, len(data), post.principal):
        claim_name(services.database, services.registry, name, post.principal)
        post.run_once(services.database, hash_body(data), theta.sha256, lambda _session: None)
        tags = {"source": "upload", "uploaded_by": post.principal.name}
        check_answer(name, theta, len(data), tags)
        with services.upload_slots.registering:  # of those that race, one is told it was the first
            version = find_uploaded(services.registry, name, theta.sha256)
            is_new = version is None
            if version is None:
                key = f"upload-{theta.sha256}"
                version = services.registry.create_version(name, theta, key=key, tags=tags)
    if services.signer is not None:
        version = services.signer.sign_version(services.registry, version)
    return answer_version(services, version), is_new


def move_alias(
    services: Container, name: str, alias: str, request: AliasRequest, *, actor: str
) -> OptimizerVersionAnswer:
    """Point an alias at a version, and protect it or not.

    Raises:
        AliasProtected: it is, and the request does not end that.
        Problem: 422 for a rule of an alias that is not protected.
    """
    history = services.registry.alias_history(name)
    stays = request.protected is None and alias in find_protected(history)
    if request.rule is not None and not (request.protected or stays):
        raise invalid("rule", "is for a protected alias alone: send protected, too")
    version = services.registry.set_alias(
        name,
        alias,
        request.version,
        actor=actor,
        reason=request.reason,
        protected=request.protected,
        rule=None if request.rule is None else request.rule.model_dump(exclude={"alias"}),
    )
    return answer_version(services, version)


def list_aliases(
    services: Container, name: str, *, cursor: str | None = None, limit: int = 1000
) -> AliasList:
    """All aliases, and a page of their history."""
    history = services.registry.alias_history(name)
    protected_aliases = find_protected(history)
    rules = find_rules(history)
    aliases = [
        AliasAnswer(
            alias=alias,
            version=number,
            protected=alias in protected_aliases,
            rule=dict(rules[alias]) if alias in rules else None,
        )
        for alias, number in sorted(resolve_aliases(history).items())
    ]
    page = cut_page(history, cursor, limit)
    changes = [AliasChangeAnswer(**asdict(change)) for change in page.items]
    return AliasList(items=aliases, history=changes, next_cursor=page.next_cursor)
