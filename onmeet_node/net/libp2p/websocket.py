"""libp2p over WebSocket (RFC 6455), without tasks of its own and without piles.

py-libp2p uses trio_websocket, whose reader runs in a nursery that holds everybody's connections,
where whatever wsproto raises of one peer's bytes ends the process. Here the bytes are read by who
wants them, and every failure is an end of this one connection. To libp2p a WebSocket is a stream of
bytes, so no message is ever put together: what is held is one read, however long a message claims
to be. There are no extensions, hence no compression that a few bytes could blow up.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import trio
from libp2p.abc import IListener, IRawConnection, ITransport
from libp2p.custom_types import THandler
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.exceptions import OpenConnectionError
from libp2p.transport.websocket.multiaddr_utils import (
    is_valid_websocket_multiaddr,
    parse_websocket_multiaddr,
)
from libp2p.utils.multiaddr_utils import extract_host_from_multiaddr
from multiaddr import Multiaddr
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
)

from onmeet_node.net.libp2p.listening import Listener

HANDSHAKE_SECONDS = 5.0
"""For the other side's HTTP head: two of the worst round trips."""
MAX_HEAD_BYTES = 16_384
"""Of the handshake, both ways. Browsers send about 1 kB."""
CLOSE_SECONDS = 1.0
"""For our Close frame to be taken."""
CHUNK = 16_384
"""Bytes read at once. Its control frames are answered together, so this bounds the work too."""

_TRANSPORT = "websocket"


class WebSocketPipe(ReadWriteCloser):
    """A WebSocket in the place where libp2p expects a socket.

    The handshake is made by the first read or write, so that whoever lets a connection in counts
    its seconds with those of libp2p's own handshakes. `host` is set at the side that dials.
    """

    def __init__(self, stream: trio.abc.Stream, host: str | None = None) -> None:
        self._stream = stream
        self._host = host
        kind = ConnectionType.SERVER if host is None else ConnectionType.CLIENT
        self._protocol = WSConnection(kind)
        self._opening = trio.Lock()
        self._reading = trio.Lock()
        self._writing = trio.Lock()
        self._open = False
        self._ended = False
        self._received = bytearray()

    async def open(self) -> None:
        """Makes the handshake, if it was not made. Raises ConnectionClosedError."""
        if self._open:
            return
        async with self._opening:
            if self._open:
                return  # type: ignore[unreachable]  # another task opened it meanwhile
            with self._ending("the handshake failed"), trio.fail_after(HANDSHAKE_SECONDS):
                if self._host is not None:
                    await self._send([Request(host=self._host, target="/")])
                await self._shake_hands()
            self._open = True

    async def _shake_hands(self) -> None:
        count = 0
        while True:
            data = await self._stream.receive_some(CHUNK)
            count += len(data)
            if not data or count > MAX_HEAD_BYTES:
                raise ConnectionClosedError("no WebSocket", transport=_TRANSPORT)
            self._protocol.receive_data(bytes(data))
            for event in self._protocol.events():
                match event:
                    case Request():
                        # Without `extensions` none are agreed on, whatever was offered.
                        await self._send([AcceptConnection()])
                        return
                    case AcceptConnection():
                        return
                    case _:
                        raise ConnectionClosedError("no WebSocket", transport=_TRANSPORT)

    async def read(self, n: int | None = None) -> bytes:
        """Up to `n` bytes. Raises ConnectionClosedError."""
        if n == 0:
            return b""
        await self.open()
        async with self._reading:
            while not self._received:
                with self._ending("the WebSocket broke"):
                    await self._take(self._protocol.events())
                    if not self._received:
                        data = await self._stream.receive_some(CHUNK)
                        if not data:
                            raise ConnectionClosedError("it ended", transport=_TRANSPORT)
                        self._protocol.receive_data(bytes(data))
            taken = bytes(self._received[:n])
            del self._received[: len(taken)]
            return taken

    async def _take(self, events: Iterator[Event]) -> None:
        answers: list[Event] = []
        for event in events:
            match event:
                case BytesMessage(data=data):
                    self._received += data
                case Ping():
                    answers.append(event.response())
                case Pong():
                    pass
                case CloseConnection():
                    with contextlib.suppress(Exception), trio.move_on_after(CLOSE_SECONDS):
                        await self._send([event.response()])
                    raise ConnectionClosedError("it was closed", transport=_TRANSPORT)
                case _:
                    raise ConnectionClosedError("no libp2p", transport=_TRANSPORT)
        if answers:
            await self._send(answers)

    async def write(self, data: bytes) -> None:
        """Sends `data` as one message. Raises ConnectionClosedError."""
        await self.open()
        with self._ending("the WebSocket broke"):
            await self._send([BytesMessage(data=bytes(data))])

    async def _send(self, events: list[Event]) -> None:
        async with self._writing:
            whole = b"".join(self._protocol.send(event) for event in events)
            sent = False
            try:
                await self._stream.send_all(whole)
                sent = True
            finally:
                self._ended = self._ended or not sent  # half a frame may be out

    @contextlib.contextmanager
    def _ending(self, what: str) -> Iterator[None]:
        """Whatever goes wrong inside ends this connection, in libp2p's own words."""
        if self._ended:
            raise ConnectionClosedError("the WebSocket is closed", transport=_TRANSPORT)
        try:
            yield
        except ConnectionClosedError:
            self._ended = True
            raise
        except Exception as error:
            # wsproto and h11 raise many things of odd bytes: UnicodeDecodeError for one.
            self._ended = True
            raise ConnectionClosedError(what, transport=_TRANSPORT) from error

    async def close(self) -> None:
        """Ends it, with a Close frame where that can go out at once. Never fails."""
        try:
            if self._open and not self._ended and not self._writing.locked():
                with contextlib.suppress(Exception), trio.move_on_after(CLOSE_SECONDS):
                    await self._send([CloseConnection(code=1000)])
        finally:
            self._ended = True
            await trio.aclose_forcefully(self._stream)

    def get_remote_address(self) -> tuple[str, int] | None:
        """The far end's IP address and port."""
        stream: Any = getattr(self._stream, "transport_stream", self._stream)
        try:
            host, port, *_ = stream.socket.getpeername()
        except (AttributeError, OSError, ValueError):
            return None
        return str(host), int(port)


