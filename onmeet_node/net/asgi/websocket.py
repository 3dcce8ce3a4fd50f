"""A WebSocket (RFC 6455): wsproto on one side, ASGI on the other. No extension, no compression.

permessage-deflate would let 200 kB make us hold 200 MB, and what is said here is sealed anyway.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from typing import Any

import h11
import trio
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, generate_accept_token

from onmeet_node.net.asgi.errors import LineGone
from onmeet_node.net.asgi.http import Exchange

MAX_IDLE_FRAMES = 64
"""Frames without a word in them (pings, pongs, empty fragments) that may come at once: each costs
us more than its six bytes cost them, and no browser sends any but answers to our pings."""
_POLICY, _TOO_BIG, _INTERNAL, _GONE = 1008, 1009, 1011, 1006
_KEY_BYTES = 16
_ONCE = (b"sec-websocket-key", b"sec-websocket-version")


def wants_websocket(request: h11.Request) -> bool:
    """Whether a request asks for one, well or badly made."""
    values = b",".join(value for name, value in request.headers if name == b"upgrade")
    return any(word.strip().lower() == b"websocket" for word in values.split(b","))


def accept_token(request: h11.Request) -> bytes | None:
    """The answer to a handshake (RFC 6455, 4.2.1); None for one that is not to be accepted."""
    headers = dict(request.headers)
    once = [name for name, _ in request.headers if name in _ONCE]
    words = b",".join(value for name, value in request.headers if name == b"connection")
    key = headers.get(b"sec-websocket-key", b"")
    try:
        nonce = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return None
    if (
        request.method != b"GET"
        or request.http_version != b"1.1"
        or b"upgrade" not in {word.strip().lower() for word in words.split(b",")}
        or headers.get(b"sec-websocket-version") != b"13"
        or len(once) != len(_ONCE)
        or len(nonce) != _KEY_BYTES
        or b"content-length" in headers
        or b"transfer-encoding" in headers
    ):
        return None
    return generate_accept_token(key)


class WebSocketCall:
    """One WebSocket from its handshake on, as ASGI's `receive` and `send`.

    A message is read when it is asked for: what is not taken waits on the network. Pings are
    answered meanwhile, the last of those that came together.
    """

    def __init__(self, exchange: Exchange, token: bytes) -> None:
        self._exchange = exchange
        self._line = exchange.line
        self._token = token
        self._told = False
        self._wire: Connection | None = None
        self._events: list[Any] = []
        self._message = bytearray()
        self._gone: int | None = None
        self.accepted = trio.Event()
        self.used = trio.Event()
        """Set when the application has sent something: it knows who this is."""
        self.over = False
        """Whether both sides have said the end, or nothing can be said any more."""

    # ── in ──────────────────────────────────────────────────────────────────────────────────────
    async def receive(self) -> dict[str, Any]:
        """See ASGI."""
        if not self._told:
            self._told = True
            return {"type": "websocket.connect"}
        await self.accepted.wait()
        while self._gone is None:
            message = await self._next_message()
            if message is not None:
                return message
        return {"type": "websocket.disconnect", "code": self._gone, "reason": ""}

    async def _next_message(self) -> dict[str, Any] | None:
        try:
            if not self._events:
                await self._read_more()
            while self._events:
                event = self._events.pop(0)
                if isinstance(event, Message):
                    message = await self._piece(event)
                    if message is not None:
                        return message
                elif isinstance(event, CloseConnection):
                    await self._closed(event)
        except (LineGone, LocalProtocolError):
            self.over = True
            self._end(_GONE)
        return None

    async def _read_more(self) -> None:
        assert self._wire is not None
        data = await self._line.read()
        if not data:
            raise LineGone("it ended without a word")
        self._wire.receive_data(data)
        self._events = list(self._wire.events())
        pings = [event for event in self._events if isinstance(event, Ping)]
        if sum(map(_says_nothing, self._events)) > MAX_IDLE_FRAMES:
            await self._end_with(_POLICY)
        elif pings:
            await self._send_event(pings[-1].response())

    async def _piece(self, event: Any) -> dict[str, Any] | None:
        """A message that is whole with this piece."""
        is_text = isinstance(event, TextMessage)
        self._message += event.data.encode() if is_text else event.data
        if len(self._message) > self._line.limits.message_bytes:
            await self._end_with(_TOO_BIG)
        elif event.message_finished:
            data, self._message = bytes(self._message), bytearray()
            if is_text:
                return {"type": "websocket.receive", "text": data.decode()}
            return {"type": "websocket.receive", "bytes": data}
        return None

    async def _closed(self, event: CloseConnection) -> None:
        """Their Close frame, or what wsproto says of frames that are none."""
        assert self._wire is not None
        code = int(event.code)
        self.over = self._wire.state in {ConnectionState.REMOTE_CLOSING, ConnectionState.CLOSED}
        if self._wire.state is ConnectionState.CLOSED:
            self._end(code)
        else:
            await self._end_with(code)

    async def _end_with(self, code: int) -> None:
        self._end(code)
        await self._send_event(CloseConnection(code=code))

    def _end(self, code: int) -> None:
        self._gone = code if self._gone is None else self._gone
        self._events, self._message = [], bytearray()

    # ── out ─────────────────────────────────────────────────────────────────────────────────────
    async def send(self, message: Any) -> None:
        """See ASGI. Raises `LineGone`."""
        match message["type"]:
            case "websocket.accept":
                headers = [
                    (b"upgrade", b"websocket"),
                    (b"connection", b"Upgrade"),
                    (b"sec-websocket-accept", self._token),
                    *message.get("headers", ()),
                ]
                await self._exchange.answer(101, headers)
                self._wire = Connection(ConnectionType.SERVER)
                rest, _ = self._exchange.wire.trailing_data
                self._wire.receive_data(rest)  # one who did not wait for our answer
                self._events = list(self._wire.events())
                self.accepted.set()
            case "websocket.http.response.start":
                await self._exchange.answer(int(message["status"]), message.get("headers", ()))
            case "websocket.http.response.body":
                await self._exchange.answer_body(bytes(message.get("body", b"")))
                if not message.get("more_body", False):
                    await self._exchange.answer_end()
            case "websocket.send":
                data, text = message.get("bytes"), message.get("text")
                self.used.set()
                await self._send_event(
                    BytesMessage(data=bytes(data)) if data is not None else TextMessage(data=text)
                )
            case "websocket.close" if not self.accepted.is_set():
                await self._exchange.refuse(403)
            case "websocket.close":
                await self._send_event(CloseConnection(code=int(message.get("code") or 1000)))
            case other:
                raise ValueError(f"not to be sent here: {other}")

    async def _send_event(self, event: Any) -> None:
        assert self._wire is not None
        try:
            data = self._wire.send(event)
        except LocalProtocolError:  # after a Close there is no more to say
            if isinstance(event, Message):
                raise LineGone("it was closed") from None
            return
        await self._line.write(data)

    async def ping(self) -> None:
        """Pings for ever, once it is open."""
        await self.accepted.wait()
        while True:
            try:
                await self._send_event(Ping())
            except LineGone:
                return  # whoever reads finds out
            await trio.sleep(self._line.limits.ping_seconds)

    async def finish(self, *, failed: bool) -> None:
        """The end, when the application has nothing more to say."""
        if not self.accepted.is_set():
            await self._exchange.refuse(500)
            self.over = True
            return
        with contextlib.suppress(LineGone):
            await self._send_event(CloseConnection(code=_INTERNAL if failed else 1000))


def _says_nothing(event: Any) -> bool:
    if isinstance(event, Message):
        return not event.data and not event.message_finished
    return not isinstance(event, CloseConnection)
