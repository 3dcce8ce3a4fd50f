"""The questions of the DHT that a server takes: those that PROTOCOL names, and no other.

py-libp2p serves all of Kademlia. ADD_PROVIDER would have it keep a PeerId with its address for two
days, which no part of On-Meet asks for and STATE does not tell of.
"""

from __future__ import annotations

from typing import Any

from libp2p.abc import INetStream
from libp2p.kad_dht.kad_dht import KadDHT
from libp2p.kad_dht.pb.kademlia_pb2 import Message
from libp2p.utils.varint import encode_uvarint, read_varint_prefixed_bytes_limited

from onmeet_node.net.errors import NetError

TAKEN = frozenset(
    {Message.MessageType.FIND_NODE, Message.MessageType.GET_VALUE, Message.MessageType.PUT_VALUE}
)

MAX_QUESTION_BYTES = 65_536
"""Of one question; a record with all that the library says beside it has less than 2 kB."""


class QuestionRefused(NetError):
    """A peer asked the DHT what this server does not answer."""

    def __init__(self) -> None:
        super().__init__("A question to the DHT was none of those that are answered here.")


def refuse_other_questions(kad: KadDHT) -> None:
    """Resets each stream on which anything but TAKEN is asked, before the library reads it."""
    serve = kad._do_handle_stream

    async def serve_taken(stream: INetStream) -> None:
        await serve(_Sieve(stream))  # type: ignore[arg-type]  # all of INetStream is passed on

    kad._do_handle_stream = serve_taken  # type: ignore[method-assign]


class _Sieve:
    """A stream that gives only whole messages of the right kinds."""

    def __init__(self, stream: INetStream) -> None:
        self._stream = stream
        self._message = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def read(self, n: int | None = None) -> bytes:
        """Up to `n` bytes. Raises `QuestionRefused`, and what the stream raises."""
        if not self._message:
            said = await read_varint_prefixed_bytes_limited(self._stream, MAX_QUESTION_BYTES)
            asked = Message()
            asked.ParseFromString(said)
            if asked.type not in TAKEN:
                raise QuestionRefused
            self._message = encode_uvarint(len(said)) + said
        size = len(self._message) if n is None else n
        taken, self._message = self._message[:size], self._message[size:]
        return taken
