"""A client that sends exactly what a test says: HTTP with h11, WebSockets with wsproto."""

from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
)

from onmeet_node.web.messages import from_node, from_page


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)


async def fetch(
    port, path="/", *, method="GET", headers=(), body=b"", host=None, address="127.0.0.1"
):
    connection = h11.Connection(h11.CLIENT)
    stream = await trio.open_tcp_stream(address, port)
    async with stream:
        sent = [("host", host or f"127.0.0.1:{port}"), ("connection", "close"), *headers]
        if body:
            sent.append(("content-length", str(len(body))))
        request = h11.Request(method=method, target=path, headers=sent)
        await stream.send_all(connection.send(request))
        if body:
            await stream.send_all(connection.send(h11.Data(data=body)))
        await stream.send_all(connection.send(h11.EndOfMessage()))
        status, got, content = 0, [], b""
        while True:
            event = connection.next_event()
            match event:
                case h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some(65_536))
                case h11.Response():
                    status = event.status_code
                    got = [(n.decode().lower(), v.decode()) for n, v in event.headers]
                case h11.Data():
                    content += bytes(event.data)
                case h11.EndOfMessage() | h11.ConnectionClosed() | h11.PAUSED:
                    return Answer(status, got, content)


class Closed(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Rejected(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Socket:
    def __init__(self, stream):
        self._stream = stream
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events = iter(())

    async def open(self, host, origin, path="/ws"):
        headers = [(b"origin", origin.encode())] if origin else []
        await self._write(Request(host=host, target=path, extra_headers=headers))
        event = await self._next()
        if isinstance(event, RejectConnection):
            raise Rejected(event.status_code)
        assert isinstance(event, AcceptConnection)

    async def _write(self, event):
        await self._stream.send_all(self._protocol.send(event))

    async def _next(self):
        while True:
            for event in self._events:
                if isinstance(event, Ping):
                    await self._write(event.response())
                    continue
                return event
            data = await self._stream.receive_some(65_536)
            if not data:
                raise Closed(None)
            self._protocol.receive_data(data)
            self._events = self._protocol.events()

    async def send_bytes(self, data):
        await self._write(BytesMessage(data=data))

    async def say(self, message):
        await self.send_bytes(from_page.encode(message))

    async def hear(self):
        data = b""
        while True:
            event = await self._next()
            if isinstance(event, CloseConnection):
                raise Closed(event.code)
            if isinstance(event, BytesMessage):
                data += event.data
                if event.message_finished:
                    return from_node.decode(data)

    async def hear_until(self, cls, wanted=lambda _: True):
        """The next message of this class that fits; those before it are skipped."""
        with trio.fail_after(90):
            while True:
                message = await self.hear()
                if isinstance(message, cls) and wanted(message):
                    return message


@asynccontextmanager
async def websocket(port, *, host=None, origin="own"):
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        socket = Socket(stream)
        own = f"http://127.0.0.1:{port}"
        with trio.fail_after(90):
            await socket.open(host or f"127.0.0.1:{port}", own if origin == "own" else origin)
        yield socket


async def token_for(port, code):
    """What a page does first."""
    import json

    answer = await fetch(
        port,
        "/session",
        method="POST",
        headers=[("origin", f"http://127.0.0.1:{port}"), ("content-type", "application/json")],
        body=json.dumps({"code": code}).encode(),
    )
    assert answer.status == 200, answer
    return json.loads(answer.body)["token"]
