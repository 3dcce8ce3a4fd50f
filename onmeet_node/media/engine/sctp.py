"""What is looked at in a peer's SCTP packet before aiortc reads it (RFC 9260). Pure.

aiortc 1.16 goes round for ever over a parameter of length 0, taking more memory each time, and
counts through every gap that an acknowledgement names, 65,536 for each four bytes: one packet of a
peer would stop the media of all calls.
"""

from __future__ import annotations

from struct import unpack_from

from onmeet_node.media.errors import PeerBrokeMedia

MAX_GAPS = 4_096
"""Pieces that the acknowledgements of one packet may name; of ours 1,000 are ever under way."""

_HEADER, _CHUNK_HEADER = 12, 4
_INIT, _INIT_ACK, _SACK = 1, 2, 3
_WITH_PARAMETERS = {4, 5, 6, 9, 130}
"""HEARTBEAT and its answer, ABORT, ERROR, RE-CONFIG: nothing but parameters."""
_INIT_FIELDS, _SACK_FIELDS = 16, 12


def check_packet(data: bytes) -> None:
    """Raises `PeerBrokeMedia` for what aiortc cannot bear.

    What it refuses by itself, as a wrong length or checksum, passes.
    """
    at, gaps = _HEADER, 0
    while at <= len(data) - _CHUNK_HEADER:
        kind, _, length = unpack_from("!BBH", data, at)
        if length < _CHUNK_HEADER or at + length > len(data):
            return
        body = data[at + _CHUNK_HEADER : at + length]
        if kind in {_INIT, _INIT_ACK}:
            _check_parameters(body[_INIT_FIELDS:])
        elif kind in _WITH_PARAMETERS:
            _check_parameters(body)
        elif kind == _SACK:
            gaps += _gaps(body)
        if gaps > MAX_GAPS:
            raise _unusable("acknowledges what was never sent")
        at += length + -length % 4


def _check_parameters(body: bytes) -> None:
    at = 0
    while at <= len(body) - 4:
        (length,) = unpack_from("!H", body, at + 2)
        if length < 4:
            raise _unusable("is malformed")
        at += length + -length % 4


def _gaps(body: bytes) -> int:
    """How many pieces the gap blocks of an acknowledgement name."""
    if len(body) < _SACK_FIELDS:
        return 0
    (blocks,) = unpack_from("!H", body, 8)
    there = min(blocks, (len(body) - _SACK_FIELDS) // 4)
    bounds = (unpack_from("!HH", body, _SACK_FIELDS + 4 * number) for number in range(there))
    return sum(max(0, end - begin + 1) for begin, end in bounds)


def _unusable(what: str) -> PeerBrokeMedia:
    return PeerBrokeMedia(
        f"The peer sent data beside the media that {what}. Its program may be too old or too new."
    )
