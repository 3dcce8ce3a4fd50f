"""NAT-PMP (RFC 6886): asking a router, in a dozen bytes, to let a port through."""

from __future__ import annotations

import struct

import attrs
import trio

from onmeet_node.net.errors import PortMapFailed

# ── fixed by the specification ───────────────────────────────────────────────────────────────────
PORT = 5351
_VERSION = 0
_MAP_TCP = 2
_ANSWER = 128
_REQUEST = struct.Struct("!BBHHHI")
_RESPONSE = struct.Struct("!BBHIHHI")
_REASONS = {
    1: "it speaks another version",
    2: "it is switched off in the router",
    3: "the router has no connection itself",
    4: "it has no port left",
    5: "it does not know how to map TCP",
}

# ── tuning ───────────────────────────────────────────────────────────────────────────────────────
LIFETIME = 3600
"""Seconds asked for; half of the RFC's proposal, so that a killed node's port is closed sooner."""
FIRST_WAIT = 0.25
TRIES = 4
"""The RFC tries nine times, for a minute; a router that has it answers within milliseconds."""


@attrs.frozen
class PortMapping:
    """A port of the router that leads to one of ours."""

    port: int
    """Of the router's outside."""
    lifetime: float
    """Seconds from now on."""


def request(inside: int, outside: int, lifetime: int) -> bytes:
    """Asks for TCP port `inside` to be reached at `outside` if that is free; lifetime 0 ends it."""
    return _REQUEST.pack(_VERSION, _MAP_TCP, 0, inside, outside, lifetime)


def read_answer(data: bytes, inside: int) -> PortMapping | None:
    """The mapping granted for port `inside`; None if `data` is no answer to that question.

    Raises PortMapFailed with the router's reason.
    """
    if len(data) < 4 or data[0] != _VERSION or data[1] != _ANSWER + _MAP_TCP:
        return None
    (result,) = struct.unpack_from("!H", data, 2)
    if result:
        raise PortMapFailed(_REASONS.get(result, f"its answer is {result}"))
    if len(data) < _RESPONSE.size:
        return None
    *_, port, outside, lifetime = _RESPONSE.unpack_from(data)
    return PortMapping(outside, lifetime) if port == inside and outside else None


async def map_port(
    gateway: str, inside: int, outside: int, *, lifetime: int = LIFETIME, port: int = PORT
) -> PortMapping:
    """Ask the router at `gateway` (an IPv4 address). Raises PortMapFailed.

    `outside` is wished for; what is granted may be another. `port` is for tests.
    """
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        try:
            # A connected socket takes answers from the router alone (RFC 6886, section 3.1).
            await socket.connect((gateway, port))
            for attempt in range(TRIES):
                await socket.send(request(inside, outside, lifetime))
                with trio.move_on_after(FIRST_WAIT * 2**attempt):
                    while True:
                        mapping = read_answer(await socket.recv(64), inside)
                        if mapping is not None:
                            return mapping
        except OSError as error:
            raise PortMapFailed(error.strerror or "it cannot be asked") from error
    raise PortMapFailed("it does not answer")


async def unmap_port(gateway: str, inside: int, *, port: int = PORT) -> None:
    """Close what was opened; nobody waits for the answer. Never fails."""
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        try:
            await socket.connect((gateway, port))
            await socket.send(request(inside, 0, 0))
        except OSError:
            return
