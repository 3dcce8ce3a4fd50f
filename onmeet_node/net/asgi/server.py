"""Serves an ASGI application over HTTP/1.1 and WebSockets, each connection in a scope of its own.

In place of hypercorn: an exception of one connection left its worker and ended everything beside
it; it spoke HTTP/2 to whoever began with it, whatever ALPN said; and it always offers to compress.
h11 and wsproto, which it is made of, do the protocols here; what stands around them is all ours.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import h11
import trio
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp
from starlette.websockets import WebSocketDisconnect

from onmeet_node.net.asgi.config import ServerLimits
from onmeet_node.net.asgi.errors import BadHttpRequest, LineGone
from onmeet_node.net.asgi.forwarded import asker, plain
from onmeet_node.net.asgi.http import Exchange, HttpCall, scope_of
from onmeet_node.net.asgi.line import ServerConnection, WaitingConnections
from onmeet_node.net.asgi.websocket import WebSocketCall, accept_token, wants_websocket
from onmeet_node.process import faults

log = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""For answers that are being given when the server stops."""
_ACCEPT_AGAIN_SECONDS = 0.1
_CLOSED = {errno.EBADF, errno.ENOTSOCK}
_ENDED = (LineGone, WebSocketDisconnect, ClientDisconnect)
"""What an application lets through when the other side has gone: no fault of anybody's."""


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """For a server; HTTP/1.1 alone is offered. Raises OSError (ssl.SSLError) for bad files.

    ``load_cert_chain`` on it makes connections that begin from then on see a renewed certificate.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key or None)
    return context


class WebServer:
    """The connections of one application. Made by `open_server`."""

    def __init__(
        self,
        app: ASGIApp,
        limits: ServerLimits,
        context: ssl.SSLContext | None,
        proxies: Sequence[str],
    ) -> None:
        self._app = app
        self._limits = limits
        self._context = context
        self._proxies = tuple(plain(proxy) for proxy in proxies)
        self.waiting = WaitingConnections(limits)
        self._lines: set[ServerConnection] = set()
        self._stopping = False
        self._went = trio.Event()

    def __len__(self) -> int:
        return len(self._lines)

    # ── connections ─────────────────────────────────────────────────────────────────────────────
    async def accept(self, listener: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        """Accepts for ever. Without descriptors or memory left, somebody who waits gives way."""
        while True:
            try:
                connection, _ = await listener.accept()
            except OSError as error:
                if error.errno in _CLOSED:
                    raise
                # Any other (EMFILE, ENOBUFS, ECONNABORTED, EPERM) is one connection's, or passes.
                log.debug("a connection could not be taken: %s", error.strerror)
                self.waiting.give_way()
                await trio.sleep(_ACCEPT_AGAIN_SECONDS)
                continue
            nursery.start_soon(self._attend, connection)

    async def _attend(self, connection: trio.socket.SocketType) -> None:
        """One connection, from the first byte to the last. Nothing but cancellation leaves."""
        with faults.contained("web connection"), connection:
            try:
                peer = plain(connection.getpeername()[0])
                line = ServerConnection(trio.SocketStream(connection), self._context, self._limits)
            except (OSError, ValueError):
                return  # gone already
            self._lines.add(line)
            try:
                with line.scope:
                    await self._talk(line, peer)
                    await line.close()
            finally:
                self.waiting.leave(line)
                self._lines.discard(line)
                line.abort()
                self._went.set()
                self._went = trio.Event()

    async def _talk(self, line: ServerConnection, peer: str) -> None:
        self.waiting.enter(line, peer, shared=peer in self._proxies)
        try:
            with trio.fail_after(self._limits.head_seconds):
                await line.shake_hands()
            exchange = Exchange(line)
            while not self._stopping and await self._serve_next(exchange, peer):
                line.idle = True
        except (LineGone, trio.TooSlowError):
            return

    async def _serve_next(self, exchange: Exchange, peer: str) -> bool:
        """One request; whether another may follow. Raises `LineGone` and trio.TooSlowError."""
        line = exchange.line
        try:
            request = await exchange.next_request()
        except BadHttpRequest as error:
            await exchange.refuse(error.status)
            await line.linger()
            return False
        if request is None:
            return False
        line.idle = False
        client = asker(peer, request.headers, self._proxies)
        self.waiting.enter(line, client, shared=client in self._proxies)
        if wants_websocket(request):
            await self._serve_websocket(exchange, request, client)
            return False
        call = HttpCall(exchange, request)
        await self._run(scope_of(request, "http", line, client), call.receive, call.send)
        await exchange.refuse(500)  # where the application has not answered
        if exchange.begin_next():
            return True
        if exchange.unread:
            await line.linger()
        return False

    async def _serve_websocket(self, exchange: Exchange, request: h11.Request, client: str) -> None:
        line = exchange.line
        token = accept_token(request)
        if token is None:
            await exchange.refuse(400)
            await line.linger()
            return
        call = WebSocketCall(exchange, token)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call.ping)
            nursery.start_soon(self._once_used, call, line)
            scope = scope_of(request, "websocket", line, client)
            good = await self._run(scope, call.receive, call.send)
            nursery.cancel_scope.cancel()
        await call.finish(failed=not good)
        if not call.over:
            await line.linger()

    async def _once_used(self, call: WebSocketCall, line: ServerConnection) -> None:
        """From then on the application counts it, and it gives way to nobody."""
        await call.used.wait()
        self.waiting.leave(line)

    async def _run(self, scope: Any, receive: Any, send: Any) -> bool:
        """Runs the application for one request; whether it came to its end."""
        good = False
        with faults.contained("web request"):
            try:
                await self._app(scope, receive, send)
                good = True
            except* _ENDED:
                log.debug("somebody went within a request")
        return good

    # ── the end ─────────────────────────────────────────────────────────────────────────────────
    async def stop(self) -> None:
        """Lets answers end that are being given, for `GRACE_SECONDS`; then all ends."""
        self._stopping = True
        for line in list(self._lines):
            if line.idle:
                line.end()
        with trio.move_on_after(GRACE_SECONDS):
            while self._lines:
                await self._went.wait()
        for line in list(self._lines):
            line.end()


@asynccontextmanager
async def open_server(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    limits: ServerLimits,
    *,
    context: ssl.SSLContext | None = None,
    proxies: Sequence[str] = (),
) -> AsyncIterator[WebServer]:
    """Serves on listening `sockets`, which it closes, while the block runs.

    `proxies`: addresses whose X-Forwarded-For is believed.
    """
    server = WebServer(app, limits, context, proxies)
    listeners = [trio.socket.from_stdlib_socket(one) for one in sockets]
    with contextlib.ExitStack() as stack:
        for listener in listeners:
            stack.enter_context(listener)
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                for listener in listeners:
                    accepting.start_soon(server.accept, listener, connections)
                try:
                    yield server
                finally:
                    accepting.cancel_scope.cancel()
                    with trio.CancelScope(shield=True):
                        await server.stop()
            connections.cancel_scope.cancel()
