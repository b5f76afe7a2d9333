"""Sockets that processes listen on, as Linux shows them in /proc."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"


def list_descendants(root: int) -> set[int]:
    """The process and all that come from it, by /proc."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            after_name = (folder / "stat").read_text().rpartition(")")[2]
            parent = int(after_name.split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found: set[int] = set()
    pending = [root]
    while pending:
        process = pending.pop()
        found.add(process)
        pending += children.get(process, [])
    return found


def list_listening(processes: Iterable[int]) -> list[tuple[str, int, int]]:
    """Address, port and process of every TCP socket that one of these processes listens on."""
    addresses = _read_listening()
    found = []
    for process in processes:
        for inode in _list_sockets(process):
            if inode in addresses:
                address, port = addresses[inode]
                found.append((address, port, process))
    return sorted(set(found))


def _read_listening() -> dict[str, tuple[str, int]]:
    """Inode → address and port of the sockets that anybody listens on."""
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] != _LISTENING:
                continue
            digits, _, port = fields[1].partition(":")
            found[fields[9]] = (_parse_address(digits), int(port, 16))
    return found


def _parse_address(digits: str) -> str:
    """The kernel writes addresses as words of 32 bits, each with its lowest byte first."""
    words = [bytes.fromhex(digits[start : start + 8])[::-1] for start in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _list_sockets(process: int) -> set[str]:
    inodes = set()
    with suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[len("socket:[") : -1])
    return inodes
