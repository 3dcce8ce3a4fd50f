"""How calls reach everybody: people by their nodes, guests by their doors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from onmeet_node.calls.interfaces import CallTransport
from onmeet_node.guests.call_transport import GuestTransport
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.guest import is_guest
from onmeet_node.protocol.wire.messages import CallMessage


class CallRouter:
    """A `CallTransport` made of both: `people` has what is not about one peer."""

    def __init__(self, people: CallTransport, guests: GuestTransport) -> None:
        self._people = people
        self._guests = guests
        self.alone = people.alone
        self.early_media = people.early_media

    async def find(
        self,
        peer: Identity,
        found: Callable[[Device], None],
        *,
        unanswered: Callable[[], bool] = lambda: False,
    ) -> None:
        """See `CallTransport`; for guests there is but one way."""
        if is_guest(peer):
            await self._guests.find(peer, found)
        else:
            await self._people.find(peer, found, unanswered=unanswered)

    def send(self, peer: Identity, device: Device, message: CallMessage) -> bool:
        """See `CallTransport`."""
        return (self._guests if is_guest(peer) else self._people).send(peer, device, message)

    def capabilities(self, peer: Identity, device: Device) -> frozenset[str] | None:
        """See `CallTransport`."""
        whose = self._guests if is_guest(peer) else self._people
        return whose.capabilities(peer, device)

    def keep(self, peer: Identity) -> AbstractContextManager[None]:
        """See `CallTransport`; a guest's channel is always watched closely."""
        return nullcontext() if is_guest(peer) else self._people.keep(peer)

    def binding(self, peer: Identity) -> bytes:
        """See `CallTransport`."""
        return (self._guests if is_guest(peer) else self._people).binding(peer)
