"""What a registry's admins decide of versions: aliases, and which are archived or deleted."""

from __future__ import annotations

from hyperadam.api.decode import decode
from hyperadam.api.models import Aliases, Version, VersionHistory
from hyperadam.api.pages import fetch_whole
from hyperadam.api.session import Session, join_path


class AsyncStanding:
    """Part of `AsyncOptimizers`. All but the reads need a key with the scope `admin`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def aliases(self, name: str) -> Aliases:
        """Its aliases, and every change of them."""
        path = join_path("optimizers", name, "aliases")
        return decode(Aliases, await fetch_whole(self._session, path, "history"))

    async def set_alias(
        self,
        name: str,
        alias: str,
        version: int,
        *,
        reason: str | None = None,
        protected: bool | None = None,
    ) -> Version:
        """Create or move an alias; the reason goes into its history.

        Args:
            protected: True: from now on only promotion rules move it; False: that is over; None: as
                it is.

        Raises:
            Conflict: it is protected, and stays so.
        """
        fields = {"version": version, "reason": reason, "protected": protected}
        body = {field: value for field, value in fields.items() if value is not None}
        path = join_path("optimizers", name, "aliases", alias)
        response = await self._session.request("PUT", path, body=body)
        return self._session.decode_record(Version, response)

    async def delete_alias(self, name: str, alias: str, *, reason: str | None = None) -> None:
        """Remove an alias; the version stays. Raises NotFound when there is none, Conflict when it
        is protected."""
        path = join_path("optimizers", name, "aliases", alias)
        await self._session.request("DELETE", path, params={"reason": reason})

    async def archive(self, name: str, version: int, *, reason: str | None = None) -> Version:
        """Take a version out of lists and from `latest`; whoever names it has it.

        Raises:
            Conflict: an alias points at it, or a job that has not ended needs it.
        """
        return await self._change(name, version, "archive", reason)

    async def restore(self, name: str, version: int, *, reason: str | None = None) -> Version:
        """Bring an archived version back."""
        return await self._change(name, version, "restore", reason)

    async def delete(
        self, name: str, version: int, *, reason: str | None = None, force: bool = False
    ) -> None:
        """Delete a version with its file; its number is never given again.

        Args:
            force: also where other versions were trained from it. They stay, but no evaluation can
                say any more what meta-training added to them.

        Raises:
            Conflict: an alias points at it, or a job that has not ended needs it; or, without
                `force`, other versions were trained from it.
        """
        path = join_path("optimizers", name, "versions", str(version))
        params = {"reason": reason, "force": "true" if force else None}
        await self._session.request("DELETE", path, params=params)

    async def history(self, name: str) -> VersionHistory:
        """Each archiving, restoring and deletion of its versions, oldest first."""
        path = join_path("optimizers", name, "history")
        return decode(VersionHistory, await fetch_whole(self._session, path, "items"))

    async def _change(self, name: str, version: int, action: str, reason: str | None) -> Version:
        path = join_path("optimizers", name, "versions", str(version), action)
        body = {} if reason is None else {"reason": reason}
        response = await self._session.request("POST", path, body=body)
        return self._session.decode_record(Version, response)
