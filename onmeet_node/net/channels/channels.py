"""The book of open sealed channels: one per device of each person, whoever opened it.

Opening reuses. Two channels opened at once become one, the same one on both sides, and no message
is lost or overtakes another on the way. What happens is told in `events`, in order.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio

from onmeet_node.net.channels.channel import Channel, End
from onmeet_node.net.channels.channel_opener import ChannelNetwork, ChannelOpener, Doorkeeper
from onmeet_node.net.channels.credentials import Credentials
from onmeet_node.net.channels.device_channels import (
    ChannelEvent,
    ChannelGone,
    ChannelOpened,
    DeviceChannels,
    MessageArrived,
    Opening,
    tag_of,
)
from onmeet_node.net.channels.handshake import MAX_FIRST, SIGNAL_PROTOCOL
from onmeet_node.net.channels.handshake_limits import HandshakeLimits
from onmeet_node.net.channels.keeping import ChannelKeeping
from onmeet_node.net.channels.lost_channels import LostChannels
from onmeet_node.net.channels.timing import Timing
from onmeet_node.net.errors import ChannelEnded, ChannelRefused
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.process.faults import alone
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire.codec import encode
from onmeet_node.protocol.wire.messages import Message

__all__ = [
    "ChannelEvent",
    "ChannelGone",
    "ChannelNetwork",
    "ChannelOpened",
    "Channels",
    "Doorkeeper",
    "MessageArrived",
    "open_channels",
]

MAX_IDLE = 16
"""Channels kept open that nothing needs just now, so that the next call rings at once."""
MAX_RIDING_BYTES = 60_000
"""In message 1 behind the Hello, which has less than 4,000."""
MAX_EVENTS = 256
"""Events not taken yet; past it peers are not read from."""
GUESTS = "guests"
"""The network that channels inside other channels count for: their guests share its places."""


class Channels:
    """Made by `open_channels`."""

    def __init__(
        self,
        network: ChannelNetwork,
        identity: Identity,
        opener: ChannelOpener,
        keeping: ChannelKeeping,
        nursery: trio.Nursery,
    ) -> None:
        self._network = network
        self.here = self._me = Device(network.peer_id)
        """The PeerId at our end of them."""
        self._identity = identity
        self._opener = opener
        self._nursery = nursery
        self._keeping = keeping
        self._lines: OrderedDict[tuple[Identity, Device], DeviceChannels] = OrderedDict()
        """The least recently used first."""
        self._losses = LostChannels()
        self._tell, self.events = trio.open_memory_channel[ChannelEvent](MAX_EVENTS)
        """`events` is for one reader, the app; it is to be read all the time."""

    def __repr__(self) -> str:
        return f"<Channels {len(self._lines)} open>"

    def __len__(self) -> int:
        return len(self._lines)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    def get(self, identity: Identity, device: Device) -> Channel | None:
        """The open channel that `send` uses for this device."""
        line = self._lines.get((identity, device))
        return line.current if line is not None else None

    def devices(self, identity: Identity) -> tuple[Device, ...]:
        """The devices of this person to which a channel is open, the last used one first."""
        found = [line.device for line in self._lines.values() if _open_to(line, identity)]
        return tuple(reversed(found))

    # ── using ───────────────────────────────────────────────────────────────────────────────────
    def send(self, identity: Identity, device: Device, message: Message) -> bool:
        """Queue a message, without waiting; False if no channel to this device is open.

        Raises LocalProtocolError if the message is too long for any channel.
        """
        line = self._lines.get((identity, device))
        if line is None or line.current is None:
            return False
        self._touch(line)
        try:
            line.current.send(message)
        except ChannelEnded:
            return False
        return True

    async def open(
        self,
        identity: Identity,
        device: Device,
        addresses: Sequence[str] = (),
        first: Sequence[Message] = (),
    ) -> Channel:
        """The channel to this device; opened if there is none.

        `addresses` are multiaddrs that end in `/p2p/<device>`. `first` is sent at once, at the
        price of no round trip of its own; rarely, when a channel broke while it opened, a message
        of it arrives twice. Cancelling the last of several callers gives up opening. Raises
        NetError: PeerUnreachable, StreamRefused, ChannelRefused and others.
        """
        line = self._line(identity, device)
        if line.current is not None:
            return self._use(line, line.current, first)
        opening = line.opening
        if opening is None:
            opening = line.opening = Opening()
            rides = tuple(first) if _fits(first) else ()
            first = first[len(rides) :]
            self._nursery.start_soon(
                alone, "channel", self._dial, line, opening, tuple(addresses), rides
            )
        opening.waiters += 1
        try:
            await opening.done.wait()
        finally:
            opening.waiters -= 1
            if not opening.waiters:
                opening.scope.cancel()
        current = self.get(identity, device)
        if current is None:
            raise opening.error or ChannelRefused(device)
        return self._use(line, current, first)

    @contextlib.contextmanager
    def keep(self, identity: Identity) -> Iterator[None]:
        """While inside, this person's channels are not closed for being idle, and watched closely.

        For a call that is on, or whose page is open: a peer gone silent is noticed within 15 s.
        """
        self._keeping.begin(identity)
        self._attend(identity)
        try:
            yield
        finally:
            if self._keeping.end(identity):
                self._attend(identity)
            self._close_idle()

    def _attend(self, identity: Identity) -> None:
        for line in self._lines.values():
            if line.identity == identity:
                for channel in line.channels:
                    channel.attend(attended=self._keeping.attends(identity))

    async def close(self, identity: Identity, reason: str = "closed") -> None:
        """Close all channels with this person, and wait until they are over."""
        channels = [
            channel
            for line in list(self._lines.values())
            if line.identity == identity
            for channel in line.channels
        ]
        for channel in channels:
            channel.close(reason)
        for channel in channels:
            await channel.over.wait()

    def part(self, identity: Identity, listed: Callable[[bytes], bool]) -> None:
        """End the channels with this person's devices whose key is not `listed` (any more).

        At once, and without a word: what such a device still says is not heard.
        """
        for line in list(self._lines.values()):
            if line.identity == identity:
                for channel in tuple(line.channels):
                    if not listed(channel.key):
                        channel.fail(End.REVOKED)

    def move(self, device: Device) -> None:
        """A better connection to this device is there: open its channels over that one.

        Nothing is lost or overtaken; the old channel ends when the peer has taken what was on its
        way. Only who opened a channel moves it, so that it is not moved twice.
        """
        for line in list(self._lines.values()):
            current = line.current
            if line.device != device or current is None or line.opening is not None:
                continue
            if current.initiator:
                opening = line.opening = Opening()
                self._nursery.start_soon(alone, "channel", self._dial, line, opening, (), ())

    def end_events(self) -> None:
        """Let whoever reads `events` come to the end of it. For `open_channels`."""
        self._tell.close()

    # ── opening ─────────────────────────────────────────────────────────────────────────────────
    async def _dial(
        self,
        line: DeviceChannels,
        opening: Opening,
        addresses: tuple[str, ...],
        first: tuple[Message, ...],
    ) -> None:
        channel: Channel | None = None
        try:
            with opening.scope:
                channel = await self._opener.connect(
                    line.identity,
                    line.device,
                    addresses,
                    first=first,
                    lost=partial(self._lost, line),
                    sent=opening.message_sent,
                )
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            opening.error = error
        finally:
            line.opening = None
            opening.done.set()
        if channel is not None:
            self._establish(line, channel)
        elif line.current is not None:
            # Theirs came in meanwhile, and waited for ours.
            line.current.release()
            with contextlib.suppress(ChannelEnded):
                self._use(line, line.current, first)
        else:
            self._forget(line)

    async def open_over(
        self, stream: trio.abc.Stream, identity: Identity, device: Device, local: Device
    ) -> Channel:
        """A channel over a stream that somebody else made; `local` and `device` are the names of
        the prologue. Raises `ChannelRefused`.
        """
        line = self._line(identity, device)
        try:
            channel = await self._opener.initiate(
                stream, identity, device, local, lost=partial(self._lost, line)
            )
        finally:
            self._forget(line)
        self._establish(self._line(identity, device), channel)
        return channel

    async def _serve(self, stream: Stream) -> None:
        channel = await self.accept(
            stream, Device(stream.peer_id), self._me, network=stream.network
        )
        if channel is None:
            stream.abort()
            return
        await channel.over.wait()

    async def accept(
        self, stream: trio.abc.Stream, device: Device, local: Device, *, network: str = GUESTS
    ) -> Channel | None:
        """A channel over a stream that `device` opened to `local`; None if it was not opened.

        The two names are those of the prologue. `network`: see `HandshakeLimits.receive`. What
        a network serves comes here by itself.
        """
        channel = await self._opener.accept(stream, device, local, network=network)
        if channel is None:
            return None
        line = self._line(channel.identity, device)
        if line.opening is not None and line.opening.sent:
            # What rides in our own message 1 comes first.
            channel.hold()
        self._establish(line, channel)
        if line.opening is not None and not line.opening.sent:
            line.opening.scope.cancel()
        return channel

    # ── the book ────────────────────────────────────────────────────────────────────────────────
    def _line(self, identity: Identity, device: Device) -> DeviceChannels:
        line = self._lines.get((identity, device))
        if line is None:
            line = self._lines[identity, device] = DeviceChannels(
                identity,
                device,
                first=(self._identity, self._me) < (identity, device),
                nursery=self._nursery,
                tell=self._tell,
                touch=self._touch,
                over=self._channel_over,
            )
        return line

    def _establish(self, line: DeviceChannels, channel: Channel) -> None:
        line.establish(channel)
        if self._keeping.attends(line.identity):
            channel.attend(attended=True)
        self._touch(line)
        self._close_idle()

    def _channel_over(self, line: DeviceChannels, channel: Channel) -> None:
        if channel.end is End.SILENT:
            self._network.suspect(line.device)
        self._losses.add(line.identity, line.device, tag_of(channel))
        self._forget(line)

    def _lost(self, line: DeviceChannels) -> list[bytes]:
        """Tags of channels with this device that are over here; the peer may not have noticed."""
        return [*self._losses.of(line.identity, line.device), *line.lost]

    def _forget(self, line: DeviceChannels) -> None:
        name = (line.identity, line.device)
        # Of two that were opened at once one may stand in the book and the other be on its way out.
        if line.empty and self._lines.get(name) is line:
            del self._lines[name]

    def _touch(self, line: DeviceChannels) -> None:
        if (line.identity, line.device) in self._lines:
            self._lines.move_to_end((line.identity, line.device))

    def _use(self, line: DeviceChannels, channel: Channel, first: Sequence[Message]) -> Channel:
        self._touch(line)
        for message in first:
            channel.send(message)
        return channel

    def _close_idle(self) -> None:
        current = [line.current for line in self._lines.values() if line.current is not None]
        for channel in self._keeping.surplus(current):
            channel.close("idle")

    async def close_all(self) -> None:
        """Say Bye to everybody, and wait until each has heard it or `Timing.close` has passed."""
        channels = [channel for line in self._lines.values() for channel in line.channels]
        for channel in channels:
            channel.close("shutdown")
        for channel in channels:
            await channel.over.wait()


def _fits(first: Sequence[Message]) -> bool:
    """Whether these may ride in message 1; else they follow the handshake."""
    return len(first) <= MAX_FIRST and sum(len(encode(m)) for m in first) <= MAX_RIDING_BYTES


def _open_to(line: DeviceChannels, identity: Identity) -> bool:
    return line.identity == identity and line.current is not None


@asynccontextmanager
async def open_channels(
    network: ChannelNetwork,
    me: Credentials,
    door: Doorkeeper,
    *,
    timing: Timing | None = None,
    limits: HandshakeLimits | None = None,
    max_idle: int = MAX_IDLE,
    known: Callable[[Identity], bool] = lambda _: True,
) -> AsyncIterator[Channels]:
    """The book of channels of one node, for the length of a `with` block.

    `known`: whether somebody's idle channel is kept before those of the others. Leaving the block
    says Bye to every peer, within `Timing.close`.
    """
    timing = timing or Timing()
    async with trio.open_nursery() as nursery:
        opener = ChannelOpener(network, me, door, timing=timing, limits=limits or HandshakeLimits())
        channels = Channels(network, me.identity, opener, ChannelKeeping(max_idle, known), nursery)
        network.handle(SIGNAL_PROTOCOL, channels._serve)
        stop_moving = network.on_direct(lambda peer: channels.move(Device(peer)))
        try:
            yield channels
        finally:
            stop_moving()
            network.stop_handling(SIGNAL_PROTOCOL)
            with trio.CancelScope(deadline=trio.current_time() + timing.close + 1, shield=True):
                await channels.close_all()
            nursery.cancel_scope.cancel()
            channels.end_events()
