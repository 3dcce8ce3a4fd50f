"""The book of open sealed channels: one per device of each person, whoever opened it.

Opening reuses. Two channels opened at once become one, the same one on both sides, and no message
is lost or overtakes another on the way. What happens is told in `events`, in order.
"""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

import trio

from onmeet_node.net.channels.channel import Channel, End, Timing, accept_channel, open_channel
from onmeet_node.net.channels.device_channels import (
    ChannelEvent,
    ChannelGone,
    ChannelOpened,
    DeviceChannels,
    MessageArrived,
    Opening,
    tag_of,
)
from onmeet_node.net.channels.handshake import MAX_FIRST, MAX_LOST, SIGNAL_PROTOCOL, SeenEphemerals
from onmeet_node.net.channels.handshake_limits import HandshakeLimits
from onmeet_node.net.errors import ChannelEnded, ChannelRefused, PeerUnreachable
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.process.faults import alone
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.identity.errors import IdentityError
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.codec import encode
from onmeet_node.protocol.wire.messages import Hello, Message

__all__ = [
    "ChannelEvent",
    "ChannelGone",
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
REMEMBERED_LOSSES = 256
"""Devices whose lost channels are remembered."""


class ChannelNetwork(Protocol):
    """The part of `net.libp2p.host.Host` that channels need."""

    peer_id: str

    def connected(self, peer: str) -> bool:
        """Whether a connection is open."""
        ...

    async def connect(self, addresses: Sequence[str]) -> str:
        """Open one. Raises NetError."""
        ...

    async def open_stream(self, peer: str, protocol: str) -> Stream:
        """Open a stream on it. Raises NetError."""
        ...

    def suspect(self, peer: str) -> None:
        """The connection may be dead: look at once, and close it if so."""
        ...

    async def verify(self, peer: str) -> None:
        """Return once it is known whether a suspected connection is alive."""
        ...

    def on_direct(self, notify: Callable[[str], None]) -> Callable[[], None]:
        """Tell of peers to whom a direct connection opened beside a relayed one."""
        ...

    def handle(self, protocol: str, handler: Callable[[Stream], Awaitable[None]]) -> None:
        """Serve a protocol; a handler is cancelled when its connection is gone."""
        ...

    def stop_handling(self, protocol: str) -> None:
        """Refuse new streams."""
        ...


class Doorkeeper(Protocol):
    """Who is told what, and who comes in. Its methods must be quick: handshakes wait for them."""

    def greet(self, identity: Identity, opening_hash: bytes) -> Hello:
        """Our Hello on a channel we open: card for this reader, and a proof over the hash."""
        ...

    def admit(self, identity: Identity, hello: Hello, opening_hash: bytes) -> Hello | None:
        """Our Hello in answer to somebody who opens a channel; None: they get no answer at all.

        A proof in `hello` is over `opening_hash` (`protocol.identity.audience.find_by_proof`).
        """
        ...


class Channels:
    """Made by `open_channels`."""

    def __init__(
        self,
        network: ChannelNetwork,
        key: IdentityKey,
        door: Doorkeeper,
        nursery: trio.Nursery,
        *,
        timing: Timing,
        lobby: HandshakeLimits,
        max_idle: int,
        known: Callable[[Identity], bool],
    ) -> None:
        self.lobby = lobby
        self._network = network
        self._me = Device(network.peer_id)
        self._key = key
        self._door = door
        self._nursery = nursery
        self._timing = timing
        self._max_idle = max_idle
        self._is_known = known
        self._seen = SeenEphemerals()
        self._lines: OrderedDict[tuple[Identity, Device], DeviceChannels] = OrderedDict()
        """The least recently used first."""
        self._losses: OrderedDict[tuple[Identity, Device], deque[bytes]] = OrderedDict()
        self._kept: Counter[Identity] = Counter()
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
        self._kept[identity] += 1
        self._attend(identity)
        try:
            yield
        finally:
            self._kept[identity] -= 1
            if not self._kept[identity]:
                del self._kept[identity]
                self._attend(identity)
            self._close_idle()

    def _attend(self, identity: Identity) -> None:
        for line in self._lines.values():
            if line.identity == identity:
                for channel in line.channels:
                    channel.attend(attended=identity in self._kept)

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
                channel = await self._connect(line, opening, addresses, first)
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

    async def _connect(
        self,
        line: DeviceChannels,
        opening: Opening,
        addresses: tuple[str, ...],
        first: tuple[Message, ...],
    ) -> Channel:
        def sent() -> None:
            opening.sent = True

        device = line.device
        await self._network.verify(device)
        if not self._network.connected(device):
            # Somebody else named them: they lead to this device or nowhere.
            end = f"/p2p/{device}"
            own = [address for address in addresses if address.endswith(end)]
            if not own:
                raise PeerUnreachable(device)
            await self._network.connect(own)
        stream = await self._network.open_stream(device, SIGNAL_PROTOCOL)
        try:
            return await self._initiate(line, stream, device, self._me, first, sent)
        except BaseException:
            stream.abort()
            raise

    async def open_over(
        self, stream: trio.abc.Stream, identity: Identity, device: Device, local: Device
    ) -> Channel:
        """A channel over a stream that somebody else made; `local` and `device` are the names of
        the prologue. Raises `ChannelRefused`.
        """
        line = self._line(identity, device)
        try:
            channel = await self._initiate(line, stream, device, local, (), lambda: None)
        finally:
            self._forget(line)
        self._establish(self._line(identity, device), channel)
        return channel

    async def _initiate(
        self,
        line: DeviceChannels,
        stream: trio.abc.Stream,
        device: Device,
        local: Device,
        first: tuple[Message, ...],
        sent: Callable[[], None],
    ) -> Channel:
        channel: Channel | None = None
        try:
            with trio.move_on_after(self.lobby.seconds):
                channel = await open_channel(
                    stream,
                    self._key,
                    line.identity,
                    lambda opening_hash: self._door.greet(line.identity, opening_hash),
                    local=local,
                    device=device,
                    first=first,
                    lost=(*self._losses.get((line.identity, device), ()), *line.lost),
                    sent=sent,
                    timing=self._timing,
                )
        except (
            RemoteProtocolError,
            IdentityError,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
        ) as error:
            raise ChannelRefused(device) from error
        if channel is None:
            raise ChannelRefused(device)
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

        async def handshake() -> Channel:
            return await accept_channel(
                stream,
                self._key,
                self._door.admit,
                self._seen,
                local=local,
                device=device,
                timing=self._timing,
            )

        channel = await self.lobby.receive(device, network, handshake)
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
                first=(self._key.public, self._me) < (identity, device),
                nursery=self._nursery,
                tell=self._tell,
                touch=self._touch,
                over=self._channel_over,
            )
        return line

    def _establish(self, line: DeviceChannels, channel: Channel) -> None:
        channel.on_doubt = partial(self._network.suspect, line.device)
        line.establish(channel)
        if line.identity in self._kept:
            channel.attend(attended=True)
        self._touch(line)
        self._close_idle()

    def _channel_over(self, line: DeviceChannels, channel: Channel) -> None:
        if channel.end is End.SILENT:
            self._network.suspect(line.device)
        name = (line.identity, line.device)
        self._losses.setdefault(name, deque(maxlen=MAX_LOST)).append(tag_of(channel))
        self._losses.move_to_end(name)
        if len(self._losses) > REMEMBERED_LOSSES:
            self._losses.popitem(last=False)
        self._forget(line)

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
        idle = [
            line.current
            for line in self._lines.values()
            if line.current is not None and line.identity not in self._kept
        ]
        many = len(idle) - self._max_idle
        if many <= 0:
            return
        # Identities cost nothing: however many strangers come, they take each other's places.
        idle.sort(key=lambda channel: self._is_known(channel.identity))
        for channel in idle[:many]:
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
    key: IdentityKey,
    door: Doorkeeper,
    *,
    timing: Timing | None = None,
    lobby: HandshakeLimits | None = None,
    max_idle: int = MAX_IDLE,
    known: Callable[[Identity], bool] = lambda _: True,
) -> AsyncIterator[Channels]:
    """The book of channels of one node, for the length of a `with` block.

    `known`: whether somebody's idle channel is kept before those of the others. Leaving the block
    says Bye to every peer, within `Timing.close`.
    """
    timing = timing or Timing()
    async with trio.open_nursery() as nursery:
        channels = Channels(
            network,
            key,
            door,
            nursery,
            timing=timing,
            lobby=lobby or HandshakeLimits(),
            max_idle=max_idle,
            known=known,
        )
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
