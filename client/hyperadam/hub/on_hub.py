"""What a Θ can do with the Hub."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from hyperadam.hub.repository import FILE_NAME, download_file, upload_files

if TYPE_CHECKING:
    from hyperadam.api.models import Version
    from hyperadam.theta import Theta


class OnHub:
    """Base of `Theta`."""

    @classmethod
    def from_pretrained(
        cls,
        repo_id: str,
        revision: str | None = None,
        *,
        filename: str = FILE_NAME,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        endpoint: str | None = None,
    ) -> Theta:
        """The Θ in a repository of the Hub, verified as every file is, or from the Hub's own cache.

        Example:
            >>> theta = hyperadam.Theta.from_pretrained("org/name", revision="1f0c…")

        Args:
            repo_id: `owner/name`, of a repository of models.
            revision: a branch, a tag or a commit; None: the main branch. A commit alone is the same
                file for ever.
            filename: the Θ file in it.
            token: of the Hub, as huggingface_hub takes it; None: the one that is logged in.
            cache_dir: None: the Hub's own cache.
            local_files_only: only what lies in the cache.
            endpoint: the address of a Hub; None: `HF_ENDPOINT`, or the public one.

        Raises:
            ImportError: huggingface_hub is not installed.
            ThetaError: the file is too large, or no Θ file.
            OSError: those of huggingface_hub: no such repository, revision or file, no access, no
                network.
            ValueError: `repo_id` is no name of a repository.
        """
        from hyperadam.theta import Theta

        path = download_file(
            repo_id,
            filename,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            endpoint=endpoint,
        )
        return Theta.load(path)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        version: Version | None = None,
        license: str | None = None,  # noqa: A002  the Hub's own word
        revision: str | None = None,
        commit_message: str = "Add a learned optimizer",
        private: bool | None = None,
        token: str | bool | None = None,
        endpoint: str | None = None,
    ) -> str:
        """Upload the Θ file with a model card; the repository is made if need be.

        The card says what is in the file, how it was made, and what evaluations found, with a
        header that the Hub reads. Files of these two names in the repository are replaced.

        Example:
            >>> version = client.optimizers.version("hyperadam", 3)
            >>> theta = client.optimizers.pull("hyperadam@3")
            >>> commit = theta.push_to_hub("org/name", version=version, license="apache-2.0")

        Args:
            repo_id: `owner/name`, of a repository of models.
            version: what a service knows of this Θ: its evaluations become the table of results.
            license: an identifier of the Hub's list, as `apache-2.0`.
            revision: the branch; None: the main one.
            private: of a new repository: only its owner sees it.
            token, endpoint: as of `from_pretrained`.

        Returns:
            The commit: `from_pretrained(repo_id, revision=commit)` gives this Θ for ever.

        Raises:
            ImportError: huggingface_hub is not installed.
            ValueError: the version is of another Θ, or `repo_id` is no name of a repository.
            OSError: those of huggingface_hub: no access, no network.
        """
        from hyperadam.hub.card import write_card

        theta = cast("Theta", self)
        if version is not None and version.sha256 != theta.sha256:
            raise ValueError(
                f"version is {version}, of the Θ {version.sha256}; this one is {theta.sha256}"
            )
        card = write_card(theta, repo_id, version=version, license=license)
        files = {FILE_NAME: theta.to_bytes(), "README.md": card.encode()}
        return upload_files(
            repo_id,
            files,
            revision=revision,
            message=commit_message,
            private=private,
            token=token,
            endpoint=endpoint,
        )
