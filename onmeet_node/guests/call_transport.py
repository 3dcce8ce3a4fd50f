"""Guests who were let in, and how calls reach them: through the door by which they came."""

from __future__ import annotations

from collections.abc import Callable

import trio

from onmeet_node.guests.visit import Guest
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire.messages import CallMessage

REJOIN_SECONDS = 45.0
"""For a guest whose line broke to come back; the call's own patience is about as long."""


class AdmittedGuests(dict[Identity, Guest]):
    """The guests who were let in, each until their call is over (P7)."""

    def name_of(self, identity: Identity) -> str | None:
        """What a guest who was let in calls themselves."""
        guest = self.get(identity)
        return guest.name if guest is not None else None

    def link_of(self, identity: Identity) -> str | None:
        """Id of the link by which a guest came who was let in."""
        guest = self.get(identity)
        return guest.link.id if guest is not None else None


class GuestTransport:
    """The part of a `CallTransport` that is about guests."""

    def __init__(self, admitted: AdmittedGuests) -> None:
        self._admitted = admitted

    async def find(self, peer: Identity, found: Callable[[Device], None]) -> None:
        """Calls `found` when the guest is back, if they come back in time."""
        guest = self._admitted.get(peer)
        if guest is None:
            return
        with trio.move_on_after(REJOIN_SECONDS):
            while guest.visit is None:
                await guest.back.wait()
                if self._admitted.get(peer) is not guest:
                    return  # the call was given up meanwhile
            found(guest.device)

    def send(self, peer: Identity, device: Device, message: CallMessage) -> bool:
        """Hands a message to the guest's channel; False if there is none."""
        del device  # a guest has one
        guest = self._admitted.get(peer)
        return guest is not None and guest.visit is not None and guest.visit.say(message)

    def binding(self, peer: Identity) -> bytes:
        """What the authentication string is bound to: the link's key and the guest's name."""
        guest = self._admitted[peer]
        return b"".join(sorted((guest.link.public.key, peer)))
