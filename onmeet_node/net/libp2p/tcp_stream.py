"""A TCP connection, as the library reads and writes it."""

from __future__ import annotations

from typing import Any

import trio
from libp2p.io.trio import TrioTCPStream
from libp2p.security.noise.io import SIZE_NOISE_MESSAGE_LEN

from onmeet_node.net.libp2p.quick_lock import QuickLock
from onmeet_node.process.work import WORK

CHUNK = 65_536
"""Bytes asked of the socket at once: a whole Noise message, or many small ones."""


class SocketStream(TrioTCPStream):
    """The library's, which takes from the socket whatever is there.

    The library asks the kernel twice for each Noise message, for its length and for the rest.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self.read_lock: Any = QuickLock()
        self.write_lock: Any = QuickLock()
        self._ahead = bytearray()

    async def read(self, n: int | None = None) -> bytes:
        """Up to `n` bytes; b"" at the end."""
        if self._ahead and n == SIZE_NOISE_MESSAGE_LEN:
            # One more message came with the last: whoever waits for that one takes it first. It may
            # be gone with its stream after the next, a reset or the end of the connection.
            await trio.lowlevel.checkpoint()
        if not self._ahead and n != 0:
            WORK.socket_reads += 1
            data = await super().read(CHUNK)
            if n is None or len(data) <= n:
                return data
            self._ahead += data
        taken = bytes(self._ahead[:n])
        del self._ahead[: len(taken)]
        return taken
