"""Listening sockets of the server."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from services.container import Container
from services.serving import ApiServer, CannotListen, format_url, listen


def test_small_answers_are_not_held_back() -> None:
    """Connections have Nagle's algorithm off.

    With it, every answer in two packets waits 40 ms for the other side.
    """

    async def read_option_of_a_connection() -> int:
        option: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            option.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen("127.0.0.1", 0)
        async with await asyncio.start_server(look, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return await option

    assert asyncio.run(read_option_of_a_connection()) != 0


def test_a_taken_port_is_a_clear_error() -> None:
    with listen("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        assert format_url(listener) == f"http://127.0.0.1:{port}"
        with pytest.raises(
            CannotListen, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"
        ):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_six_is_understood_with_and_without_brackets(host: str) -> None:
    with listen(host, 0) as listener:
        assert format_url(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_no_address_at_all_is_a_clear_error() -> None:
    with pytest.raises(CannotListen, match="cannot listen on no host:0"):
        listen("no host", 0)


def test_how_long_connections_are_kept_is_a_setting(services: Container) -> None:
    settings = services.settings.model_copy(update={"keep_alive_seconds": 75.0})
    patient = replace(services, settings=settings)
    assert ApiServer(patient, lambda: None).config.timeout_keep_alive == 75
