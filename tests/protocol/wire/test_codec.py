"""What bytes a message may be: unknown keys are passed over, whatever they hold, within bounds."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from onmeet_node.protocol.wire import codec
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.errors import DecodeError


def ping(**more: Any) -> bytes:
    return bytes(msgpack.packb({"t": "ping", "n": 7, **more}))


def nested(depth: int) -> Any:
    """`depth` arrays within each other."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


UNKNOWN = {
    "nothing": None,
    "a fraction": 0.5,
    "an extension": msgpack.ExtType(5, b"new"),
    "a long extension": msgpack.ExtType(5, bytes(40_000)),
    "a time": msgpack.Timestamp(1_800_000_000, 1),
    "an extension within": {"deeper": [{"yet": msgpack.ExtType(1, b"")}]},
    "as deep as may be": nested(codec.MAX_DEPTH - 1),
    "as many as may be": [0] * codec.MAX_LIST,
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_an_unknown_key_may_hold_anything(what: str) -> None:
    assert codec.decode(ping(later=UNKNOWN[what])) == m.Ping(n=7)


MALFORMED = {
    "an extension where a number belongs": ping(n=msgpack.ExtType(5, b"new")),
    "a time where a number belongs": ping(n=msgpack.Timestamp(1)),
    "an extension where a map belongs": msgpack.packb(
        {"t": "hello", "card": msgpack.ExtType(5, b"")}
    ),
    "a time of a length that none has": ping(later=0)[:-1] + b"\xc7\x05\xffabcde",
    "too deep": ping(later=nested(codec.MAX_DEPTH)),
    "far too deep": ping(later=0)[:-1] + b"\x91" * 30_000 + b"\x00",
    "too many": ping(later=[0] * (codec.MAX_LIST + 1)),
    "a key that is an extension": b"\x82\xa1t\xa4ping\xd4\x01\x00\x00",
    "too long": ping(later=bytes(codec.MAX_MESSAGE_BYTES)),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_bounds_hold_for_what_is_not_known_as_well(what: str) -> None:
    with pytest.raises(DecodeError):
        codec.decode(MALFORMED[what])
