"""`Client` and `AsyncClient`: the service, from Python. The second is the first with `await`."""

from __future__ import annotations

import ssl
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import httpx2

from hyperadam import __version__
from hyperadam.api.bridge import AsyncWire, BlockingWire, Wire, blocking, run
from hyperadam.api.config import (
    Settings,
    find_certificates,
    is_loopback,
    load_trust_policy,
    read_url,
    resolve_settings,
)
from hyperadam.api.datasets import AsyncDatasets, Datasets
from hyperadam.api.errors import ConfigurationError
from hyperadam.api.jobs import AsyncJobs, Jobs
from hyperadam.api.keys import AsyncKeys, Keys
from hyperadam.api.models import Readiness
from hyperadam.api.offline import open_cache, pull_offline
from hyperadam.api.optimizers import AsyncOptimizers, Optimizers
from hyperadam.api.projects import AsyncProjects, Projects
from hyperadam.api.proof import ProvenServer
from hyperadam.api.retry import RetryPolicy
from hyperadam.api.session import Session
from hyperadam.api.specs import AsyncSpecs, Specs
from hyperadam.api.studies import AsyncStudies, Studies
from hyperadam.api.tokens import FreshToken, TokenSource
from hyperadam.api.trust import Trust

if TYPE_CHECKING:
    from hyperadam.theta import Theta

TIMEOUT_SECONDS: Final = 30.0
_LATER: Final = "later"
"""In place of a key that is asked for when it is needed."""


