"""Clients as no service wants them, each kind in a process of its own: they go on until they are
stopped.

    python -m benchmarks.load.strangers KIND HOST PORT < KEY

| kind | what they do |
|---|---|
| `half-sent` | 1,010 connections with half a request each, begun anew when they are closed |
| `slow` | 100 uploads that send a byte a second |
| `deaf` | 100 clients that ask for the OpenAPI document and never read it |
| `huge` | 8 clients that upload 15 MiB of `[{},{},…]` over and over |
| `nested` | 8 clients that submit jobs of 1 MiB of JSON over and over |
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Final

N_HALF_SENT: Final = 1010
N_SLOW: Final = 100
N_HUGE: Final = 8
AGAIN_SECONDS: Final = 0.2
"""After which a client that was let go connects again."""
MIB: Final = 2**20
BINARY: Final = "application/octet-stream"
Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


async def send_half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _key: str) -> None:
    writer.write(b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\n")
    await reader.read()


async def send_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
    writer.write(_make_head("/v1/optimizers/slow/versions", BINARY, MIB, key))
    while not reader.at_eof():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(1)


async def read_nothing(
    _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _key: str
) -> None:
    for _ in range(1000):
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
    await asyncio.sleep(60)


async def upload_huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
    header = b"[" + b"{}," * (5 * MIB - 1) + b"{}]"
    body = len(header).to_bytes(8, "little") + header
    await _send(
        reader, writer, "/v1/optimizers/huge/versions", "application/octet-stream", body, key
    )


async def submit_nested(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str
) -> None:
    content = b"[" + b"[1]," * (MIB // 4 - 100) + b"1]"
    body = b'{"kind": "study", "spec": {"space": ' + content + b"}}"
    await _send(reader, writer, "/v1/jobs", "application/json", body, key)


KINDS: Final[dict[str, tuple[int, Act]]] = {
    "half-sent": (N_HALF_SENT, send_half),
    "slow": (N_SLOW, send_slowly),
    "deaf": (N_SLOW, read_nothing),
    "huge": (N_HUGE, upload_huge),
    "nested": (N_HUGE, submit_nested),
}


async def _send(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    media_type: str,
    body: bytes,
    key: str,
) -> None:
    """One whole request, to the end of its answer."""
    writer.write(_make_head(path, media_type, len(body), key) + body)
    await writer.drain()
    await reader.read()


def _make_head(path: str, media_type: str, n_bytes: int, key: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {key}",
        f"Content-Type: {media_type}",
        f"Content-Length: {n_bytes}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def _go_on(act: Act, host: str, port: int, key: str) -> None:
    """One client, that connects again whenever it is let go."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                await act(reader, writer, key)
            finally:
                writer.close()
        await asyncio.sleep(AGAIN_SECONDS)


async def _attack(kind: str, host: str, port: int, key: str) -> None:
    n_clients, act = KINDS[kind]
    await asyncio.gather(*(_go_on(act, host, port, key) for _ in range(n_clients)))


if __name__ == "__main__":
    asyncio.run(_attack(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.stdin.read().strip()))
