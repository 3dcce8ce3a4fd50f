"""How a node asks an issuer: over real HTTP, by a SOCKS proxy, and what it makes of nonsense."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onmeet_node.accounts.errors import AccountError, IssuerRefused, IssuerUnreachable
from onmeet_node.accounts.issuer_client import open_issuer
from onmeet_node.net.asgi.config import ServerLimits
from onmeet_node.net.asgi.server import open_server
from onmeet_node.protocol.wire.seat import SeatLink
from tests.bootstrap.accounts.selling import CODE, EPOCH
from tests.bootstrap.accounts.test_accounts_server import served

pytestmark = pytest.mark.real


class SocksProxy:
    """SOCKS 5 (RFC 1928) without a password, for CONNECT; it remembers where to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(64)
            await stream.send_all(b"\x05\x00")
            asked = await stream.receive_some(300)
            assert asked[:3] == b"\x05\x01\x00"
            if asked[3] == 1:
                host, port = ".".join(map(str, asked[4:8])), asked[8:10]
            else:
                host, port = asked[5 : 5 + asked[4]].decode(), asked[-2:]
            self.asked.append((host, int.from_bytes(port, "big")))
            there = await trio.open_tcp_stream(*self.asked[-1])
            await stream.send_all(b"\x05\x00\x00\x01" + bytes(6))
            async with there, trio.open_nursery() as nursery:
                nursery.start_soon(self._copy, stream, there, nursery)
                nursery.start_soon(self._copy, there, stream, nursery)

    async def _copy(
        self, source: trio.SocketStream, sink: trio.SocketStream, nursery: trio.Nursery
    ) -> None:
        async for data in source:
            await sink.send_all(data)
        nursery.cancel_scope.cancel()


async def test_an_issuer_is_asked_by_the_proxy_that_its_user_named_and_not_otherwise(
    tmp_path: Path,
) -> None:
    proxy = SocksProxy()
    with trio.fail_after(60):
        async with served(tmp_path) as (server, _), trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, proxy.serve, 0)
            port = listeners[0].socket.getsockname()[1]
            issuer = server.addresses[0].removeprefix("http://")
            async with open_issuer(SeatLink(issuer, CODE), f"socks5://127.0.0.1:{port}") as client:
                assert (await client.allowance()).left[EPOCH] == 40
                assert EPOCH in (await client.directory()).keys
            assert set(proxy.asked) == {("127.0.0.1", int(issuer.rpartition(":")[2]))}
            asked = len(proxy.asked)
            async with open_issuer(SeatLink(issuer, CODE)) as client:
                await client.allowance()
            assert len(proxy.asked) == asked
            nursery.cancel_scope.cancel()
        async with open_issuer(SeatLink(issuer, CODE), f"socks5://127.0.0.1:{port}") as client:
            with pytest.raises(IssuerUnreachable):
                await client.allowance()


@asynccontextmanager
async def answering(answer: Callable[[], Response]) -> AsyncIterator[SeatLink]:
    """An issuer that gives everybody this answer."""
    import socket

    async def give(_: Request) -> Response:
        return answer()

    app = Starlette(routes=[Route("/{path:path}", give, methods=["GET", "POST"])])
    listener = socket.create_server(("127.0.0.1", 0))
    where = f"127.0.0.1:{listener.getsockname()[1]}"
    limits = ServerLimits(message_bytes=0, ping_seconds=60, write_seconds=5)
    async with open_server(app, [listener], limits):
        yield SeatLink(where, CODE)


def state(**changed: object) -> bytes:
    return json.dumps({"tokens_per_week": 1, "last_day": 2, "left": {"3": 4}, **changed}).encode()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"", IssuerUnreachable),
        (200, b"[]", IssuerUnreachable),
        (200, b"\xff\xfe", IssuerUnreachable),
        (200, b"[" * 4000, IssuerUnreachable),
        (200, b"x" * 100_000, IssuerUnreachable),
        (200, state(left=5), IssuerUnreachable),
        (200, state(left={"x": 1}), IssuerUnreachable),
        (200, state(left={"3": -1}), IssuerUnreachable),
        (200, state(tokens_per_week=True), IssuerUnreachable),
        (200, state(last_day=1e9), IssuerUnreachable),
        (302, b"", IssuerRefused),
        (403, b'{"reason": "allowance-used"}', IssuerRefused),
        (403, b'{"reason": 5}', IssuerRefused),
        (500, b"\xff", IssuerRefused),
    ],
)
async def test_what_an_issuer_says_wrongly_is_an_error_of_its_own(
    status: int, body: bytes, error: type[AccountError]
) -> None:
    with trio.fail_after(60):
        async with (
            answering(
                lambda: Response(body, status, headers={"location": "http://127.0.0.1:9/"})
            ) as seat,
            open_issuer(seat) as client,
        ):
            with pytest.raises(error) as caught:
                await client.allowance()
            assert "seat-" not in str(caught.value)
            with pytest.raises(AccountError):
                await client.directory()


async def test_signatures_are_as_many_and_as_long_as_they_come() -> None:
    with trio.fail_after(60):
        async with answering(lambda: Response(bytes(300))) as seat, open_issuer(seat) as client:
            assert [len(one) for one in await client.sign(b"x")] == [256, 44]
