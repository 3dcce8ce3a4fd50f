"""All sealed channels with one device of one person: one in use, others on their way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import trio

from onmeet_node.net.channels.channel import Channel, End
from onmeet_node.net.channels.handshake import TAG_BYTES
from onmeet_node.process.faults import contained
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire.messages import Hello, Message

DRAIN_SECONDS = 2.0
"""For the loser of two channels to deliver what is on its way; the winner waits for it."""


@dataclass(frozen=True, slots=True)
class ChannelOpened:
    """The first sealed channel to this device is open."""

    identity: Identity
    device: Device
    hello: Hello
    """Theirs: card and capabilities."""
    incoming: bool


@dataclass(frozen=True, slots=True)
class MessageArrived:
    """A message of theirs; never Hello, Ping, Pong or Bye."""

    identity: Identity
    device: Device
    message: Message


@dataclass(frozen=True, slots=True)
class ChannelGone:
    """The last sealed channel to this device is over."""

    identity: Identity
    device: Device
    end: End
    detail: str = ""
    """What the peer said, or what was wrong with what it sent."""


ChannelEvent = ChannelOpened | MessageArrived | ChannelGone


@dataclass(eq=False)
class Opening:
    """A channel being opened by us, and those who wait for it."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    done: trio.Event = field(default_factory=trio.Event)
    waiters: int = 0
    sent: bool = False
    """Message 1 is out, so what rides in it may have arrived."""
    error: Exception | None = None

    def message_sent(self) -> None:
        """Message 1 is out."""
        self.sent = True


@dataclass(eq=False)
class _Session:
    """Channels that followed each other without a loss; to the layers above they are one."""

    before: _Session | None
    open: set[Channel] = field(default_factory=set)
    told: bool = False
    """Whether `ChannelOpened` was announced."""
    over: trio.Event = field(default_factory=trio.Event)
    """Set when `ChannelGone` was announced."""


@dataclass(eq=False)
class DeviceChannels:
    """All channels with `device` of `identity`, run in `nursery` and told of in `tell`."""

    identity: Identity
    device: Device
    first: bool
    """Whether we are the lower of the two: (identity, PeerId) as bytes and text."""
    nursery: trio.Nursery
    tell: trio.MemorySendChannel[ChannelEvent]
    touch: Callable[[DeviceChannels], None]
    """Called when the line is used."""
    over: Callable[[DeviceChannels, Channel], None]
    """Called when a channel of it is over; it is no longer in `channels` then."""
    channels: set[Channel] = field(default_factory=set)
    """Those not over yet: the one in use, and others on their way out."""
    opening: Opening | None = None
    _newest: Channel | None = None
    _session: _Session | None = None

    @property
    def current(self) -> Channel | None:
        """The channel to send on; None once it is known to end."""
        newest = self._newest
        return newest if newest is not None and newest.end is None else None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remember of it."""
        return not self.channels and self.opening is None

    @property
    def lost(self) -> list[bytes]:
        """Tags of channels that have ended here; the peer may not have noticed."""
        return [tag_of(channel) for channel in self.channels if channel.end is not None]

    def establish(self, new: Channel) -> None:
        """Take in a new channel; of two with one device only one stays in use.

        Both sides decide alike. If whoever opened the new one had lost the old one, that is dead
        there. If one side opened both, it moves from the old one, which is fine, to a better
        connection. Else both were opened at once, and the one that the lower side opened stays.
        """
        old = self.current
        self.channels.add(new)
        session = self._session
        if old is None or session is None or tag_of(old) in new.lost:
            self._newest = new
            session = self._session = _Session(before=session)
            if old is not None:
                old.fail(End.REPLACED)
        else:
            moved = new.initiator == old.initiator
            stays = moved or new.initiator == self.first
            winner, loser = (new, old) if stays else (old, new)
            self._newest = winner
            loser.successor = winner
            winner.hold()
            loser.release()
            self.nursery.start_soon(_settle, loser, winner)
        session.open.add(new)
        self.nursery.start_soon(self._pump, new, session)

    async def _pump(self, channel: Channel, session: _Session) -> None:
        """Run one channel to its end and tell what happens on it."""
        with contained("channel", then=partial(channel.fail, End.FAULT)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(channel.run)
                await self._tell_of(channel, session)
        channel.over.set()
        with contained("channel"):
            session.open.discard(channel)
            if not session.open:
                # Whoever waits for this one's end would wait for ever.
                end = channel.end or End.CLOSED
                if session.told:
                    gone = ChannelGone(self.identity, self.device, end, channel.detail)
                    await self.tell.send(gone)
                session.over.set()
        self.channels.discard(channel)
        self.over(self, channel)

    async def _tell_of(self, channel: Channel, session: _Session) -> None:
        if session.before is not None:
            await session.before.over.wait()
            session.before = None
        if not session.told:
            session.told = True
            incoming = not channel.initiator
            await self.tell.send(ChannelOpened(self.identity, self.device, channel.hello, incoming))
        async for message in channel:
            self.touch(self)
            await self.tell.send(MessageArrived(self.identity, self.device, message))


def tag_of(channel: Channel) -> bytes:
    """How a channel is named when it was lost."""
    return channel.handshake_hash[:TAG_BYTES]


async def _settle(loser: Channel, winner: Channel) -> None:
    """`_drain`; a fault in it costs both channels, for nobody knows what arrived."""

    def fail() -> None:
        loser.fail(End.FAULT)
        winner.fail(End.FAULT)

    with contained("channel", then=fail):
        await _drain(loser, winner)


async def _drain(loser: Channel, winner: Channel) -> None:
    """End the loser when the peer has taken all of it; only then does the winner go on sending."""
    taken = False
    with trio.move_on_after(DRAIN_SECONDS):
        taken = await loser.flush()
    if taken and not winner.initiator:
        # Whoever opened the winner may not know of it yet, and would think that all is lost.
        winner.release()
        with trio.move_on_after(DRAIN_SECONDS):
            await loser.over.wait()
    loser.close("duplicate")
    if not taken and loser.carried:
        # Nobody knows what arrived: to the layers above the device is lost.
        winner.fail(End.LOST)
    winner.release()
