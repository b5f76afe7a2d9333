"""Files from and to a repository of the Hub, by huggingface_hub."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any, Final

from hyperadam import __version__

FILE_NAME: Final = "theta.safetensors"
"""Of the Θ in a repository."""
_LIBRARY: Final = {"library_name": "hyperadam", "library_version": __version__}


def load_library() -> Any:
    """The module `huggingface_hub`.

    Raises:
        ImportError: it is not installed; the message says how it is.
    """
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ImportError(
            "the Hub needs the extra `hub`: pip install 'hyperadam[hub]'", name=error.name
        ) from error


def download_file(
    repo_id: str,
    filename: str,
    *,
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
    endpoint: str | None,
) -> str:
    """Where the file lies, in the Hub's cache. What is larger than a Θ file may be is not fetched.

    Raises:
        ThetaError: the file is too large.
    """
    from hyperadam.theta import MAX_FILE_BYTES, ThetaError

    hub = load_library()
    place = {
        "repo_id": repo_id,
        "filename": filename,
        "revision": revision,
        "token": token,
        "cache_dir": cache_dir,
        "local_files_only": local_files_only,
        "endpoint": endpoint,
        **_LIBRARY,
    }
    found = hub.hf_hub_download(**place, dry_run=True)
    if found.file_size > MAX_FILE_BYTES:
        raise ThetaError(
            f"{filename} of {repo_id} has {found.file_size} bytes, at most {MAX_FILE_BYTES} are "
            "accepted"
        )
    path: str = hub.hf_hub_download(**place)
    return path


def upload_files(
    repo_id: str,
    files: Mapping[str, bytes],
    *,
    revision: str | None,
    message: str,
    private: bool | None,
    token: str | bool | None,
    endpoint: str | None,
) -> str:
    """One commit with all files; its hash.

    Args:
        files: name in the repository → content.
    """
    hub = load_library()
    api = hub.HfApi(endpoint=endpoint, token=token, **_LIBRARY)
    api.create_repo(repo_id, private=private, exist_ok=True)
    additions = [
        hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
        for name, content in files.items()
    ]
    commit = api.create_commit(repo_id, additions, commit_message=message, revision=revision)
    oid: str = commit.oid
    return oid
