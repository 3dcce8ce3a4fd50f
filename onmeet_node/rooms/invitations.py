"""Rooms that others asked us into, as many as one node keeps in mind."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from onmeet_node.net.rates import MAX_SENDERS, AllowedRate, RateLimit
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.lookalike import meant
from onmeet_node.protocol.wire import room as w
from onmeet_node.rooms.errors import NoSuchRoom

MAX_INVITATIONS = 32
"""Into rooms, that nobody has taken yet; over it the oldest gives way of whoever has the most."""
MAX_INVITATIONS_OF_ONE = 4
"""Of one contact, or of all strangers together who came by one code: their own oldest gives way."""
INVITATIONS = AllowedRate(burst=8, per_minute=6)
"""That one of these may send. More are not heard."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A room that somebody asked us into."""

    peer: Identity
    device: Device
    invite: w.RoomInvite
    sender: Identity | str
    """Whose quota it is of: the contact, or by what strangers came."""


class Invitations:
    """Those that were neither taken nor put away, the oldest first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds that never go back."""
        self._invitations: OrderedDict[bytes, Invitation] = OrderedDict()
        self._heard = RateLimit(INVITATIONS, clock, max_keys=MAX_SENDERS)

    def __iter__(self) -> Iterator[Invitation]:
        return iter(tuple(self._invitations.values()))

    def came(self, invitation: Invitation) -> bool:
        """Keeps it, if its sender may send so many; whether there is something to tell."""
        invite = invitation.invite
        known = self._invitations.get(invite.room)
        if known is not None and known.peer != invitation.peer:
            return False  # nobody's invitation is replaced by another's
        if known is None and not self._heard.allow(invitation.sender):
            return False
        self._invitations[invite.room] = invitation
        self._invitations.move_to_end(invite.room)
        self._keep_quotas(invitation.sender)
        return known is None or known.invite.title != invite.title  # else it was said again

    def _keep_quotas(self, sender: Identity | str) -> None:
        theirs = self._of(sender)
        if len(theirs) > MAX_INVITATIONS_OF_ONE:
            del self._invitations[theirs[0]]
        elif len(self._invitations) > MAX_INVITATIONS:
            senders = [one.sender for one in self._invitations.values()]
            # Strangers before contacts, where nobody has more than others.
            most = max(senders, key=lambda one: (senders.count(one), isinstance(one, str)))
            del self._invitations[self._of(most)[0]]

    def _of(self, sender: Identity | str) -> list[bytes]:
        return [room for room, one in self._invitations.items() if one.sender == sender]

    def find(self, which: str) -> Invitation:
        """The one of this title or start of the room's id; the only one if none is said.

        Raises `NoSuchRoom`.
        """
        titles = {room: one.invite.title for room, one in self._invitations.items()}
        found = meant(which, titles) if which else list(titles)
        if len(found) != 1:
            raise NoSuchRoom(
                f"No single invitation is meant by {which!r}. See them with: onmeet room list"
            )
        return self._invitations[found[0]]

    def remove(self, room: bytes) -> None:
        """It was taken, or put away."""
        self._invitations.pop(room, None)
