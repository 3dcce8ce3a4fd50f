"""A libp2p peer that keeps the rules exactly as far as a test wants, and then sends what it likes.

Multistream, Noise and the WebSocket handshake are real (the library's own classes, over real
sockets); from the stage a test names on, bytes go out as they are.
"""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_x25519_key_pair
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.noise.transport import Transport as NoiseTransport

SYN, ACK, FIN, RST = 1, 2, 4, 8
DATA, WINDOW, PING, GO_AWAY = 0, 1, 2, 3
WS_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(b"k" * 16) + b"\r\n\r\n"
)


def select(protocol: str) -> bytes:
    """One message of multistream-select."""
    return bytes([len(protocol) + 1]) + protocol.encode() + b"\n"


HEADER = select("/multistream/1.0.0")
OPENING = HEADER + select("/noise")
MUXING = HEADER + select("/yamux/1.0.0")


def frame(kind: int, flags: int = 0, stream: int = 0, body: bytes = b"", length: int = -1) -> bytes:
    """One Yamux frame; `length` where it shall lie."""
    said = len(body) if length < 0 else length
    return struct.pack(">BBHII", 0, kind, flags, stream, said) + body


def asking(protocol: str, said: bytes, stream: int = 1) -> bytes:
    """Frames that open a stream, agree on `protocol` without waiting, and say something on it."""
    words = HEADER + select(protocol)
    return (
        frame(WINDOW, SYN, stream)
        + frame(DATA, 0, stream, words)
        + frame(DATA, 0, stream, said)
        + frame(DATA, FIN, stream)
    )


def ws_frame(data: bytes, opcode: int = 2, *, head: int = 0x80, mask: bool = True) -> bytes:
    """One WebSocket frame; `head` holds FIN and the reserved bits."""
    first = bytes([head | opcode])
    length = len(data)
    if length < 126:
        size = bytes([length | (0x80 if mask else 0)])
    else:
        size = bytes([126 | (0x80 if mask else 0)]) + struct.pack(">H", length)
    return first + size + (bytes(4) if mask else b"") + data


def _noise() -> NoiseTransport:
    keys = create_new_key_pair()
    return NoiseTransport(keys, noise_privkey=create_x25519_key_pair().private_key)


async def _exactly(stream: trio.abc.ReceiveStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await stream.receive_some(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


async def attack(
    port: int,
    peer: str,
    stage: str,
    said: bytes,
    *,
    address: str | None = None,
    host: str = "127.0.0.1",
    hold: bool = False,
) -> None:
    """Dials, keeps the rules up to `stage`, says `said`, and waits until it is answered or cut off.

    `address`: where it comes from. `hold`: stays connected until cancelled.

    Stages: ``tcp``, ``ws`` (after its handshake), ``noise``, ``muxer``, ``yamux``.
    """
    stream = await trio.open_tcp_stream(host, port, local_address=address)
    with suppress(Exception):
        async with stream:
            await _attack(stream, ID.from_string(peer), stage, said)
            if hold:
                await trio.sleep_forever()


async def _attack(stream: trio.SocketStream, peer: ID, stage: str, said: bytes) -> None:
    if stage == "ws":
        await stream.send_all(WS_UPGRADE)
        await stream.receive_some(4096)
    elif stage != "tcp":
        await stream.send_all(OPENING)
        await _exactly(stream, len(OPENING))
    if stage in {"tcp", "ws", "noise"}:
        await stream.send_all(said)
        await _hear(stream.receive_some)
        return
    secured = await _noise().secure_outbound(RawConnection(TrioTCPStream(stream), True), peer)
    if stage == "yamux":
        await secured.write(MUXING)
        got = b""
        while len(got) < len(MUXING):
            got += await secured.read(len(MUXING) - len(got))
    await secured.write(said)
    await _hear(secured.read)


async def _hear(read: Callable[[int], Awaitable[bytes]]) -> None:
    """Until it is quiet for a moment: whoever waits for more shall not be waited for."""
    while True:
        with trio.move_on_after(0.05) as quiet:
            if not await read(65536):
                return
        if quiet.cancelled_caught:
            return


@asynccontextmanager
async def hostile_server(stage: str, said: bytes) -> AsyncIterator[str]:
    """A listener that keeps the rules up to `stage` with whoever dials it; gives its multiaddr."""
    key = create_new_key_pair()
    noise = NoiseTransport(key, noise_privkey=create_x25519_key_pair().private_key)
    peer = ID.from_pubkey(key.public_key)

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(Exception):
            async with stream:
                await _serve(stream, noise, stage, said)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(_listen, serve)
        port = listener.socket.getsockname()[1]
        suffix = "/ws" if stage.startswith("ws") else ""
        yield f"/ip4/127.0.0.1/tcp/{port}{suffix}/p2p/{peer}"
        nursery.cancel_scope.cancel()


async def _listen(serve, *, task_status) -> None:
    await trio.serve_tcp(serve, 0, host="127.0.0.1", task_status=task_status)


async def _serve(stream: trio.SocketStream, noise: NoiseTransport, stage: str, said: bytes) -> None:
    if stage == "ws open":
        from wsproto import ConnectionType, WSConnection
        from wsproto.events import AcceptConnection

        socket = WSConnection(ConnectionType.SERVER)
        socket.receive_data(await stream.receive_some(4096))
        list(socket.events())
        await stream.send_all(socket.send(AcceptConnection()))
    elif stage == "ws":
        await stream.receive_some(4096)
    elif stage != "tcp":
        await stream.send_all(OPENING)
        await _exactly(stream, len(OPENING))
    if stage in {"tcp", "ws", "ws open", "noise"}:
        await stream.send_all(said)
        await _hear(stream.receive_some)
        return
    secured = await noise.secure_inbound(RawConnection(TrioTCPStream(stream), False))
    if stage == "yamux":
        await secured.write(MUXING)
        got = b""
        while len(got) < len(MUXING):
            got += await secured.read(len(MUXING) - len(got))
    await secured.write(said)
    await _hear(secured.read)


def garbage(size: int = 400) -> bytes:
    """Bytes that mean nothing."""
    return os.urandom(size)
