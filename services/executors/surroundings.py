"""The environment of processes that the service starts: built from what they need, not inherited.

A variable of another program has broken them before they could say so: a module of a project's own
in the working folder, a proxy before loopback, a long folder for temporary files, a token of
another Ray. So only names that are known to be wanted go on, and the working folder is no place of
modules.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import hyperadam

LONGEST_TEMPORARY: Final = 22
"""Characters of the folder for temporary files: Ray's sockets lie below it, and the operating
system takes 107 in a socket's whole path."""

_KEPT: Final = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "CC", "CXX"),
        *("VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD", "MALLOC_ARENA_MAX"),
        *("HYPERADAM_KERNEL", "XDG_CACHE_HOME"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "STORAGE_EMULATOR_HOST"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    }
)
_KEPT_PREFIXES: Final = (
    *("LC_", "OMP_", "KMP_", "MKL_", "OPENBLAS_", "TORCH", "CUDA_", "NVIDIA_", "NCCL_"),
    *("AWS_", "MLFLOW_S3_", "AZURE_", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
)
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def build_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What a child is started with, from what this process has."""
    environment = {
        name: value
        for name, value in inherited.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    if len(environment.get("TMPDIR", "")) > LONGEST_TEMPORARY:
        del environment["TMPDIR"]
    _spare_loopback(environment)
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join(_list_code_folders(inherited.get("PYTHONPATH", ""))),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _spare_loopback(environment: dict[str, str]) -> None:
    """No proxy stands before this machine itself."""
    for name in ("NO_PROXY", "no_proxy"):
        before = [part for part in environment.get(name, "").split(",") if part.strip()]
        missing = [host for host in _LOOPBACK if host not in before]
        environment[name] = ",".join([*before, *missing])


def _list_code_folders(python_path: str) -> list[str]:
    """Where children find this very code and what else PYTHONPATH names, without the working
    folder."""
    named = [str(Path(part).resolve()) for part in python_path.split(os.pathsep) if part]
    ours = [str(Path(__file__).resolve().parents[2]), str(Path(hyperadam.__file__).parents[1])]
    installed = {str(Path(folder).resolve()) for folder in sys.path if "-packages" in folder}
    sources = [folder for folder in ours if folder not in installed]
    return list(dict.fromkeys([*named, *sources]))
