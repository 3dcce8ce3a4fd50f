"""Reaching a person: from an identity to open sealed channels, by the shortest way there is.

An open channel is used at once. Unless all known devices have one, addresses seen lately are
dialled meanwhile, and the DHT is asked for the person's record, all side by side, because a person
may have several devices and an old address may be dead (PROTOCOL, "Publishing and finding").
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import trio

from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.known_devices import DeviceCredentials
from onmeet_node.contacts.locator import PeerLocator
from onmeet_node.net.channels.channel import Channel
from onmeet_node.net.channels.channels import Channels
from onmeet_node.net.errors import NetError
from onmeet_node.net.presence.rendezvous import Rendezvous
from onmeet_node.process.faults import alone
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.record import Presence
from onmeet_node.protocol.wire.messages import CallMessage

log = logging.getLogger(__name__)

OPEN_SECONDS = 12.0
"""To open a channel to one device: about 10 round trips, on the worst of links."""

RESOLVE_SECONDS = 10.0
"""For one DHT lookup."""

OTHERS_AFTER = 5.0
"""Seconds that a call rings at all known devices before the DHT is asked for others: one that was
switched on since the last question rings that much later. Most calls are answered by then."""

SILENT_AFTER = 1.2
"""The same when a device has not said anything: after `Timing.fresh` its channel is in doubt."""


class PeerTransport:
    """Opens channels to people."""

    def __init__(
        self,
        channels: Channels,
        rendezvous: Rendezvous,
        book: AddressBook,
        locator: PeerLocator,
        devices: DeviceCredentials,
        *,
        alone: Callable[[], bool],
        joined: trio.Event,
    ) -> None:
        """`alone`: whether this node knows nobody to ask, as `CallTransport` wants to know.

        `joined`: set once it has entered the network; what is not found before says nothing.
        """
        self.alone = alone
        self._joined = joined
        self._devices = devices
        self.here = channels.here
        """This device, which is found as well when another own one is looked for."""
        self._channels = channels
        self._rendezvous = rendezvous
        self._book = book
        self._locator = locator

    def keep(self, peer: Identity) -> AbstractContextManager[None]:
        """While inside, channels to this person are kept open and watched closely."""
        return self._channels.keep(peer)

    async def find(
        self,
        peer: Identity,
        found: Callable[[Device], None],
        *,
        unanswered: Callable[[], bool] = lambda: False,
    ) -> None:
        """Calls `found` for each of the peer's devices with an open channel, as they open.

        The DHT is asked for others while fewer than the known ones have one, or when the call
        still rings after `OTHERS_AFTER`.
        """
        search = _Search(self, peer, found)
        reached = self._channels.devices(peer)
        for device in reached:
            search.report(device)
        known = self._devices.expected(peer, self._locator.seen_at(peer))
        if known and unanswered() and all(one.peer_id in reached for one in known):
            await self._while_they_ring(peer, reached)
            if not unanswered():
                return
        async with trio.open_nursery() as nursery:
            for presence in known:
                nursery.start_soon(alone, "device search", search.dial, presence)
            for secret in self._locator.secrets_of(peer):
                nursery.start_soon(alone, "device search", search.look_up, secret, nursery)

    async def _while_they_ring(self, peer: Identity, devices: Iterable[Device]) -> None:
        """Until `OTHERS_AFTER`; less if a device is lost, or says nothing."""
        channels = [c for device in devices if (c := self._channels.get(peer, device)) is not None]

        async def watch(channel: Channel) -> None:
            await channel.over.wait()
            nursery.cancel_scope.cancel()

        with trio.move_on_after(OTHERS_AFTER):
            async with trio.open_nursery() as nursery:
                for channel in channels:
                    nursery.start_soon(watch, channel)
                await trio.sleep(SILENT_AFTER)
                if any(channel.in_doubt for channel in channels):
                    nursery.cancel_scope.cancel()

    async def find_own(self) -> None:
        """Opens channels to the other devices of this person that are there, whether this node is
        in the network itself or not: a linked one comes in by what the others lend it.
        """
        me = self._devices.identity
        async with trio.open_nursery() as nursery:
            for secret in self._locator.secrets_of(me):
                for presence in await self._look_up(me, secret):
                    known = Device(presence.peer_id) in self._channels.devices(me)
                    if presence.peer_id != self.here and not known:
                        nursery.start_soon(self.open, me, presence)

    async def channel(self, peer: Identity) -> bool:
        """Whether a channel to any device of the peer could be opened; waits for the first."""
        if self._channels.devices(peer):
            return True
        with trio.CancelScope() as enough:
            await self.find(peer, lambda _: enough.cancel())
        return bool(self._channels.devices(peer))

    def send(self, peer: Identity, device: Device, message: CallMessage) -> bool:
        """Hands a message to the open channel; False if there is none."""
        return self._channels.send(peer, device, message)

    def capabilities(self, peer: Identity, device: Device) -> frozenset[str] | None:
        """What this device can do, by the `hello` of the open channel; None if there is none."""
        channel = self._channels.get(peer, device)
        return None if channel is None else frozenset(channel.hello.caps)

    def early_media(self, peer: Identity) -> bool:
        """Whether our direct addresses may go to this peer before a call is accepted."""
        return self._book.shows_direct(peer)

    def binding(self, peer: Identity) -> bytes:
        """What the authentication string of a call with them is bound to: the two people."""
        return b"".join(sorted((self._devices.identity, peer)))

    async def open(self, peer: Identity, presence: Presence) -> Device | None:
        """A channel to one device; None if it cannot be reached."""
        device = Device(presence.peer_id)
        ways = (*presence.addresses, *presence.relays)
        opened = False
        with trio.move_on_after(OPEN_SECONDS):
            try:
                await self._channels.open(peer, device, ways)
                opened = True
            except NetError as error:
                log.debug("a device could not be reached: %s", type(error).__name__)
        return device if opened else None

    async def resolve(self, peer: Identity, secret: bytes) -> tuple[Presence, ...]:
        """The person's devices by the DHT; none if there is no record or no DHT.

        Somebody who has just started calls and adds people at once: while the node is still
        entering the network, it asks again as soon as it is in.
        """
        with trio.move_on_after(RESOLVE_SECONDS):
            while True:
                early, found = not self._joined.is_set(), await self._look_up(peer, secret)
                if found or not early:
                    return found
                await self._joined.wait()
        return ()

    async def _look_up(self, peer: Identity, secret: bytes) -> tuple[Presence, ...]:
        try:
            listing = await self._rendezvous.look_up(peer, secret)
        except NetError as error:
            log.debug("a lookup failed: %s", type(error).__name__)
            return ()
        return self._devices.found(peer, listing)

    def remember(self, peer: Identity, presences: tuple[Presence, ...]) -> None:
        """Keeps where the person's devices are, for the next call."""
        self._locator.remember(peer, presences)


class _Search:
    """One `find`: no device is dialled twice at the same addresses, or reported twice."""

    def __init__(
        self, transport: PeerTransport, peer: Identity, found: Callable[[Device], None]
    ) -> None:
        self._transport = transport
        self._peer = peer
        self._found = found
        self._tried: set[Presence] = set()
        self._reported: set[Device] = set()

    def report(self, device: Device) -> None:
        if device not in self._reported:
            self._reported.add(device)
            self._found(device)

    async def dial(self, presence: Presence) -> None:
        if presence in self._tried or presence.peer_id in self._reported:
            return
        self._tried.add(presence)
        device = await self._transport.open(self._peer, presence)
        if device is not None:
            self.report(device)

    async def look_up(self, secret: bytes, nursery: trio.Nursery) -> None:
        presences = await self._transport.resolve(self._peer, secret)
        if presences:
            self._transport.remember(self._peer, presences)
        for presence in presences:
            nursery.start_soon(alone, "device search", self.dial, presence)
