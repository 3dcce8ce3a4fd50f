"""The app's server: the page's files, the token, one WebSocket per page. 127.0.0.1 and ::1 only.

`net.asgi` and starlette carry it; `access` decides who gets in, `Service` does
what the pages ask for.
"""

from __future__ import annotations

import json
import logging
import mimetypes
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import trio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from onmeet_node.control.requests.node import MAX_PASSPHRASE_CHARS
from onmeet_node.errors import OnMeetError
from onmeet_node.net.asgi import server as asgi
from onmeet_node.net.asgi.config import ServerLimits
from onmeet_node.net.websocket import close_websocket
from onmeet_node.protocol.wire.errors import DecodeError
from onmeet_node.protocol.wire.messages import Unknown
from onmeet_node.web.access import Access, Guard
from onmeet_node.web.browsers import read_key
from onmeet_node.web.messages import MAX_PAGE_BYTES, VERSION, FromPage, from_node, from_page, own
from onmeet_node.web.messages import snapshots as snap
from onmeet_node.web.pages import Page, Pages

log = logging.getLogger(__name__)

STATIC = Path(__file__).with_name("static")
"""What the build made of `ui` (``make ui``); carried by the wheel, never committed."""
HELLO_SECONDS = 5.0
MAX_CODE_BYTES = 512
"""Of what is said before there is a token."""
MAX_IMPORT_BYTES = 64 * 2**20
"""Of an export that is read back; years of history are a few megabytes."""
MAX_BUSY = 32
"""Requests of one page that are being answered."""
MAX_PAGES = 32
LIMITS = ServerLimits(
    message_bytes=MAX_PAGE_BYTES,
    ping_seconds=20.0,
    write_seconds=15.0,
    # All of them come from this machine, other users' too.
    waiting=128,
    waiting_per_network=128,
)

# Close codes of our own (RFC 6455, 7.4.2); the page's client.ts knows them.
MALFORMED, NO_TOKEN, TOO_LATE, TOO_MANY = 4400, 4401, 4408, 4429
GOING_AWAY = 1001

_NOT_BUILT = """<!doctype html><meta charset=utf-8><title>On-Meet</title>
<p>The app was not built: it needs Node.js 20 or newer. Install it, then run <code>make ui</code>
and start your node again. The <code>onmeet</code> commands work without it.
"""


class CannotListen(OnMeetError):
    """The app's port is taken."""


class Service(Protocol):
    """What stands behind the pages; `LocalApp` is the real one."""

    pages: Pages

    def welcome(self, page: Page, hello: own.Hello) -> None:
        """A page was let in: it is told everything it shows."""
        ...

    async def handle(self, page: Page, message: FromPage) -> None:
        """Does what a page asks; answers through `page.send`. Never fails."""
        ...

    async def export(self, passphrase: str) -> bytes:
        """Everything this home holds, sealed with the passphrase."""
        ...

    async def restore(self, data: bytes, options: Mapping[str, str]) -> None:
        """Makes the home from an export; `options` as `client.ts` sends them."""
        ...


