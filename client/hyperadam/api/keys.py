"""`client.keys`: API keys, for those who may make them (scope `admin`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta

from hyperadam.api.bridge import blocking, blocking_iterator
from hyperadam.api.models import ApiKey, NewApiKey
from hyperadam.api.moments import format_moment
from hyperadam.api.session import Session, join_path


class AsyncKeys:
    """The API keys of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def current(self) -> ApiKey:
        """The key that this client uses."""
        return await self._session.get(ApiKey, join_path("keys", "self"))

    def list(self) -> AsyncGenerator[ApiKey]:
        """All keys, revoked ones too."""
        return self._session.fetch_pages(ApiKey, join_path("keys"))

    async def create(
        self,
        name: str,
        scopes: Sequence[str] = ("read",),
        *,
        expires: datetime | timedelta | None = None,
        project: str | None = None,
    ) -> NewApiKey:
        """A new key; `.key` is shown this once.

        Args:
            name: whose it is.
            scopes: read, submit, admin; each implies those before it.
            expires: a moment, or a time from now; None: never.
            project: where its holder acts; None: `default`.
        """
        body = {"name": name, "scopes": [*scopes], "expires_at": format_moment(expires)}
        if project is not None:
            body["project"] = project
        response = await self._session.request("POST", join_path("keys"), body=body)
        return self._session.decode_record(NewApiKey, response)

    async def revoke(self, key_id: str) -> None:
        """Make a key worthless."""
        await self._session.request("DELETE", join_path("keys", key_id))


class Keys:
    """The API keys of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, twin: AsyncKeys) -> None:
        self._twin = twin

    current = blocking(AsyncKeys.current)
    list = blocking_iterator(AsyncKeys.list)
    create = blocking(AsyncKeys.create)
    revoke = blocking(AsyncKeys.revoke)
