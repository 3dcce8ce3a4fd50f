"""What comes over people's channels: to calls, to rooms, or to whatever else people say."""

from __future__ import annotations

import logging
from functools import partial
from typing import get_args

from onmeet_node.calls.runner import CallRunner
from onmeet_node.contacts.contacts import Contacts
from onmeet_node.contacts.devices import Devices
from onmeet_node.events import Hub, NodeEvent, PresenceChanged
from onmeet_node.net.channels.channels import (
    ChannelEvent,
    ChannelGone,
    ChannelOpened,
    Channels,
    MessageArrived,
)
from onmeet_node.process import faults
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire.messages import CallMessage, DevicesUpdate
from onmeet_node.rooms.rooms import Rooms
from onmeet_node.store.errors import StoreError

log = logging.getLogger(__name__)


class ChannelIntake:
    """Takes what comes over the channels, one after the other. Live in `run`."""

    def __init__(
        self,
        channels: Channels,
        people: Contacts,
        caller: CallRunner,
        rooms: Rooms,
        devices: Devices,
        hub: Hub[NodeEvent],
    ) -> None:
        self._channels = channels
        self._people = people
        self._caller = caller
        self._rooms = rooms
        self._devices = devices
        self._hub = hub
        self._open: set[tuple[Identity, Device]] = set()

    @property
    def open(self) -> int:
        """How many channels are open."""
        return len(self._open)

    async def run(self) -> None:
        """Until cancelled."""
        async for event in self._channels.events:
            with faults.contained("peer", then=partial(self._part_from, event)):
                try:
                    self._take(event)
                except (StoreError, CallRefused) as error:
                    # The disk is full, say: what came is lost, the node is not.
                    what, why = type(event).__name__, type(error).__name__
                    log.warning("%s was not dealt with: %s", what, why)

    def _part_from(self, event: ChannelEvent) -> None:
        """Closes the channel whose message we failed at; a call with them finds another one."""
        channel = self._channels.get(event.identity, event.device)
        if channel is not None:
            channel.close("fault")

    def _take(self, event: ChannelEvent) -> None:
        peer, device = event.identity, event.device
        if isinstance(event, MessageArrived) and not self._devices.speaks(peer, device):
            return
        if peer == self._devices.own.identity:
            self._take_of_own(event)
            return
        match event:
            case ChannelOpened(hello=hello, incoming=incoming):
                self._open.add((peer, device))
                self._devices.opened(peer)
                self._people.channel_opened(peer, hello, incoming=incoming)
                self._hub.publish(PresenceChanged(identity=peer, connected=True))
            case MessageArrived(message=DevicesUpdate() as update):
                self._devices.told(peer, update)
            case MessageArrived(message=message):
                if isinstance(message, get_args(CallMessage)):
                    self._caller.message(peer, device, message)
                elif not self._rooms.message(peer, device, message):
                    self._people.message(peer, message)
            case ChannelGone():
                self._open.discard((peer, device))
                self._caller.device_lost(peer, device)
                if not self._channels.devices(peer):
                    self._hub.publish(PresenceChanged(identity=peer, connected=False))
                    self._people.channel_closed(peer)

    def _take_of_own(self, event: ChannelEvent) -> None:
        """From another device of this person: it is nobody who calls, or is in the address book."""
        match event:
            case ChannelOpened(device=device):
                self._devices.own_opened(device)
            case MessageArrived(device=device, message=message):
                self._devices.own_told(device, message)
            case ChannelGone(device=device, identity=me):
                self._devices.own_gone(device, last=not self._channels.devices(me))
