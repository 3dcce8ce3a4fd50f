"""STUN messages (RFC 8489) as far as asking a server needs, and whether one answers at all."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress

import attrs
import trio

_MAGIC = 0x2112A442
_HEAD = struct.Struct(">HHI12s")
_ATTRIBUTE = struct.Struct(">HH")
HEAD_BYTES = _HEAD.size
BINDING_REQUEST, BINDING_SUCCESS = 0x0001, 0x0101
ERROR_CODE, MESSAGE_INTEGRITY = 0x0009, 0x0008
_INTEGRITY_BYTES = 20
MAX_BYTES = 1_500


def new_transaction() -> bytes:
    """An identifier that nobody can guess, to tell the answer to a request by."""
    return secrets.token_bytes(12)


@attrs.frozen
class Message:
    """What a server said."""

    kind: int
    """Method and class as one number, section 5."""
    transaction: bytes
    attributes: Mapping[int, bytes] = attrs.field(repr=False)

    @property
    def error(self) -> int:
        """The number of its ERROR-CODE, as in HTTP; 0 if it has none."""
        value = self.attributes.get(ERROR_CODE, b"")
        return (value[2] & 7) * 100 + value[3] if len(value) >= 4 else 0


def encode(
    kind: int,
    transaction: bytes,
    attributes: Iterable[tuple[int, bytes]] = (),
    *,
    key: bytes | None = None,
) -> bytes:
    """A message; with MESSAGE-INTEGRITY (section 14.5) if there is a `key`."""
    body = b"".join(
        _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4)
        for name, value in attributes
    )
    if key is not None:
        counted = len(body) + _ATTRIBUTE.size + _INTEGRITY_BYTES
        signed = _HEAD.pack(kind, counted, _MAGIC, transaction) + body
        mac = hmac.new(key, signed, hashlib.sha1).digest()
        return signed + _ATTRIBUTE.pack(MESSAGE_INTEGRITY, len(mac)) + mac
    return _HEAD.pack(kind, len(body), _MAGIC, transaction) + body


def body_bytes(head: bytes) -> int:
    """How many bytes follow these first `HEAD_BYTES` of a message in a byte stream."""
    return int(_HEAD.unpack(head)[1])


def decode(data: bytes) -> Message | None:
    """A message from bytes; None if they are none."""
    if len(data) < HEAD_BYTES:
        return None
    kind, length, magic, transaction = _HEAD.unpack_from(data)
    if magic != _MAGIC or length != len(data) - HEAD_BYTES:
        return None
    attributes: dict[int, bytes] = {}
    at = HEAD_BYTES
    while at + _ATTRIBUTE.size <= len(data):
        name, size = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        if at + size > len(data):
            return None
        attributes.setdefault(name, data[at : at + size])
        at += size + -size % 4
    return Message(kind, transaction, attributes)


async def answers_binding(host: str, port: int, *, seconds: float) -> bool:
    """Whether a STUN server at this IP address (UDP) answers one Binding request in time."""
    family = trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET
    transaction = new_transaction()
    with (
        trio.move_on_after(seconds),
        suppress(OSError),  # nobody is at that port, or there is no such family here
        trio.socket.socket(family, trio.socket.SOCK_DGRAM) as sender,
    ):
        await sender.connect((host, port))
        await sender.send(encode(BINDING_REQUEST, transaction))
        while True:
            answer = decode(await sender.recv(MAX_BYTES))
            if (
                answer is not None
                and answer.kind == BINDING_SUCCESS
                and answer.transaction == transaction
            ):
                return True
    return False