class WebSocketTransport(ITransport):
    """Listens on and dials ``…/tcp/…/ws``, and dials ``…/wss`` and ``…/tls/ws``."""

    def __init__(self, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        self._trust = trust

    def can_dial(self, maddr: Multiaddr) -> bool:
        """Whether this is a WebSocket's address."""
        return bool(is_valid_websocket_multiaddr(maddr))

    def can_listen(self, maddr: Multiaddr) -> bool:
        """Whether this is the address of one without TLS, which is a proxy's part."""
        return self.can_dial(maddr) and "ws" in {p.name for p in maddr.protocols()}

    def protocols(self) -> list[str]:
        """What its addresses contain."""
        return ["ws", "wss"]

    async def dial(self, maddr: Multiaddr) -> IRawConnection:
        """An open WebSocket. Raises OpenConnectionError."""
        stream: trio.abc.Stream | None = None
        try:
            parsed = parse_websocket_multiaddr(maddr)
            host = str(extract_host_from_multiaddr(parsed.rest_multiaddr))
            port = int(str(parsed.rest_multiaddr.value_for_protocol("tcp")))
            tcp = await trio.open_tcp_stream(host, port)
            stream = tcp
            if parsed.is_wss:
                stream = trio.SSLStream(
                    tcp, self._trust(), server_hostname=host, https_compatible=True
                )
            named = f"[{host}]" if ":" in host else host
            pipe = WebSocketPipe(stream, named if port in {80, 443} else f"{named}:{port}")
            await pipe.open()
        except BaseException as error:
            if stream is not None:
                await trio.aclose_forcefully(stream)
            if isinstance(error, Exception):
                raise OpenConnectionError(f"no WebSocket was opened: {error}") from error
            raise
        return RawConnection(pipe, True)

    def create_listener(self, handler_function: THandler) -> IListener:
        """A listener that gives `handler_function` a pipe for each connection."""
        return Listener(handler_function, WebSocketPipe, "/ws")
