"""`client.datasets`: what learners are trained on, and registering one's own."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO, Final

from hyperadam.api.bridge import blocking, blocking_iterator
from hyperadam.api.models import Dataset
from hyperadam.api.session import Session, join_path

_PIECE_BYTES: Final = 2**20


class AsyncDatasets:
    """The datasets of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> AsyncGenerator[Dataset]:
        """Datasets that a spec may name, built-in ones first."""
        return self._session.fetch_pages(Dataset, join_path("datasets"), page_size=None)

    async def get(self, name: str) -> Dataset:
        """One dataset."""
        return await self._session.get(Dataset, join_path("datasets", name))

    async def register(self, name: str, file: Path | str, *, title: str = "") -> Dataset:
        """Register an npz or safetensors file, which is sent piece by piece. The very same file
        gives the dataset that it is already.

        Args:
            name: what specs will call it.
            file: with the arrays `inputs` and `targets`; docs/datasets.md says of which types and
                shapes.
            title: what it is, for people.

        Raises:
            ValidationFailed: the file is no dataset; the message says what would be right.
            Conflict: another file has this name.
            TooLarge: it is too large, or the server has no room for it.
        """
        with Path(file).open("rb") as source:  # noqa: ASYNC230 (a local file)
            response = await self._session.request(
                "PUT",
                join_path("datasets", name),
                params={"title": title or None, "sha256": _digest(source)},
                file=source,
                headers={"Content-Type": "application/octet-stream"},
            )
        return self._session.decode_record(Dataset, response)

    async def delete(self, name: str) -> None:
        """Delete a registered dataset with its file.

        Raises:
            Conflict: a job that has not ended needs it.
        """
        await self._session.request("DELETE", join_path("datasets", name), idempotent=False)


class Datasets:
    """The datasets of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, twin: AsyncDatasets) -> None:
        self._twin = twin

    list = blocking_iterator(AsyncDatasets.list)
    get = blocking(AsyncDatasets.get)
    register = blocking(AsyncDatasets.register)
    delete = blocking(AsyncDatasets.delete)


def _digest(source: BinaryIO) -> str:
    """sha256 of a file from its beginning."""
    digest = hashlib.sha256()
    while piece := source.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()
