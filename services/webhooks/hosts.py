"""Where webhooks may go: to hosts that the operator names, at addresses that are not private.

A URL of a client that the service follows is a way into the network behind it. So a host must be in
the operator's list, and each of its addresses must be a public one, or in a network that the
operator names as well. The address that was checked is the one that is connected to.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

MAX_URL_CHARS: Final = 500
_PORTS: Final = {"https": 443, "http": 80}
_NAT64: Final = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class ForbiddenTarget(Exception):
    """A webhook may not go there."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The parts of a webhook's URL."""

    is_secure: bool
    host: str
    port: int
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        default = _PORTS["https" if self.is_secure else "http"]
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == default else f"{host}:{self.port}"


def parse_target(url: str) -> Target:
    """
    Raises:
        ForbiddenTarget: it is no plain http or https URL.
    """
    if len(url) > MAX_URL_CHARS or not url.isascii() or any(c <= " " for c in url):
        raise ForbiddenTarget(
            f"must be a URL of at most {MAX_URL_CHARS} ASCII characters without white space"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenTarget(f"is no URL: {error}") from error
    _check_parts(parts)
    path = parts.path or "/"
    return Target(
        is_secure=parts.scheme == "https",
        host=(parts.hostname or "").rstrip("."),
        port=_PORTS[parts.scheme] if port is None else port,
        path=f"{path}?{parts.query}" if parts.query else path,
    )


def _check_parts(parts: SplitResult) -> None:
    if parts.scheme not in _PORTS or not (parts.hostname or "").strip("."):
        raise ForbiddenTarget("must be an https or http URL with a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ForbiddenTarget("must have no user, password or fragment")


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """What the operator allows."""

    names: tuple[str, ...]
    """`host`, `host:port`, or `*.domain` for the hosts below a domain."""
    networks: tuple[str, ...] = ()
    """Private networks in which such a host may be, also without TLS."""

    @classmethod
    def from_texts(cls, names: str, networks: str) -> Self:
        """From lists with commas.

        Raises:
            ValueError: a network is none.
        """
        hosts = cls(names=_split(names.lower()), networks=_split(networks))
        for network in hosts.networks:
            ip_network(network)
        return hosts

    def check(self, target: Target) -> None:
        """
        Raises:
            ForbiddenTarget: the host is not in the list.
        """
        if not self.names:
            raise ForbiddenTarget("this service sends no webhooks (HYPERADAM_WEBHOOK_HOSTS)")
        if not any(_matches(target, name) for name in self.names):
            raise ForbiddenTarget(
                f"{target.authority} is none of the hosts that this service sends webhooks to"
            )

    def resolve(self, target: Target) -> str:
        """An address of the host that may be connected to.

        Raises:
            ForbiddenTarget: one of its addresses is private, or there is no TLS on the way to it.
            OSError: it has none.
        """
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        texts = [str(entry[4][0]).partition("%")[0] for entry in found]
        for text in texts:
            is_named = self._is_in_network(ip_address(text))
            if not is_named and not is_public(ip_address(text)):
                raise ForbiddenTarget(f"{target.host} is at a private address")
            if not is_named and not target.is_secure:
                raise ForbiddenTarget(f"{target.host} is reached by https only")
        return texts[0]

    def _is_in_network(self, address: Address) -> bool:
        plain = unwrap(address)
        return any(plain in ip_network(network) for network in self.networks)


def is_public(address: Address) -> bool:
    """Whether packets to it leave for the internet, also of an IPv4 address in disguise."""
    plain = unwrap(address)
    return plain.is_global and not plain.is_multicast


def unwrap(address: Address) -> Address:
    """The IPv4 address in an IPv6 address that stands for one."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def _matches(target: Target, name: str) -> bool:
    host, colon, port = name.partition(":")
    is_default_port = target.port in _PORTS.values()
    if (port != str(target.port)) if colon else not is_default_port:
        return False
    if host.startswith("*."):
        return target.host.endswith(host[1:])
    return target.host == host


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
