"""What one of our servers lends to whoever connects. Seconds and bytes."""

from __future__ import annotations

import attrs


@attrs.frozen
class ServerLimits:
    """The defaults are the gateway's; the app sets what a page of this machine needs."""

    message_bytes: int
    """Of a WebSocket's message."""
    ping_seconds: float
    """Between two pings of a WebSocket, which keep NATs and proxies from forgetting it."""
    write_seconds: float
    """For the other side to take `PIECE_BYTES`; one that does not is cut off."""
    head_bytes: int = 16 * 1024
    """Of a request's head, and of what surrounds one piece of its body."""
    head_seconds: float = 10.0
    """From the connection's begin, or the answer before, to a whole head; TLS has as long."""
    body_seconds: float = 60.0
    """For a whole request, from its head on."""
    waiting: int = 1_024
    """Connections that are no WebSockets in use. When more come, the one that said nothing new
    for the longest goes, of the network that has most of them."""
    waiting_per_network: int = 128
    """Of which so many of one IPv4 address or IPv6 /56; when more come, its oldest goes."""


PIECE_BYTES = 16 * 1024
"""Read and written at once: what one connection makes us hold."""