class AsyncClient:
    """The service, from asyncio: `Client` with `await`, made from the same arguments, with the same
    errors.

    Example:
        >>> async with hyperadam.AsyncClient() as client:
        ...     job = await client.jobs.submit("meta-training", {"preset": "quick"})
        ...     async for event in client.jobs.follow(job.id):
        ...         print(event.type, event.data)
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | TokenSource | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        trusted_keys: Path | None = None,
        project: str | None = None,
    ) -> None:
        settings = _resolve(url, api_key)
        http = httpx2.AsyncClient(
            **_choose_options(settings, timeout, project, api_key), transport=transport
        )
        self._connect(AsyncWire(http), settings.url, retry, trusted_keys)

    def _connect(
        self, wire: Wire, url: str, retry: RetryPolicy | None, trusted_keys: Path | None
    ) -> None:
        cache = open_cache()
        trust = Trust(load_trust_policy(trusted_keys), cache)
        self._session = Session(wire, url, retry or RetryPolicy())
        self.jobs = AsyncJobs(self._session)
        self.optimizers = AsyncOptimizers(self._session, cache, trust)
        self.studies = AsyncStudies(self._session)
        self.keys = AsyncKeys(self._session)
        self.specs = AsyncSpecs(self._session)
        self.projects = AsyncProjects(self._session)
        self.datasets = AsyncDatasets(self._session)

    @classmethod
    def over_wire(
        cls, wire: Wire, url: str, retry: RetryPolicy | None, trusted_keys: Path | None = None
    ) -> Self:
        """A client over an open wire, which may be a blocking one: the twin of a `Client`."""
        client = cls.__new__(cls)
        client._connect(wire, url, retry, trusted_keys)
        return client

    @property
    def url(self) -> str:
        """The server's address."""
        return self._session.url

    async def live(self) -> bool:
        """Whether the server's process answers; one try. Raises ServerUnreachable when nothing
        does."""
        response = await self._session.request("GET", "/livez", retry=False)
        return response.is_success

    async def ready(self) -> Readiness:
        """Whether the server can do its work; one try. Raises ServerUnreachable when nothing
        answers."""
        not_ready = frozenset({503})
        response = await self._session.request("GET", "/readyz", retry=False, also=not_ready)
        return self._session.decode_record(Readiness, response)

    async def aclose(self) -> None:
        """Give all connections back."""
        await self._session.wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class Client:
    """The service, from Python.

    Args:
        url: the server; default: `HYPERADAM_URL`, else the server that runs on this machine.
        api_key: a key, a token of the server's issuer, or a function that gives one that is valid
            now; default: `HYPERADAM_API_KEY`, else the local server's own.
        timeout: seconds that the server may be silent during a call.
        retry: how failures that may pass are met.
        transport: an `httpx2` transport in place of the network.
        trusted_keys: a file of keys, one of which must have signed whatever is pulled; default:
            the one that `HYPERADAM_TRUSTED_KEYS` names, if it does (`hyperadam.signatures`).
        project: act in this project, and see it alone; default: that of the key.

    Raises:
        ConfigurationError: no server or no key is known; the message says how to give one.

    Example:
        >>> with hyperadam.Client() as client:
        ...     job = client.jobs.submit("meta-training", {"preset": "quick"})
        ...     for event in client.jobs.follow(job.id):
        ...         print(event.type, event.data)
        ...     theta = client.optimizers.pull("quick@latest")
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | TokenSource | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        transport: httpx2.BaseTransport | None = None,
        trusted_keys: Path | None = None,
        project: str | None = None,
    ) -> None:
        settings = _resolve(url, api_key)
        http = httpx2.Client(
            **_choose_options(settings, timeout, project, api_key), transport=transport
        )
        self._twin = AsyncClient.over_wire(BlockingWire(http), settings.url, retry, trusted_keys)
        self.jobs = Jobs(self._twin.jobs)
        self.optimizers = Optimizers(self._twin.optimizers)
        self.studies = Studies(self._twin.studies)
        self.keys = Keys(self._twin.keys)
        self.specs = Specs(self._twin.specs)
        self.projects = Projects(self._twin.projects)
        self.datasets = Datasets(self._twin.datasets)

    @property
    def url(self) -> str:
        """The server's address."""
        return self._twin.url

    live = blocking(AsyncClient.live)
    ready = blocking(AsyncClient.ready)

    def close(self) -> None:
        """Give all connections back."""
        run(self._twin.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def pull(
    reference: str, *, url: str | None = None, api_key: str | TokenSource | None = None
) -> Theta:
    """The Θ of `name@ref` (a number, an alias or `latest`; a bare name means `latest`).

    Verified by its digest and kept in a local cache; a numbered version that was pulled before also
    works offline. See `Client` for `url` and `api_key`, `AsyncOptimizers.pull` for the errors.

    Example:
        >>> theta = hyperadam.pull("hyperadam@latest")
        >>> optimizer = hyperadam.HyperAdam(model.parameters(), theta=theta)
    """
    try:
        client = Client(url, api_key)
    except ConfigurationError as error:
        theta = pull_offline(reference, url or read_url(), error)
        if theta is None:
            raise
        return theta
    with client:
        return client.optimizers.pull(reference)


def _choose_verification(url: str) -> ssl.SSLContext | bool:
    """What certificates of the server are checked against; True: the system's.

    Raises:
        ConfigurationError: the environment names certificates that cannot be read.
    """
    if not url.startswith("https:"):
        return True
    certificates = find_certificates()
    if certificates is None:
        return True
    is_folder = certificates.is_dir()
    try:
        return ssl.create_default_context(
            cafile=None if is_folder else str(certificates),
            capath=str(certificates) if is_folder else None,
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{certificates} holds no certificates: {error}") from error


def _resolve(url: str | None, api_key: str | TokenSource | None) -> Settings:
    """The settings; with a function for a key, those of the URL alone.

    Raises:
        ConfigurationError: the URL would be that of a server on this machine, which has a key.
    """
    if not callable(api_key):
        return resolve_settings(url, api_key)
    settings = resolve_settings(url, _LATER)
    if settings.proof_key is not None:
        raise ConfigurationError("a function in place of a key needs the server's url, too")
    return settings


def _choose_options(
    settings: Settings, timeout: float, project: str | None, api_key: str | TokenSource | None
) -> dict[str, Any]:
    headers = {"Accept": "application/json", "User-Agent": f"hyperadam/{__version__}"}
    if project is not None:
        headers["HyperAdam-Project"] = project
    auth: httpx2.Auth | None = None
    if callable(api_key):
        auth = FreshToken(api_key)
    elif settings.proof_key is None:
        headers["Authorization"] = f"Bearer {settings.api_key}"
    else:
        auth = ProvenServer(settings.url, settings.api_key, settings.proof_key)
    return {
        "base_url": settings.url,
        "timeout": timeout,
        # A key for this machine stays on it: a proxy named by the environment never sees it.
        "trust_env": not is_loopback(settings.url),
        "verify": _choose_verification(settings.url),
        "headers": headers,
        "auth": auth,
    }
