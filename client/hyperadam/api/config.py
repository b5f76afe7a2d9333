"""Where the server is and which key to show it. The only place where the client reads its
environment.

In this order: what the caller gives, `HYPERADAM_URL` and `HYPERADAM_API_KEY`, and the files that a
server started on this machine with `hyperadam-server up` leaves in its home (`HYPERADAM_HOME`, else
`~/.local/share/hyperadam`):

    server.json    {"url": "http://127.0.0.1:8000", "api_key_file": "api-key", "proof_key_file": …}
    api-key        the key; mode 0600
    proof-key      by which the server proves that it is this home's; mode 0600

A key is only ever sent to the server that it belongs to: the file's key never goes to a URL from
elsewhere, and a server that is known from these files proves itself first (`hyperadam.api.proof`).
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from hyperadam.api.errors import ConfigurationError
from hyperadam.signatures import SignatureProblem, TrustPolicy

URL_VARIABLE: Final = "HYPERADAM_URL"
KEY_VARIABLE: Final = "HYPERADAM_API_KEY"
HOME_VARIABLE: Final = "HYPERADAM_HOME"
TRUST_VARIABLE: Final = "HYPERADAM_TRUSTED_KEYS"
CERTIFICATE_VARIABLES: Final = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_DIR",
)
"""In this order: what OpenSSL, requests and curl are told by."""

_HOW_TO_GET_A_KEY: Final = (
    f"set {KEY_VARIABLE}, or pass api_key. `hyperadam-server up` shows a first key when it starts "
    "with a new home; whoever runs a shared server can make you one"
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A server and the key for it."""

    url: str
    """Without a slash at the end."""
    api_key: str = field(repr=False)
    proof_key: str | None = field(default=None, repr=False)
    """By which the server proves itself before it gets the key; None: it was named by the user."""


class _LocalServer(NamedTuple):
    """A server that was started on this machine."""

    url: str
    key_file: Path
    proof_key_file: Path | None
    """None: a version that has no proof started it."""


def resolve_settings(
    url: str | None = None, api_key: str | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings from arguments, environment and the files of a local server.

    Raises:
        ConfigurationError: there is no URL or no key, or one of them is malformed; the message says
            how to give it.
    """
    environment = os.environ if environment is None else environment
    home = find_home(environment)
    url = url or environment.get(URL_VARIABLE) or None
    api_key = api_key or environment.get(KEY_VARIABLE) or None
    local = None if url and api_key else _read_local_server(home)

    if url is None:
        if local is None:
            raise ConfigurationError(
                f"no server to talk to: set {URL_VARIABLE}, pass url, or start one here with "
                f"`hyperadam-server up` ({home} has no server.json)"
            )
        url = local.url
    url = check_url(url)

    if api_key is None and local is not None and local.url == url:
        api_key = _read_key(local.key_file)
    if api_key is None:
        raise ConfigurationError(
            f"no API key for {url}: {_describe_other_address(url, local)}{_HOW_TO_GET_A_KEY}"
        )
    proof_key = None if local is None or local.url != url else _read_proof_key(local)
    return Settings(url=url, api_key=check_key(api_key), proof_key=proof_key)


def read_url(environment: Mapping[str, str] | None = None) -> str | None:
    """The server that the environment names."""
    environment = os.environ if environment is None else environment
    return environment.get(URL_VARIABLE) or None


def load_trust_policy(
    file: Path | None = None, environment: Mapping[str, str] | None = None
) -> TrustPolicy | None:
    """Whose signatures pulled versions must have: keys in `file`, else in that which the
    environment names; None: nobody asks for one.

    Raises:
        ConfigurationError: there is a file, and it cannot be read or names no key.
    """
    environment = os.environ if environment is None else environment
    place = file or environment.get(TRUST_VARIABLE) or None
    if place is None:
        return None
    try:
        return TrustPolicy.load(Path(place).expanduser())
    except SignatureProblem as error:
        raise ConfigurationError(str(error)) from error


def find_certificates(environment: Mapping[str, str] | None = None) -> Path | None:
    """The file or folder of certificates that servers are checked against; None: the system's.

    Raises:
        ConfigurationError: the one that the environment names is not there.
    """
    environment = os.environ if environment is None else environment
    for variable in CERTIFICATE_VARIABLES:
        value = environment.get(variable)
        if not value:
            continue
        if not Path(value).exists():
            raise ConfigurationError(f"{variable} names {value}, which is not there")
        return Path(value)
    return None


def find_home(environment: Mapping[str, str]) -> Path:
    """The home of a server on this machine."""
    home = environment.get(HOME_VARIABLE)
    if home:
        return Path(home).expanduser()
    return Path.home() / ".local" / "share" / "hyperadam"


def check_url(url: str) -> str:
    """The URL without a slash at its end.

    Raises:
        ConfigurationError: it is not an http(s) URL of a server, or has a query, a fragment or a
            user in it.
    """
    try:
        parts = urlsplit(url)
        names_a_host = bool(parts.hostname) and parts.port != 0
        is_url = parts.scheme in ("http", "https") and names_a_host
    except ValueError:
        is_url = False
    if not is_url:
        raise ConfigurationError(
            f"url must begin with http:// or https:// and name a host, got {url!r}"
        )
    if parts.query or parts.fragment or parts.username is not None:
        raise ConfigurationError("url must not have a user, a query or a fragment")
    address = url.rstrip("/")
    if parts.path.rstrip("/").endswith("/v1"):
        raise ConfigurationError(
            f"url must be the server's address alone, {address.removesuffix('/v1')!r} instead of "
            f"{url!r}: /v1 is added to it"
        )
    return address


def is_loopback(url: str) -> bool:
    """Whether a URL is of this very machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _describe_other_address(url: str, local: _LocalServer | None) -> str:
    """Of a local server that may be meant, but is known by another address."""
    if local is None or not (is_loopback(url) and is_loopback(local.url)):
        return ""
    return f"the key of the server on this machine belongs to {local.url}, use that address; or "


def check_key(api_key: str) -> str:
    """
    Raises:
        ConfigurationError: it is no key and no token.
    """
    if not api_key:
        raise ConfigurationError("the API key is empty")
    is_visible = all("!" <= character <= "~" for character in api_key)
    if not is_visible:
        raise ConfigurationError(
            "the API key must be visible ASCII characters without spaces; was it copied whole?"
        )
    return api_key


def _read_local_server(home: Path) -> _LocalServer | None:
    """The server whose home this is; None: there is none."""
    file = home / "server.json"
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
        key_file = home / str(data.get("api_key_file", "api-key"))
        proof_name = data.get("proof_key_file")
        proof_key_file = home / str(proof_name) if proof_name else None
        return _LocalServer(check_url(data["url"]), key_file, proof_key_file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{file} is not a server's address: {error}") from error


def _read_proof_key(local: _LocalServer) -> str:
    """
    Raises:
        ConfigurationError: there is none, so that any process could pass for this server.
    """
    proof_key = _read_key(local.proof_key_file) if local.proof_key_file else None
    if proof_key is None:
        raise ConfigurationError(
            f"the server at {local.url} cannot prove that it is the one of this machine; it is of "
            "an older version, or its files are damaged: stop it and start it again with "
            "`hyperadam-server up`"
        )
    return proof_key


def _read_key(file: Path) -> str | None:
    try:
        if os.name == "posix" and _others_may_read(file):
            raise ConfigurationError(
                f"{file} can be read by other users: chmod 600 it, or make a new key"
            )
        return file.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read the API key: {error}") from error


def _others_may_read(file: Path) -> bool:
    return bool(stat.S_IMODE(file.stat().st_mode) & 0o077)
