"""The questions of the DHT that a server takes: those that PROTOCOL names, and no other.

py-libp2p serves all of Kademlia. ADD_PROVIDER would have it keep a PeerId with its address for two
days, which no part of On-Meet asks for and STATE does not tell of.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import trio
from libp2p.abc import INetStream
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.kad_dht.pb.kademlia_pb2 import Message
from libp2p.utils.varint import encode_uvarint, read_varint_prefixed_bytes_limited

from onmeet_node.net.errors import NetError
from onmeet_node.net.libp2p.patches import KAD_PROTOCOL
from onmeet_node.net.libp2p.remote_address import network_of
from onmeet_node.net.libp2p.shares import Shares

TAKEN = frozenset(
    {Message.MessageType.FIND_NODE, Message.MessageType.GET_VALUE, Message.MessageType.PUT_VALUE}
)

DHT_STREAMS = 64
"""Streams served at once. The library has 12 places, and resets the rest."""
STREAM_SECONDS = 15.0
"""For all questions on one stream; readers ask one, and wait ten seconds."""
RESET_SECONDS = 2.0
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


def share_places(kad: KadDHT) -> None:
    """Bounds how many streams are served at once so that no network takes the places of others.

    The library has places for all together and no limit of time: one peer that opens streams and
    says nothing would be all that a server serves.
    """
    serve = kad.handle_stream
    places = Shares[trio.CancelScope](DHT_STREAMS)
    # Whoever gave way holds the library's own place for a moment more.
    kad._inbound_limiter.total_tokens = 4 * DHT_STREAMS

    async def serve_in_turn(stream: INetStream) -> None:
        scope = trio.CancelScope(deadline=trio.current_time() + STREAM_SECONDS)
        out = places.take(network_of(stream.muxed_conn), scope)
        if out is not None:
            out.cancel()
        try:
            with scope:
                await serve(stream)
        finally:
            places.give_back(scope)
        if scope.cancelled_caught:
            with trio.move_on_after(RESET_SECONDS), suppress(Exception):
                await stream.reset()

    kad.handle_stream = serve_in_turn  # type: ignore[method-assign]
    if kad.mode is DHTMode.SERVER:
        kad.host.set_stream_handler(KAD_PROTOCOL, serve_in_turn)


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
