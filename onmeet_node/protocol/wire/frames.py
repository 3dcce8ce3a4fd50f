"""Frames on a stream: four bytes of length, big-endian, then as many bytes (PROTOCOL, "Frames").

Two bytes would reach as far, but with four a peer that speaks another protocol (HTTP, TLS)
announces millions of bytes, and is refused at its first word.
"""

from __future__ import annotations

from collections.abc import Iterator

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.wire.errors import FrameTooLong

MAX_FRAME_BYTES = 65_535
"""The longest Noise message (Noise specification, section 3)."""
_LENGTH_BYTES = 4


def encode_frame(payload: bytes, *, limit: int = MAX_FRAME_BYTES) -> bytes:
    """The payload with its length before it. Raises `LocalProtocolError` beyond `limit` bytes."""
    if len(payload) > limit:
        raise LocalProtocolError(
            f"A frame of {len(payload)} bytes would be refused; split it, {limit} are allowed."
        )
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


class FrameDecoder:
    """Gets the frames out of a stream that arrives in pieces of any size.

    Holds one frame of at most `limit` bytes, and the piece just fed.
    """

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._refused: int | None = None

    def feed(self, data: bytes | bytearray) -> Iterator[bytes]:
        """Takes the next piece; gives the frames that are whole now, in order.

        The piece is taken at once, also when the iterator is left early: the next one goes on.
        The iterator raises `FrameTooLong` as soon as a length is beyond the limit, whether or not
        any byte of that frame has arrived, and so does everything after it.
        """
        if self._refused is None:
            self._buffer += data
        return self._frames()

    @property
    def partial(self) -> bool:
        """Whether bytes wait for the rest of their frame: a stream that ends now was cut off."""
        return bool(self._buffer)

    def _frames(self) -> Iterator[bytes]:
        while self._refused is None and len(self._buffer) >= _LENGTH_BYTES:
            length = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            end = _LENGTH_BYTES + length
            if length > self._limit:
                self._refused = length
                self._buffer.clear()
            elif len(self._buffer) < end:
                return
            else:
                frame = bytes(self._buffer[_LENGTH_BYTES:end])
                del self._buffer[:end]
                yield frame
        if self._refused is not None:
            raise FrameTooLong(self._refused, self._limit)
