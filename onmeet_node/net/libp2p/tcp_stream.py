"""A TCP connection, as the library reads and writes it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
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
        self._rest = b""
        """What `write_now` could not hand to the kernel."""

    async def read(self, n: int | None = None) -> bytes:
        """Up to `n` bytes; b"" at the end."""
        if self._ahead and n == SIZE_NOISE_MESSAGE_LEN:
            # One more message came with the last: whoever waits for that one takes it first. It may
            # be gone with its stream after the next, a reset or the end of the connection. Twice:
            # within one pass the order of tasks is anybody's.
            await trio.lowlevel.checkpoint()
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

    async def write(self, data: bytes) -> None:
        """All of it, after what `write_now` left."""
        rest, self._rest = self._rest, b""
        await super().write(rest + data)

    @property
    def free(self) -> bool:
        """Whether nobody writes, so that `write_now` may."""
        return not self.write_lock.locked() and not self._rest and sys.platform != "win32"

    def write_now(self, data: bytes) -> bool:
        """Hands `data` to the kernel without waiting; False if it did not take all of it.

        Then somebody must `write`, if only nothing. Only while `free`.
        """
        taken = 0
        with suppress(OSError):  # it is full, or broken, which `write` and readers are told
            taken = os.write(self.stream.socket.fileno(), data)
        self._rest = data[taken:]
        return not self._rest
