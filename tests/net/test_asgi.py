"""Our HTTP server by itself: what it serves, whom it ends, and for whom it does not."""

from __future__ import annotations

import logging
import socket
import ssl
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from onmeet_node.net.asgi.config import ServerLimits
from onmeet_node.net.asgi.forwarded import asker
from onmeet_node.net.asgi.server import open_server, tls_context
from onmeet_node.process import faults
from tests.bootstrap.test_gateway import a_certificate
from tests.net.odd_http import KEY, frame

pytestmark = pytest.mark.real

LIMITS = ServerLimits(message_bytes=1_000, ping_seconds=60.0, write_seconds=30.0)
HEAD = b"Host: x\r\n"
HALF = b"GET / HTTP/1.1\r\n" + HEAD + b"X: "
UPGRADE = (
    b"GET /ws HTTP/1.1\r\n" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)


class App:
    """Routes that do what a test needs."""

    def __init__(self):
        self.fault = None
        self.asked = trio.Event()
        self.go_on = trio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self.hello),
                Route("/echo", self.echo, methods=["POST"]),
                Route("/large", self.large),
                Route("/slow", self.slow),
                Route("/fault", self.fail),
                Route("/half-fault", self.fail_half_way),
                WebSocketRoute("/ws", self.talk),
                WebSocketRoute("/ws-fault", self.fail_talking),
            ]
        )

    async def hello(self, request):
        return PlainTextResponse(f"hello {request.client.host}")

    async def echo(self, request):
        return Response(await request.body())

    async def large(self, _request):
        return Response(bytes(50 * 2**20))

    async def slow(self, _request):
        self.asked.set()
        await self.go_on.wait()
        return PlainTextResponse("at last")

    async def fail(self, _request):
        raise self.fault

    async def fail_half_way(self, _request):
        async def app(_scope, _receive, send):
            headers = [(b"content-length", b"100")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            raise self.fault

        return app

    async def talk(self, websocket):
        await websocket.accept()
        await websocket.send_text("welcome")
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    async def fail_talking(self, websocket):
        await websocket.accept()
        raise self.fault


@asynccontextmanager
async def serving(limits=LIMITS, **options):
    app = App()
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    app.port = listener.getsockname()[1]
    async with open_server(app.app, [listener], limits, **options) as app.server:
        yield app


class Client:
    def __init__(self, stream):
        self.stream = stream

    async def said(self, raw):
        """All that is answered to raw bytes, up to the end."""
        await self.stream.send_all(raw)
        answer = b""
        with trio.fail_after(60):
            try:
                while got := await self.stream.receive_some():
                    answer += got
            except trio.BrokenResourceError:
                pass  # reset: that is an end too
        return answer

    async def until(self, words):
        got = b""
        with trio.fail_after(60):
            while words not in got:
                part = await self.stream.receive_some()
                assert part, got
                got += part
        return got


@asynccontextmanager
async def connected(app, source=None, trust=None):
    stream = await trio.open_tcp_stream("127.0.0.1", app.port, local_address=source)
    if trust is not None:
        stream = trio.SSLStream(stream, trust, server_hostname="127.0.0.1", https_compatible=True)
    try:
        yield Client(stream)
    finally:
        await trio.aclose_forcefully(stream)


async def ask(app, path="/", head=b"", method=b"GET", body=b"", source=None):
    async with connected(app, source) as client:
        close = b"Connection: close\r\n"
        line = method + b" " + path.encode() + b" HTTP/1.1\r\n"
        return await client.said(line + HEAD + close + head + b"\r\n" + body)


# ── what is served ───────────────────────────────────────────────────────────────────────────────
async def test_requests_of_one_line_are_answered_in_their_order():
    async with serving() as app, connected(app) as client:
        one = b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n"
        post = b"POST /echo HTTP/1.1\r\n" + HEAD
        chunks = b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;a=b\r\nc\r\n0\r\n\r\n"
        last = one.replace(HEAD, HEAD + b"Connection: close\r\n")
        answer = await client.said(
            one * 200 + post + b"Content-Length: 3\r\n\r\nxyz" + post + chunks + last
        )
        assert answer.count(b"HTTP/1.1 200") == 203
        assert answer.index(b"xyz") < answer.index(b"abc") < answer.rindex(b"hello")


async def test_head_has_no_body_and_whoever_waits_to_send_theirs_is_told_to():
    async with serving() as app:
        answer = await ask(app, method=b"HEAD")
        assert b"content-length: 15" in answer
        assert answer.endswith(b"\r\n\r\n")
        async with connected(app) as client:
            head = b"POST /echo HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\n"
            await client.stream.send_all(head + b"Content-Length: 2\r\n\r\n")
            await client.until(b"HTTP/1.1 100 ")
            await client.stream.send_all(b"ok")
            await client.until(b"\r\n\r\nok")


async def test_a_websocket_of_somebody_who_did_not_wait_for_the_answer():
    async with serving() as app, connected(app) as client:
        await client.stream.send_all(UPGRADE + frame(0x81, b"early"))
        await client.until(b"early")


async def test_an_answer_that_is_being_given_when_the_server_stops_is_given_whole():
    answers = []
    async with trio.open_nursery() as nursery:

        async def slow(app):
            answers.append(await ask(app, "/slow"))

        async def idle(app, task_status):
            async with connected(app) as client:
                await client.stream.send_all(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
                await client.until(b"hello")
                task_status.started()
                assert await client.said(b"") == b"", "an idle line ends at once"
                app.go_on.set()

        async with serving() as app:
            await nursery.start(idle, app)
            nursery.start_soon(slow, app)
            await app.asked.wait()
    assert answers[0].endswith(b"at last")


# ── faults ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "fault",
    [
        ValueError("Zaphod's secret"),
        UnicodeError("Zaphod's secret"),
        trio.TrioInternalError("Zaphod's secret"),
        trio.WouldBlock(),
        trio.ClosedResourceError("Zaphod's secret"),
        ExceptionGroup("two", [KeyError("Zaphod's secret"), OSError("Zaphod's secret")]),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_what_a_route_raises_ends_that_request_alone_and_is_told_without_words(fault, caplog):
    caplog.set_level(logging.DEBUG)
    before = faults.counts().get("web request", 0)
    async with serving() as app, connected(app) as honest:
        app.fault = fault
        await honest.stream.send_all(UPGRADE)
        await honest.until(b"welcome")
        answer = await ask(app, "/fault")
        assert answer.startswith(b"HTTP/1.1 500")
        assert b"Zaphod" not in answer
        assert b"Traceback" not in answer
        async with connected(app) as client:
            await client.stream.send_all(UPGRADE.replace(b"/ws", b"/ws-fault"))
            await client.until(b"\x88\x02\x03\xf3")  # Close, 1011
        assert b"Zaphod" not in await ask(app, "/half-fault")
        assert b"200" in await ask(app)
        await honest.stream.send_all(frame(0x81, b"still"))
        await honest.until(b"still")
    assert faults.counts()["web request"] == before + 3
    assert "Zaphod" not in caplog.text


# ── nobody takes what others need ────────────────────────────────────────────────────────────────
async def test_half_requests_of_one_address_leave_that_address_and_others_their_places():
    limits = attrs.evolve(LIMITS, waiting=30, waiting_per_network=10)
    async with serving(limits) as app, connected(app) as honest, trio.open_nursery() as nursery:
        await honest.stream.send_all(UPGRADE)
        await honest.until(b"welcome")
        other = await nursery.start(hold, app, "127.0.0.2")
        first = await nursery.start(hold, app, None)
        for _ in range(100):
            await nursery.start(hold, app, None)
        with trio.fail_after(60):
            await first.ended.wait()  # the oldest of its own network gave way
            while len(app.server) > 12:  # noqa: ASYNC110 - counts have no event
                await trio.sleep(0.01)
        assert b"hello" in await ask(app)
        assert not other.ended.is_set()
        await other.stream.send_all(b"y\r\nConnection: close\r\n\r\n")
        await honest.stream.send_all(frame(0x81, b"still"))
        await honest.until(b"still")
        with trio.fail_after(60):
            await other.ended.wait()
        assert b"hello 127.0.0.2" in other.answer
        nursery.cancel_scope.cancel()


async def test_many_networks_that_each_hold_little_leave_a_newcomer_a_place():
    limits = attrs.evolve(LIMITS, waiting=20, waiting_per_network=10)
    async with serving(limits) as app, trio.open_nursery() as nursery:
        for number in range(2, 12):
            for _ in range(5):
                await nursery.start(hold, app, f"127.0.0.{number}")
        assert b"hello 127.0.0.99" in await ask(app, source="127.0.0.99")
        with trio.fail_after(60):
            while len(app.server) > 20:  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


class Holder:
    def __init__(self, stream):
        self.stream = stream
        self.answer = b""
        self.ended = trio.Event()


async def hold(app, source, task_status):
    """Half a request, held for as long as it may be."""
    async with connected(app, source) as client:
        await client.stream.send_all(HALF)
        holder = Holder(client.stream)
        task_status.started(holder)
        try:
            while got := await client.stream.receive_some():
                holder.answer += got
        except trio.BrokenResourceError:
            pass
        holder.ended.set()


@pytest.mark.parametrize(
    "half",
    [b"", b"G", HALF, b"POST /echo HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\nx"],
    ids=["nothing", "a byte", "half a head", "half a body"],
)
async def test_who_does_not_finish_a_request_in_time_is_sent_away(half):
    limits = attrs.evolve(LIMITS, head_seconds=0.2, body_seconds=0.2)
    async with serving(limits) as app, connected(app) as client:
        await client.said(half)
        with trio.fail_after(60):
            while len(app.server):  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)


async def test_who_does_not_finish_their_handshake_in_time_is_sent_away(tmp_path):
    trust = a_certificate(tmp_path, 1)
    context = tls_context(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    limits = attrs.evolve(LIMITS, head_seconds=1.0)
    async with serving(limits, context=context) as app:
        hello = ssl.MemoryBIO()
        session = trust.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
        with pytest.raises(ssl.SSLWantReadError):
            session.do_handshake()
        for part in (b"", hello.read()[:100]):
            async with connected(app) as client:
                assert await client.said(part) == b""


async def test_who_does_not_read_their_answer_is_cut_off():
    limits = attrs.evolve(LIMITS, write_seconds=0.3)
    async with serving(limits) as app, connected(app) as client:
        await client.stream.send_all(b"GET /large HTTP/1.1\r\n" + HEAD + b"\r\n")
        await client.until(b"200")
        with trio.fail_after(60):
            while len(app.server):  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)


async def test_what_is_not_taken_from_a_websocket_is_not_held_for_it():
    """A message that is too long ends it, in however many pieces it comes."""
    async with serving() as app, connected(app) as client:
        await client.stream.send_all(UPGRADE)
        await client.until(b"welcome")
        await client.stream.send_all(frame(0x01, b"x" * 400) + frame(0x00, b"x" * 400) * 2)
        await client.until(b"\x88\x02\x03\xf1")  # Close, 1009


# ── who asks ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([], "127.0.0.1"),
        (["198.51.100.7"], "198.51.100.7"),
        (["10.9.9.9, 198.51.100.7"], "198.51.100.7"),
        (["10.9.9.9", "198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7", "10.9.9.9"], "10.9.9.9"),
        (["198.51.100.7", ""], "127.0.0.1"),
        (["198.51.100.7,"], "127.0.0.1"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        (["::FFFF:c633:6407"], "198.51.100.7"),
        (["2001:DB8::1"], "2001:db8::1"),
        (["fe80::1%eth0"], "fe80::1"),
        (["unknown"], "127.0.0.1"),
        (["\xff\xfe"], "127.0.0.1"),
        (["198.51.100.7 10.9.9.9"], "127.0.0.1"),
    ],
)
async def test_behind_a_proxy_the_last_address_of_the_last_header_counts(headers, client):
    forwarded = "".join(f"X-Forwarded-For: {one}\r\n" for one in headers).encode("latin-1")
    for proxy in ("127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"):
        async with serving(proxies=(proxy,)) as app:
            assert (await ask(app, head=forwarded)).endswith(b"hello " + client.encode())
    async with serving(proxies=("127.0.0.2",)) as app:
        assert (await ask(app, head=forwarded)).endswith(b"hello 127.0.0.1")


def test_a_proxy_that_comes_by_ipv6_is_known_too():
    headers = [(b"X-Forwarded-For", b"198.51.100.7")]
    assert asker("2001:db8::1", headers, ("2001:db8::1",)) == "198.51.100.7"
    assert asker("2001:db8::2", headers, ("2001:db8::1",)) == "2001:db8::2"
