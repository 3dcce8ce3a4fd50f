"""Which channels stay open though nothing needs them just now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from onmeet_node.net.channels.channel import Channel
from onmeet_node.protocol.call.events import Identity


class ChannelKeeping:
    """Counts who is attended to, and chooses whose idle channel makes place for others.

    `max_idle` channels of all others stay open. `known`: whether somebody's is kept before those
    of strangers.
    """

    def __init__(self, max_idle: int, known: Callable[[Identity], bool]) -> None:
        self._max_idle = max_idle
        self._known = known
        self._attended: Counter[Identity] = Counter()

    def attends(self, identity: Identity) -> bool:
        """Whether a call with them is on, or their page is open."""
        return identity in self._attended

    def begin(self, identity: Identity) -> None:
        """One more reason to attend to them."""
        self._attended[identity] += 1

    def end(self, identity: Identity) -> bool:
        """One reason less; True if it was the last."""
        self._attended[identity] -= 1
        if self._attended[identity]:
            return False
        del self._attended[identity]
        return True

    def surplus(self, channels: Iterable[Channel]) -> list[Channel]:
        """Those of `channels`, the least recently used first, that are to be closed."""
        idle = [channel for channel in channels if not self.attends(channel.identity)]
        many = len(idle) - self._max_idle
        if many <= 0:
            return []
        # Identities cost nothing: however many strangers come, they take each other's places.
        return sorted(idle, key=lambda channel: self._known(channel.identity))[:many]