class AppServer:
    """The routes. `files`: what the build made, by path."""

    def __init__(self, service: Service, access: Access, files: Mapping[str, bytes]) -> None:
        self._service = service
        self._access = access
        self._files = files
        self.app = Starlette(
            routes=[
                Route("/session", self._session, methods=["POST"]),
                Route("/challenge", self._challenge, methods=["POST"]),
                Route("/ask", self._ask, methods=["POST"]),
                Route("/asked", self._asked, methods=["POST"]),
                Route("/export", self._export, methods=["POST"]),
                Route("/import", self._import, methods=["POST"]),
                WebSocketRoute("/ws", self._talk),
                Route("/{path:path}", self._file, methods=["GET"]),
            ]
        )

    async def _file(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        path = request.path_params["path"] or "index.html"
        content = self._files.get(path)
        if content is None:
            return Response(status_code=404)
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        return Response(content, media_type=kind)

    async def _session(self, request: Request) -> Response:
        """A token, for a code or a browser that was let in. A key beside the code is let in."""
        told = await _strings(request)
        if told is None:
            return Response(status_code=400)
        browsers = self._access.browsers
        if "code" not in told:
            browser = self._proven(request, told)
            if browsers is None or browser is None or not browsers.knows(browser):
                return Response(status_code=401)
            return JSONResponse({"token": self._access.new_token()})
        if self._access.throttled:
            return Response(status_code=429)
        token = self._access.exchange(told["code"])
        if token is None:
            return Response(status_code=401)
        browser = read_key(told.get("key", ""))
        if browsers is not None and browser is not None:
            with suppress(OnMeetError):  # it is asked again next time
                browsers.let_in(browser)
        return JSONResponse({"token": token})

    # ── browsers that come back, or ask ───────────────────────────────────────────────────────────
    async def _challenge(self, request: Request) -> Response:
        del request
        await trio.lowlevel.checkpoint()
        if self._access.browsers is None:
            return Response(status_code=404)
        return JSONResponse({"challenge": self._access.browsers.challenge()})

    def _proven(self, request: Request, told: Mapping[str, str]) -> bytes | None:
        """The browser that signed a challenge for the address that it came to."""
        if self._access.browsers is None or not told.keys() >= {"key", "challenge", "signature"}:
            return None
        origin = request.headers["origin"].encode()  # one of ours, says `Guard`
        return self._access.browsers.proven(
            told["key"], told["challenge"], told["signature"], origin
        )

    async def _ask(self, request: Request) -> Response:
        told = await _strings(request)
        browsers = self._access.browsers
        browser = self._proven(request, told) if told is not None else None
        if browsers is None or browser is None:
            return Response(status_code=401)
        if len(self._service.pages) == 0:
            return Response(status_code=404)  # nobody is there to be asked
        asked = browsers.ask(browser)
        if asked is None:
            return Response(status_code=429)
        name, asking = asked
        return JSONResponse({"ask": name, "number": asking.number})

    async def _asked(self, request: Request) -> Response:
        """202: not yet, ask again. 403: no. 404: nobody decided in time."""
        told = await _strings(request)
        browsers = self._access.browsers
        if told is None or browsers is None:
            return Response(status_code=400)
        asking = await browsers.decision(told.get("ask", ""))
        if asking is None:
            return Response(status_code=404)
        if not asking.decided.is_set():
            return Response(status_code=202)
        if not asking.let_in:
            return Response(status_code=403)
        return JSONResponse({"token": self._access.new_token()})

    async def _export(self, request: Request) -> Response:
        if not self._allowed(request):
            return Response(status_code=401)
        body = await _body(request, 8 * MAX_PASSPHRASE_CHARS)
        try:
            passphrase = json.loads(body or b"")["passphrase"]
            if not isinstance(passphrase, str) or not passphrase:
                raise ValueError
        except (ValueError, TypeError, KeyError, RecursionError):
            return Response(status_code=400)
        try:
            data = await self._service.export(passphrase)
        except OnMeetError as error:
            return _refusal(error)
        return Response(data, media_type="application/octet-stream")

    async def _import(self, request: Request) -> Response:
        if not self._allowed(request):
            return Response(status_code=401)
        body = await _body(request, MAX_IMPORT_BYTES)
        if body is None:
            return Response(status_code=413)
        # The options stand before the file, as one line of JSON: they hold passphrases, which
        # belong in no URL and no header.
        head, _, data = body.partition(b"\n")
        try:
            options = json.loads(head)
            if not isinstance(options, dict) or not all(
                isinstance(value, str) and len(value) <= MAX_PASSPHRASE_CHARS
                for value in options.values()
            ):
                raise ValueError
        except (ValueError, RecursionError):
            return Response(status_code=400)
        try:
            await self._service.restore(data, options)
        except OnMeetError as error:
            return _refusal(error)
        return JSONResponse({})

    def _allowed(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and self._access.knows(token)

    # ── the WebSocket ─────────────────────────────────────────────────────────────────────────────
    async def _talk(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            hello = await self._hello(socket)
            if hello is None:
                return
            page = self._service.pages.add()
            try:
                await self._serve(socket, page, hello)
            finally:
                self._service.pages.remove(page)
        except WebSocketDisconnect:
            return

    async def _hello(self, socket: WebSocket) -> own.Hello | None:
        message: FromPage | None = None
        with trio.move_on_after(HELLO_SECONDS) as patience:
            message = await _receive(socket)
        match message:
            case own.Hello() if not self._access.knows(message.token):
                await close_websocket(socket, NO_TOKEN)
            case own.Hello() if message.version != VERSION:
                await socket.send_bytes(from_node.encode(snap.Outdated(version=VERSION)))
                await close_websocket(socket, 1000)
            case own.Hello() if len(self._service.pages) >= MAX_PAGES:
                await close_websocket(socket, TOO_MANY)
            case own.Hello():
                return message
            case _:
                await close_websocket(socket, TOO_LATE if patience.cancelled_caught else MALFORMED)
        return None

    async def _serve(self, socket: WebSocket, page: Page, hello: own.Hello) -> None:
        self._service.welcome(page, hello)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, socket, page, nursery.cancel_scope)
            busy = trio.Semaphore(MAX_BUSY)
            try:
                while True:
                    message = await _receive(socket)
                    if message is None:
                        page.close("It sent what is no message.")
                        break
                    if hasattr(message, "id"):
                        await busy.acquire()
                        nursery.start_soon(self._answer, page, message, busy)
                    else:
                        await self._service.handle(page, message)
            except WebSocketDisconnect:
                nursery.cancel_scope.cancel()

    async def _answer(self, page: Page, message: FromPage, busy: trio.Semaphore) -> None:
        try:
            await self._service.handle(page, message)
        finally:
            busy.release()

    async def _write(self, socket: WebSocket, page: Page, scope: trio.CancelScope) -> None:
        try:
            async for message in page.outbox:
                await socket.send_bytes(from_node.encode(message))
            await close_websocket(socket, MALFORMED if page.why else GOING_AWAY)
        except (WebSocketDisconnect, RuntimeError, trio.BrokenResourceError):
            log.debug("a page left while it was told something")
        scope.cancel()


async def _receive(socket: WebSocket) -> FromPage | None:
    """The next message; None for what is none."""
    content = await socket.receive()
    if content["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(content.get("code", 1005))
    data = content.get("bytes")
    try:
        message = from_page.decode(data) if data is not None else None
    except DecodeError:
        return None
    return None if isinstance(message, Unknown) else message


async def _body(request: Request, limit: int) -> bytes | None:
    body = bytearray()
    with suppress(ClientDisconnect):
        async with aclosing(request.stream()) as parts:
            async for part in parts:
                body += part
                if len(body) > limit:
                    return None
    return bytes(body)


async def _strings(request: Request) -> dict[str, str] | None:
    """A small JSON object of strings; None for anything else."""
    body = await _body(request, MAX_CODE_BYTES)
    try:
        told = json.loads(body or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        return None
    return told


def _refusal(error: OnMeetError) -> Response:
    return JSONResponse({"kind": error.kind, "sentence": str(error)}, status_code=409)


def built_files(directory: Path = STATIC) -> dict[str, bytes]:
    """Everything the build made, by its path below `directory`; a page that says so if nothing."""
    files = {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    files.setdefault("index.html", _NOT_BUILT.encode())
    return files


@asynccontextmanager
async def open_server(
    service: Service,
    access: Access,
    sockets: list[socket.socket],
    *,
    files: Mapping[str, bytes] | None = None,
) -> AsyncIterator[int]:
    """Serves on what `listen` gave while the block runs; gives the port.

    At the end every page is told that the server goes (1001), and comes back when it does.
    """
    port = sockets[0].getsockname()[1]
    server = AppServer(service, access, built_files() if files is None else files)
    async with asgi.open_server(Guard(server.app, port), sockets, LIMITS):
        try:
            yield port
        finally:
            for page in service.pages:
                page.close()
            with trio.CancelScope(shield=True), trio.move_on_after(1.0):
                while len(service.pages):
                    await service.pages.wait_changed()


def listen(port: int) -> list[socket.socket]:
    """Sockets for a port of the loopback; 0: a free one. Raises `CannotListen`."""
    try:
        four = socket.create_server(("127.0.0.1", port), backlog=64)
    except OSError as error:
        raise CannotListen(
            f"Port {port} of this machine is taken ({error.strerror}). Choose another with "
            "--app-port; 0 takes a free one."
        ) from error
    sockets = [four]
    # Without IPv6 on the loopback, or with that port taken there, the other one serves.
    with suppress(OSError):
        sockets.append(
            socket.create_server(("::1", four.getsockname()[1]), family=socket.AF_INET6, backlog=64)
        )
    return sockets
