"""Requests of one line, one after the other: h11 on one side, ASGI on the other."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

import h11
import trio

from onmeet_node.net.asgi.errors import BadHttpRequest, LineGone
from onmeet_node.net.asgi.line import ServerConnection

Headers = Iterable[tuple[bytes, bytes]]


class Exchange:
    """A line's HTTP/1.1, and nothing else: no other version, no upgrade but to WebSockets."""

    def __init__(self, line: ServerConnection) -> None:
        self.line = line
        self.wire = h11.Connection(h11.SERVER, max_incomplete_event_size=line.limits.head_bytes)

    async def next_request(self) -> h11.Request | None:
        """The head of the next request; None at their end.

        Raises `BadHttpRequest`, `LineGone`, and trio.TooSlowError.
        """
        with trio.fail_after(self.line.limits.head_seconds):
            event = await self._next_event()
        if isinstance(event, h11.Request):
            if event.http_version not in {b"1.1", b"1.0"}:
                raise BadHttpRequest(505)
            return event
        return None

    async def next_body(self) -> bytes | None:
        """The next piece of a body; None at its end. Raises as `next_request`."""
        if self.wire.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self.line.write(self.wire.send(go_on) or b"")
        event = await self._next_event()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            return None
        raise LineGone("it ended within a request")

    async def _next_event(self) -> Any:
        try:
            while (event := self.wire.next_event()) is h11.NEED_DATA:
                self.wire.receive_data(await self.line.read())
        except h11.RemoteProtocolError as error:
            raise BadHttpRequest(error.error_status_hint) from error
        return event

    async def answer(self, status: int, headers: Headers) -> None:
        """The head of an answer."""
        dated = [*headers, (b"date", formatdate(usegmt=True).encode())]
        kind = h11.InformationalResponse if status < 200 else h11.Response
        await self._write(kind(status_code=status, headers=dated))

    async def answer_body(self, data: bytes) -> None:
        """A piece of it."""
        await self._write(h11.Data(data=data))

    async def answer_end(self) -> None:
        """The end of it."""
        await self._write(h11.EndOfMessage())

    async def _write(self, event: Any) -> None:
        data = self.wire.send(event)
        if data:
            await self.line.write(data)

    async def refuse(self, status: int) -> None:
        """A whole answer without words, if none was begun; nothing else is served here then."""
        if self.wire.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self.answer(status, [(b"content-length", b"0"), (b"connection", b"close")])
            await self.answer_end()

    def begin_next(self) -> bool:
        """Whether another request may follow on this line.

        A body that was not asked for is passed over as far as it is here.
        """
        try:
            while isinstance(self.wire.next_event(), h11.Data):
                pass
        except h11.RemoteProtocolError:
            return False
        if self.wire.our_state is h11.DONE and self.wire.their_state is h11.DONE:
            self.wire.start_next_cycle()
            return True
        return False

    @property
    def unread(self) -> bool:
        """Whether they said, or will say, what we did not read."""
        done = {h11.DONE, h11.MUST_CLOSE, h11.CLOSED}
        return self.wire.their_state not in done or bool(self.wire.trailing_data[0])


def scope_of(
    request: h11.Request, kind: str, line: ServerConnection, client: str
) -> dict[str, Any]:
    """ASGI's description of a request; `kind`: ``http`` or ``websocket``."""
    path, _, query = request.target.partition(b"?")
    scheme = {"http": "http", "websocket": "ws"}[kind]
    scope = {
        "type": kind,
        "asgi": {"spec_version": "2.3", "version": "3.0"},
        "http_version": request.http_version.decode("ascii"),
        "scheme": scheme + "s" * line.secure,
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers],
        "client": (client, 0),
        "server": None,
        "state": {},
    }
    if kind == "http":
        return {**scope, "method": request.method.decode("ascii"), "extensions": {}}
    return {**scope, "subprotocols": [], "extensions": {"websocket.http.response": {}}}


class HttpCall:
    """One request and its answer, as ASGI's `receive` and `send`."""

    def __init__(self, exchange: Exchange, request: h11.Request) -> None:
        self._exchange = exchange
        self._bare = request.method == b"HEAD"
        self._deadline = trio.current_time() + exchange.line.limits.body_seconds
        self._read = False
        self._refused = False
        self._answered = trio.Event()

    async def receive(self) -> dict[str, Any]:
        """See ASGI."""
        if self._read:
            await self._answered.wait()
            return {"type": "http.disconnect"}
        try:
            with trio.fail_at(self._deadline):
                data = await self._exchange.next_body()
        except BadHttpRequest as error:
            self._read = self._refused = True
            self._answered.set()
            await self._exchange.refuse(error.status)
            return {"type": "http.disconnect"}
        except (LineGone, trio.TooSlowError):
            self._read = True
            self._answered.set()
            self._exchange.line.abort()
            return {"type": "http.disconnect"}
        self._read = data is None
        return {"type": "http.request", "body": data or b"", "more_body": data is not None}

    async def send(self, message: Any) -> None:
        """See ASGI. Raises `LineGone`."""
        if self._refused:
            raise LineGone("it was answered: the request was none")
        match message["type"]:
            case "http.response.start":
                status = int(message["status"])
                self._bare = self._bare or status in {204, 304}
                await self._exchange.answer(status, message.get("headers", ()))
            case "http.response.body":
                body = bytes(message.get("body", b""))
                if body and not self._bare:
                    await self._exchange.answer_body(body)
                if not message.get("more_body", False):
                    await self._exchange.answer_end()
                    self._answered.set()
            case other:
                raise ValueError(f"not to be sent here: {other}")
