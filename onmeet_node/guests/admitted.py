"""Guests who were let in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from onmeet_node.guests.links import Link
from onmeet_node.guests.visit import Guest
from onmeet_node.protocol.call.events import Identity


class AdmittedGuests:
    """Everybody who was let in, each until their call is over."""

    def __init__(self) -> None:
        self._guests: dict[Identity, Guest] = {}

    def __iter__(self) -> Iterator[Guest]:
        return iter(tuple(self._guests.values()))

    def __len__(self) -> int:
        return len(self._guests)

    def get(self, identity: Identity) -> Guest | None:
        """The guest of this name for their visit."""
        return self._guests.get(identity)

    def of_ticket(self, link: Link, ticket: bytes | None) -> Guest | None:
        """Who came by this link and was given this ticket."""
        if ticket is None:
            return None
        for guest in self._guests.values():
            if guest.link is link and secrets.compare_digest(guest.ticket, ticket):
                return guest
        return None

    def add(self, guest: Guest) -> None:
        """They are in."""
        self._guests[guest.identity] = guest

    def remove(self, guest: Guest) -> None:
        """Nothing of them is kept (P7)."""
        self._guests.pop(guest.identity, None)

    # ── how they are shown ──────────────────────────────────────────────────────────────────────
    def name_of(self, identity: Identity) -> str | None:
        """What a guest who was let in calls themselves."""
        guest = self._guests.get(identity)
        return guest.name if guest is not None else None

    def link_of(self, identity: Identity) -> str | None:
        """Id of the link by which a guest came who was let in."""
        guest = self._guests.get(identity)
        return guest.link.id if guest is not None else None
