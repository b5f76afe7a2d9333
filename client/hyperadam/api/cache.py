"""Θ files that were downloaded before, by their sha256, under `$XDG_CACHE_HOME/hyperadam` or
`~/.cache/hyperadam`.

    theta/<sha256>.safetensors            the file
    versions/<server>/<name>/<number>     the sha256 of a version that was pulled
    signatures/<sha256 of its statement>  the signature of a version that had one

A damaged file is deleted and fetched again. With its digest known, a pinned version can be used
without the server. A version is immutable on its server, but a new server may stand at an old URL:
digests of versions are only read when the server does not answer.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperadam.api.errors import ConfigurationError
from hyperadam.names import check_digest, check_name
from hyperadam.signatures import Signature, make_statement


class ThetaCache:
    """Files by digest, and digests by pinned version. Safe to share between processes: files appear
    whole.

    Raises:
        ConfigurationError: from every method, where the folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def locate_file(self, sha256: str) -> Path:
        """Where the Θ file with this digest is, or belongs; its folder exists."""
        target = self.folder / "theta" / f"{check_digest(sha256)}.safetensors"
        with self.explain_failures():
            target.parent.mkdir(parents=True, exist_ok=True)
        return target

    @contextmanager
    def explain_failures(self) -> Iterator[None]:
        """A folder that cannot be used is said with what to do about it."""
        try:
            yield
        except OSError as error:
            raise ConfigurationError(
                f"the cache folder {self.folder} cannot be used: {error}; set XDG_CACHE_HOME to "
                "one that can"
            ) from error

    def get(self, sha256: str) -> bytes | None:
        """The file's bytes, if they are here and still have this digest."""
        file = self.locate_file(sha256)
        with self.explain_failures():
            try:
                data = file.read_bytes()
            except FileNotFoundError:
                return None
            if hashlib.sha256(data).hexdigest() != sha256:
                file.unlink(missing_ok=True)
                return None
        return data

    def remember(self, url: str, name: str, number: int, sha256: str) -> None:
        """Note which Θ a version of a server is."""
        target = self._locate_versions(url, name) / str(number)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
        with self.explain_failures():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(check_digest(sha256), encoding="ascii")
            partial.replace(target)

    def keep_signature(self, name: str, number: int, sha256: str, signature: Signature) -> None:
        """Note who has signed a version."""
        target = self._locate_signature(name, number, sha256)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
        with self.explain_failures():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(signature.as_text(), encoding="ascii")
            partial.replace(target)

    def recall_signature(self, name: str, number: int, sha256: str) -> Signature | None:
        """The signature of a version, if it had one when it was pulled."""
        with self.explain_failures():
            try:
                text = self._locate_signature(name, number, sha256).read_text(encoding="ascii")
                return Signature.from_text(text)
            except (FileNotFoundError, ValueError):
                return None

    def _locate_signature(self, name: str, number: int, sha256: str) -> Path:
        digest = hashlib.sha256(make_statement(name, number, sha256)).hexdigest()
        return self.folder / "signatures" / digest

    def recall(self, url: str, name: str, number: str) -> str | None:
        """The digest of a version of a server, if it was pulled before."""
        return self._read_digest(self._locate_versions(url, name) / number)

    def recall_anywhere(self, name: str, number: str) -> str | None:
        """The digest of a version that was pulled before, of whatever server; None if several mean
        different things by it."""
        with self.explain_failures():
            files = sorted(self.folder.glob(f"versions/*/{check_name(name)}/{number}"))
        digests = {self._read_digest(file) for file in files} - {None}
        return digests.pop() if len(digests) == 1 else None

    def _read_digest(self, file: Path) -> str | None:
        with self.explain_failures():
            try:
                sha256 = file.read_text(encoding="ascii")
            except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
                return None
        is_digest = len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
        return sha256 if is_digest else None

    def _locate_versions(self, url: str, name: str) -> Path:
        server = hashlib.sha256(url.encode()).hexdigest()[:16]
        return self.folder / "versions" / server / check_name(name)
