"""A TCP connection, as the library reads and writes it."""

from __future__ import annotations

from libp2p.io.trio import TrioTCPStream

from onmeet_node.process.work import WORK


class SocketStream(TrioTCPStream):
    """The library's, counted."""

    async def read(self, n: int | None = None) -> bytes:
        """Up to `n` bytes; b"" at the end."""
        WORK.socket_reads += 1
        return await super().read(n)
