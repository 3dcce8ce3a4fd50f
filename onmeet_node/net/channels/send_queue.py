"""What waits to be written to one channel, in order, with the channel's own words before it."""

from __future__ import annotations

from collections import deque

import trio

MAX_QUEUED = 256
MAX_QUEUED_BYTES = 1 << 20
"""Waiting to be sent. A peer that lets more pile up does not read, and loses the channel."""

BATCH_BYTES = 16_384
"""Written in one piece once so much has come together: a call's first messages go as one."""
SEALED_MORE = 32
"""Bytes by which a message grows at most, or that a new key takes: length and authentication tag
are 20."""


class SendQueue:
    """Encoded messages for one writer. Those of the layers above can be held back."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._first: deque[bytes] = deque()
        self._bytes = 0
        self._held = False
        self._wake = trio.Event()

    @property
    def size(self) -> int:
        """Bytes that wait as they are sent, at most, and those held back included."""
        return self._bytes + SEALED_MORE * (1 + len(self._messages) + len(self._first))

    @property
    def all_taken(self) -> bool:
        """Whether no message of the layers above waits."""
        return not self._messages

    def takes(self, data: bytes) -> bool:
        """Whether there is place for this message."""
        return len(self._messages) < MAX_QUEUED and self._bytes + len(data) <= MAX_QUEUED_BYTES

    def push(self, data: bytes) -> None:
        """Behind all others."""
        self._add(self._messages, data)

    def push_first(self, data: bytes) -> bool:
        """Before all but its like, and also while the others are held; False if there is no place.

        For answers that a peer can cause: it may ask and not read.
        """
        if len(self._first) >= MAX_QUEUED:
            return False
        self._add(self._first, data)
        return True

    def _add(self, queue: deque[bytes], data: bytes) -> None:
        queue.append(data)
        self._bytes += len(data)
        self._wake.set()

    def hold(self) -> None:
        """Keep what is pushed back until `release`."""
        self._held = True

    def release(self) -> None:
        """Let go of what was held back."""
        self._held = False
        self._wake.set()

    def take(self) -> bytes | None:
        """What is to be written next; None if nothing may be."""
        if self._first:
            data = self._first.popleft()
        elif self._messages and not self._held:
            data = self._messages.popleft()
        else:
            return None
        self._bytes -= len(data)
        return data

    def take_some(self) -> list[bytes]:
        """What is to be written next, up to about `BATCH_BYTES`; at least one, if any."""
        batch: list[bytes] = []
        size = 0
        while size < BATCH_BYTES and (data := self.take()) is not None:
            batch.append(data)
            size += len(data)
        return batch

    async def wait(self) -> None:
        """Return once something was pushed or released since the last wait."""
        await self._wake.wait()
        self._wake = trio.Event()
