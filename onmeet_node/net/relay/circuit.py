"""Circuit relay v2 as both of its ends speak it (libp2p specs, relay/circuit-v2.md).

The relay (`onmeet_bootstrap.relay`) and its clients (`net.relay`) share these: the messages on a
trio stream, and a stream that has become the connection between two peers.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

import trio
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtobufMessage
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, Limit, Reservation, StopMessage
from libp2p.relay.circuit_v2.pb.circuit_pb2 import PeerId as PeerIdField
from libp2p.relay.circuit_v2.pb.circuit_pb2 import Status as StatusField

from onmeet_node.net.errors import CircuitProtocolError
from onmeet_node.net.libp2p.multiaddrs import parse

__all__ = ["HopMessage", "Limit", "PeerIdField", "Reservation", "StopMessage"]

# ── fixed by the specification ───────────────────────────────────────────────────────────────────
HOP = "/libp2p/circuit/relay/0.2.0/hop"
"""Asked of a relay: keep a reservation, or connect me to a peer that has one."""
STOP = "/libp2p/circuit/relay/0.2.0/stop"
"""Asked by a relay: take this connection from a peer."""

# ── ours ─────────────────────────────────────────────────────────────────────────────────────────
MAX_MESSAGE_BYTES = 4096
"""As go-libp2p; a reservation with eight addresses has about 700."""

M = TypeVar("M", bound=ProtobufMessage)


class Status(IntEnum):
    """What a relay or its client answers."""

    OK = 100
    RESERVATION_REFUSED = 200
    RESOURCE_LIMIT_EXCEEDED = 201
    PERMISSION_DENIED = 202
    CONNECTION_FAILED = 203
    NO_RESERVATION = 204
    MALFORMED_MESSAGE = 400
    UNEXPECTED_MESSAGE = 401


def hop_answer(
    status: Status, *, reservation: Reservation | None = None, limit: Limit | None = None
) -> HopMessage:
    """What a relay answers."""
    return HopMessage(
        type=HopMessage.STATUS,
        status=StatusField.ValueType(status),
        reservation=reservation,
        limit=limit,
    )


def reservation(expires: int, addresses: Sequence[str]) -> Reservation:
    """A granted reservation: until Unix second `expires`, at a relay with these addresses."""
    return Reservation(expire=expires, addrs=[parse(a).to_bytes() for a in addresses])


def stop_answer(status: Status) -> StopMessage:
    """What a peer answers a relay that brings a circuit."""
    return StopMessage(type=StopMessage.STATUS, status=StatusField.ValueType(status))


def status_of(message: HopMessage | StopMessage) -> int:
    """The status that a message carries; 0 if it carries none."""
    return int(message.status)


async def send_message(stream: trio.abc.SendStream, message: ProtobufMessage) -> None:
    """Sends one message after its length (unsigned varint)."""
    data = message.SerializeToString()
    length = len(data)
    prefix = bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    await stream.send_all(bytes(prefix) + data)


async def receive_message(stream: trio.abc.ReceiveStream, kind: type[M]) -> M:
    """Reads one message and no byte more: what follows may belong to the circuit.

    Raises CircuitProtocolError for a length, an end or bytes that cannot be, and
    trio.BrokenResourceError when the stream breaks.
    """
    length = shift = 0
    while True:
        byte = (await _exactly(stream, 1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift > 14:
            raise CircuitProtocolError("a message announces no sane length")
    if length > MAX_MESSAGE_BYTES:
        raise CircuitProtocolError(f"a message announces {length} bytes")
    message = kind()
    try:
        message.ParseFromString(await _exactly(stream, length))
    except DecodeError:
        raise CircuitProtocolError("a message is no message") from None
    return message


async def _exactly(stream: trio.abc.ReceiveStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await stream.receive_some(count - len(data))
        if not more:
            raise CircuitProtocolError("the stream ended inside a message")
        data += more
    return data


def peer_field(peer: str) -> PeerIdField:
    """`peer` as these messages carry it."""
    return PeerIdField(id=ID.from_string(peer).to_bytes())


def peer_named(message: HopMessage | StopMessage) -> str | None:
    """The PeerId that a message names, None if it names none.

    Raises CircuitProtocolError when the bytes are no PeerId.
    """
    if not message.HasField("peer") or not message.peer.id:
        return None
    raw = bytes(message.peer.id)
    # Ed25519 PeerIds have 38 bytes, RSA ones 34; nothing we relay to has more.
    if not 34 <= len(raw) <= 42:
        raise CircuitProtocolError("a message names no PeerId")
    return str(ID(raw))


class CircuitPipe(ReadWriteCloser):
    """A stream through a relay in the place where libp2p expects a socket."""

    def __init__(self, stream: trio.abc.Stream, relay: str) -> None:
        """`relay`: the PeerId of the relay it goes through."""
        self._stream = stream
        self.relay = relay
        self.closed = trio.Event()
        """Set once either side ended or broke the circuit, or we did."""

    async def read(self, n: int | None = None) -> bytes:
        """Up to `n` bytes. Raises ConnectionClosedError at the end."""
        if n == 0:
            return b""
        try:
            data = await self._stream.receive_some(n)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.closed.set()
            raise ConnectionClosedError("the circuit broke", transport="circuit") from error
        if not data:
            self.closed.set()
            raise ConnectionClosedError("the circuit ended", transport="circuit")
        return bytes(data)

    async def write(self, data: bytes) -> None:
        """Sends `data`. Raises ConnectionClosedError when the circuit is gone."""
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.closed.set()
            raise ConnectionClosedError("the circuit broke", transport="circuit") from error

    async def close(self) -> None:
        """Ends the circuit. Never fails."""
        self.closed.set()
        await self._stream.aclose()

    def get_remote_address(self) -> tuple[str, int] | None:
        """None: the far end's address is not known here."""
        return None
