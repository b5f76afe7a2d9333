"""`client.optimizers`: the registry's versions of Θ, and pulling one into this process."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperadam.api.bridge import blocking, blocking_iterator
from hyperadam.api.cache import ThetaCache
from hyperadam.api.errors import BadAnswer, DamagedDownload, ServerUnreachable
from hyperadam.api.models import Comparison, Optimizer, Version
from hyperadam.api.session import Session, join_path
from hyperadam.api.standing import AsyncStanding
from hyperadam.api.streams import download, download_to
from hyperadam.api.trust import Trust, VerifiedVersion
from hyperadam.names import split_ref

if TYPE_CHECKING:
    from hyperadam.theta import Theta

MAX_THETA_BYTES: Final = 16 * 2**20
MAX_THETA_SECONDS: Final = 900.0
"""Of one connection."""
_LOG: Final = logging.getLogger("hyperadam")


class AsyncOptimizers(AsyncStanding):
    """The learned optimizers of a server. Each call raises the exceptions of
    `hyperadam.api.errors`.

    A `ref` is a version's number, an alias, or `latest`.
    """

    def __init__(self, session: Session, cache: ThetaCache, trust: Trust) -> None:
        super().__init__(session)
        self._cache = cache
        self._trust = trust

    def list(
        self, *, tags: Sequence[str] = (), rule: str | None = None, metrics: Sequence[str] = ()
    ) -> AsyncGenerator[Optimizer]:
        """The optimizers that have a version, or with a search (as of `versions`) one that it
        admits."""
        params = _make_search_params(tags, rule, metrics)
        return self._session.fetch_pages(Optimizer, join_path("optimizers"), params)

    async def get(self, name: str) -> Optimizer:
        """One optimizer: its latest version and its aliases."""
        return await self._session.get(Optimizer, join_path("optimizers", name))

    def versions(
        self,
        name: str,
        *,
        tags: Sequence[str] = (),
        rule: str | None = None,
        metrics: Sequence[str] = (),
        archived: bool = False,
        limit: int | None = None,
    ) -> AsyncGenerator[Version]:
        """Its versions, newest first.

        Args:
            tags: those that must all be there, each as `name:value`, or `name` for any value.
            rule: the kind of update rule.
            metrics: bounds that must all hold, as in `validation_loss<=0.3` or `table1/relu<=0.25`.
            archived: archived ones as well.
            limit: the most that are wanted.
        """
        path = join_path("optimizers", name, "versions")
        params = _make_search_params(tags, rule, metrics)
        if archived:
            params["archived"] = "true"
        return self._session.fetch_pages(Version, path, params, limit=limit)

    async def version(self, name: str, ref: str | int = "latest") -> Version:
        """One version, with its lineage."""
        return await self._resolve(name, str(ref), retry=True)

    async def annotate(
        self,
        name: str,
        ref: str | int,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> Version:
        """Describe and tag a version. What is not named stays; a tag of None is removed."""
        body = {"description": description, "tags": dict(tags or {})}
        path = join_path("optimizers", name, "versions", ref)
        response = await self._session.request("PATCH", path, body=body, idempotent=True)
        return self._session.decode_record(Version, response)

    async def compare(self, left: str, right: str) -> Comparison:
        """Two versions, each as `name@ref`, side by side: specs, lineage, metrics and
        evaluations."""
        left_name, left_ref = split_ref(left)
        right_name, right_ref = split_ref(right)
        path = join_path("optimizers", left_name, "versions", left_ref, "compare")
        return await self._session.get(Comparison, path, {"to": f"{right_name}@{right_ref}"})

    async def weights(self, name: str, ref: str | int = "latest") -> bytes:
        """The Θ file, verified against the digest that the server announces, and by its signature
        where the client asks for one."""
        sink = BytesIO()
        sha256 = None
        if self._trust.asks_for_signatures:
            version = await self.version(name, ref)
            self._trust.check_version(version)
            ref = version.number
            sha256 = version.sha256
        path = _join_weights_path(name, ref)
        await download(
            self._session,
            path,
            sink,
            max_bytes=MAX_THETA_BYTES,
            max_seconds=MAX_THETA_SECONDS,
            sha256=sha256,
        )
        return sink.getvalue()

    async def verify(self, reference: str, *, trusted_keys: Path | None = None) -> VerifiedVersion:
        """Whose signature the version `name@ref` has, checked over every byte of its file.

        Args:
            trusted_keys: a file of keys, in place of the client's own.

        Raises:
            UntrustedVersion: it is not signed by one of them.
            DamagedDownload: the file that arrives is not the one that was signed.
            ConfigurationError: no keys are named at all.
        """
        version = await self._resolve(*split_ref(reference), retry=True)
        verified = self._trust.verify(version, trusted_keys)
        path = _join_weights_path(version.optimizer, version.number)
        await download(
            self._session,
            path,
            BytesIO(),
            max_bytes=MAX_THETA_BYTES,
            max_seconds=MAX_THETA_SECONDS,
            sha256=version.sha256,
        )
        return verified

    async def pull(self, reference: str) -> Theta:
        """The Θ of `name@ref`, verified, from the server or from the local cache.

        The reference is resolved once; what is then fetched is the numbered version. Without the
        server, a numbered version that was pulled before still works.

        Raises:
            NotFound: there is no such version.
            DamagedDownload: what arrives is not what the registry says, or is not a Θ file.
            BadAnswer: the server answers with another version than was pinned, or not as promised.
            UntrustedVersion: the client asks for a signature, and it has none that is trusted.
            ServerUnreachable: and the version is not pinned by number, or not in the cache.
        """
        name, ref = split_ref(reference)
        if ref.isdecimal():
            ref = str(int(ref))
        url = self._session.url
        pulled_sha256 = self._cache.recall(url, name, ref) if ref.isdecimal() else None
        try:
            version = await self._resolve(name, ref, retry=pulled_sha256 is None)
        except ServerUnreachable as error:
            data = self._cache.get(pulled_sha256) if pulled_sha256 else None
            if data is None or pulled_sha256 is None:
                raise
            self._trust.check_cached(name, int(ref), pulled_sha256)
            _LOG.warning("%s; using version %s of %s from the local cache", error, ref, name)
            return _decode_theta(data, reference)

        self._trust.check_version(version)
        data = self._cache.get(version.sha256)
        if data is None:
            data = await self._download_version(name, version)
        self._cache.remember(url, name, version.number, version.sha256)
        return _decode_theta(data, str(version))

    async def push(self, name: str, theta: Theta) -> Version:
        """Register a Θ that was made elsewhere; the very same Θ gives the version that it is
        already."""
        response = await self._session.request(
            "POST",
            join_path("optimizers", name, "versions"),
            content=theta.to_bytes(),
            headers={"Content-Type": "application/octet-stream"},
            idempotent=True,
        )
        return self._session.decode_record(Version, response)

    def cached_file(self, sha256: str) -> Path:
        """Where `pull` keeps the Θ file with this digest."""
        return self._cache.locate_file(sha256)

    async def _resolve(self, name: str, ref: str, *, retry: bool) -> Version:
        path = join_path("optimizers", name, "versions", ref)
        response = await self._session.request("GET", path, retry=retry)
        version = self._session.decode_record(Version, response)
        _check_answer(version, name, ref)
        return version

    async def _download_version(self, name: str, version: Version) -> bytes:
        """The Θ file, which is in the cache from now on."""
        path = _join_weights_path(name, version.number)
        target = self._cache.locate_file(version.sha256)
        with self._cache.explain_failures():
            await download_to(
                self._session,
                path,
                target,
                max_bytes=MAX_THETA_BYTES,
                max_seconds=MAX_THETA_SECONDS,
                sha256=version.sha256,
            )
            return target.read_bytes()


class Optimizers:
    """The learned optimizers of a server. Each call raises the exceptions of
    `hyperadam.api.errors`.

    A `ref` is a version's number, an alias, or `latest`.
    """

    def __init__(self, twin: AsyncOptimizers) -> None:
        self._twin = twin

    list = blocking_iterator(AsyncOptimizers.list)
    get = blocking(AsyncOptimizers.get)
    versions = blocking_iterator(AsyncOptimizers.versions)
    version = blocking(AsyncOptimizers.version)
    annotate = blocking(AsyncOptimizers.annotate)
    compare = blocking(AsyncOptimizers.compare)
    weights = blocking(AsyncOptimizers.weights)
    verify = blocking(AsyncOptimizers.verify)
    pull = blocking(AsyncOptimizers.pull)
    push = blocking(AsyncOptimizers.push)
    aliases = blocking(AsyncOptimizers.aliases)
    set_alias = blocking(AsyncOptimizers.set_alias)
    delete_alias = blocking(AsyncOptimizers.delete_alias)
    archive = blocking(AsyncOptimizers.archive)
    restore = blocking(AsyncOptimizers.restore)
    delete = blocking(AsyncOptimizers.delete)
    history = blocking(AsyncOptimizers.history)

    def cached_file(self, sha256: str) -> Path:
        """Where `pull` keeps the Θ file with this digest."""
        return self._twin.cached_file(sha256)


def _make_search_params(
    tags: Sequence[str], rule: str | None, metrics: Sequence[str]
) -> dict[str, Any]:
    return {"tag": [*tags], "rule": rule, "metric": [*metrics]}


def _join_weights_path(name: str, ref: str | int) -> str:
    return join_path("optimizers", name, "versions", ref, "weights")


def _check_answer(version: Version, name: str, ref: str) -> None:
    """The version is the one that was asked for.

    Raises:
        BadAnswer: it has another name, or another number than was pinned.
    """
    is_other_number = ref.isdecimal() and version.number != int(ref)
    if version.optimizer != name or is_other_number:
        raise BadAnswer(f"the server answered with {version}, not with {name}@{ref}")


def _decode_theta(data: bytes, reference: str) -> Theta:
    from hyperadam.theta import Theta, ThetaError

    try:
        return Theta.from_bytes(data)
    except ThetaError as error:
        raise DamagedDownload(
            f"{reference} is not a Θ file that this version of hyperadam can run: {error}"
        ) from error
