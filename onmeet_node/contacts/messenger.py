"""What is said to people: over every sealed channel that is open to one of their devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

from onmeet_node.net.channels.channel import Channel
from onmeet_node.net.channels.channels import Channels
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire.messages import Message


class Messenger:
    """Speaks to people over their open channels, and knows who has one."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._here: set[Identity] = set()
        self._said_once: WeakKeyDictionary[Channel, set[Message]] = WeakKeyDictionary()

    @property
    def here(self) -> Iterable[Identity]:
        """Everybody with an open channel: nobody else can be told anything now."""
        return self._here

    def opened(self, peer: Identity) -> None:
        """A channel to this person is open."""
        self._here.add(peer)

    def closed(self, peer: Identity) -> None:
        """The last channel to this person is closed."""
        self._here.discard(peer)

    def send(self, peer: Identity, message: Message) -> bool:
        """Gives a message to every open channel of a person; False without one."""
        sent = [self.send_to(peer, device, message) for device in self._channels.devices(peer)]
        return any(sent)

    def send_once(self, peer: Identity, message: Message) -> bool:
        """Gives a message to every open channel of a person that has not carried this one; False
        if there is none.
        """
        sent = False
        for device in self._channels.devices(peer):
            channel = self._channels.get(peer, device)
            if channel is None:
                continue
            said = self._said_once.setdefault(channel, set())
            if message not in said and self.send_to(peer, device, message):
                said.add(message)
                sent = True
        return sent

    def send_to(self, peer: Identity, device: Device, message: Message) -> bool:
        """Gives a message to the channel of one device; False if there is none."""
        return self._channels.send(peer, device, message)

    async def taken(self, peer: Identity, device: Device) -> None:
        """Returns when this device has taken all that was said to it, or is gone."""
        channel = self._channels.get(peer, device)
        if channel is not None:
            await channel.flush()

    def devices(self, peer: Identity) -> tuple[Device, ...]:
        """Those of a person to which a channel is open."""
        return self._channels.devices(peer)

    def part(self, peer: Identity, listed: Callable[[bytes], bool]) -> None:
        """Closes the channels to those of a person's devices whose key is not `listed`."""
        self._channels.part(peer, listed)

    def close(self, peer: Identity) -> None:
        """Closes every channel to this person."""
        for device in self._channels.devices(peer):
            channel = self._channels.get(peer, device)
            if channel is not None:
                channel.close()
