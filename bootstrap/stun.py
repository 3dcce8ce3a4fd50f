"""A STUN question, to see whether a server answers (RFC 8489)."""

from __future__ import annotations

import secrets
import socket
import struct

import trio

_MAGIC = 0x2112A442
_HEAD = struct.Struct(">HHI12s")
_BINDING_REQUEST, _BINDING_SUCCESS = 0x0001, 0x0101
_MAX_BYTES = 1_500


async def answers_binding(host: str, port: int, *, seconds: float) -> bool:
    """Whether a STUN server at this address (UDP) answers one Binding request in time."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    transaction = secrets.token_bytes(12)
    with (
        trio.move_on_after(seconds),
        trio.socket.socket(family, trio.socket.SOCK_DGRAM) as sender,
    ):
        try:
            await sender.connect((host, port))
            await sender.send(_HEAD.pack(_BINDING_REQUEST, 0, _MAGIC, transaction))
            while True:
                data = await sender.recv(_MAX_BYTES)
                if len(data) >= _HEAD.size and _HEAD.unpack_from(data)[::3] == (
                    _BINDING_SUCCESS,
                    transaction,
                ):
                    return True
        except OSError:  # nobody is at that port
            return False
    return False
