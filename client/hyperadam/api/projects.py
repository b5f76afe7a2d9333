"""`client.projects`: teams that share a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from hyperadam.api.bridge import blocking, blocking_iterator
from hyperadam.api.models import Project
from hyperadam.api.session import Session, join_path


class AsyncProjects:
    """The projects of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> AsyncGenerator[Project]:
        """The projects that the key sees, by name."""
        return self._session.fetch_pages(Project, join_path("projects"))

    async def get(self, name: str) -> Project:
        """One project. Raises NotFound when the key sees none of this name."""
        return await self._session.get(Project, join_path("projects", name))

    async def create(
        self,
        name: str,
        description: str = "",
        *,
        quotas: Mapping[str, int | None] | None = None,
    ) -> Project:
        """A new project (scope `admin`).

        Args:
            name: small letters, digits and hyphens; it never changes.
            quotas: max_queued_jobs, max_running_jobs, max_cores, max_storage_bytes.
        """
        body = {"name": name, "description": description, "quotas": dict(quotas or {})}
        response = await self._session.post(join_path("projects"), body)
        return self._session.decode_record(Project, response)

    async def edit(
        self,
        name: str,
        *,
        description: str | None = None,
        archived: bool | None = None,
        quotas: Mapping[str, int | None] | None = None,
    ) -> Project:
        """Describe a project, archive it, open it again, or change quotas (scope `admin`); what is
        None stays, and of quotas what is not named."""
        fields = {"description": description, "archived": archived, "quotas": quotas}
        body = {field: value for field, value in fields.items() if value is not None}
        response = await self._session.request("PATCH", join_path("projects", name), body=body)
        return self._session.decode_record(Project, response)


class Projects:
    """The projects of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, twin: AsyncProjects) -> None:
        self._twin = twin

    list = blocking_iterator(AsyncProjects.list)
    get = blocking(AsyncProjects.get)
    create = blocking(AsyncProjects.create)
    edit = blocking(AsyncProjects.edit)
