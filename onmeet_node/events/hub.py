"""How events reach those who watch, none of whom can hold up the node or the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import trio

from onmeet_node.events.node import NodeEvent

BACKLOG = 512
"""Events kept for a watcher that does not read; past that it misses the newest, and past half of it
those that a peer can cause without end."""

E = TypeVar("E", bound=NodeEvent)


class Hub(Generic[E]):
    """Hands each published event to every watcher, in order, without ever waiting for one."""

    def __init__(self) -> None:
        self._watchers: set[trio.MemorySendChannel[E]] = set()

    def publish(self, event: E) -> None:
        """Gives `event` to all who watch now."""
        for watcher in tuple(self._watchers):
            if event.endless and watcher.statistics().current_buffer_used >= BACKLOG // 2:
                continue  # nobody's flood takes the room of somebody else's ring
            try:
                watcher.send_nowait(event)
            except trio.WouldBlock:
                continue  # it does not read; what it has not read yet is still in order
            except trio.BrokenResourceError:
                self._watchers.discard(watcher)

    def open(self) -> trio.MemoryReceiveChannel[E]:
        """Starts watching; close the channel to stop."""
        sender, receiver = trio.open_memory_channel[E](BACKLOG)
        self._watchers.add(sender)
        return receiver

    @contextmanager
    def watch(self) -> Iterator[trio.MemoryReceiveChannel[E]]:
        """The events from now on, until the block ends."""
        with self.open() as receiver:
            yield receiver

    def close(self) -> None:
        """Ends every watcher's iteration once it has read what is there."""
        for watcher in self._watchers:
            watcher.close()
        self._watchers.clear()
