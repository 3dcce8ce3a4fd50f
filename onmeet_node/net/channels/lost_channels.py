"""Which channels are over here, though the peer may not have noticed: a new one tells it."""

from __future__ import annotations

from collections import OrderedDict, deque

from onmeet_node.net.channels.handshake import MAX_LOST
from onmeet_node.protocol.call.events import Device, Identity

REMEMBERED_DEVICES = 256


class LostChannels:
    """Tags of the last channels with each device, for the devices that lost one last."""

    def __init__(self) -> None:
        self._tags: OrderedDict[tuple[Identity, Device], deque[bytes]] = OrderedDict()

    def add(self, identity: Identity, device: Device, tag: bytes) -> None:
        """A channel with this device is over."""
        name = (identity, device)
        self._tags.setdefault(name, deque(maxlen=MAX_LOST)).append(tag)
        self._tags.move_to_end(name)
        if len(self._tags) > REMEMBERED_DEVICES:
            self._tags.popitem(last=False)

    def of(self, identity: Identity, device: Device) -> tuple[bytes, ...]:
        """The tags, the oldest first."""
        return tuple(self._tags.get((identity, device), ()))
