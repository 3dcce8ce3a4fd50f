"""How calls reach guests: over the sealed channel that came through a door."""

from __future__ import annotations

from collections.abc import Callable

import trio

from onmeet_node.guests.admitted import AdmittedGuests
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire.messages import CallMessage
from onmeet_node.protocol.wire.vocabulary import UNTOLD

REJOIN_SECONDS = 45.0
"""For a guest whose line broke to come back; the call's own patience is about as long."""


class GuestTransport:
    """The part of a `CallTransport` that is about one guest; `node.call_router` has the rest."""

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

    def capabilities(self, peer: Identity, device: Device) -> frozenset[str] | None:
        """What every guest can do: their line has no `hello`."""
        del peer, device
        return UNTOLD

    def binding(self, peer: Identity) -> bytes:
        """What the authentication string is bound to: the link's key and the guest's name."""
        guest = self._admitted.get(peer)
        assert guest is not None, "who is not in has no call"
        return b"".join(sorted((guest.link.public.key, peer)))
