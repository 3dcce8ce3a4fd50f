"""The people we know, as rooms need them."""

from __future__ import annotations

from collections.abc import Mapping

from onmeet_node.call.events import Device, Identity
from onmeet_node.identity.acquaint import pair_key
from onmeet_node.identity.code import parse_code
from onmeet_node.identity.keys import IdentityKey
from onmeet_node.identity.policy import Relation
from onmeet_node.meeting.faces import Known
from onmeet_node.people import People
from onmeet_node.reach import Reacher
from onmeet_node.wire.messages import Card, Message


class Acquaintances:
    """A `meeting.faces.Circle`: contacts and the blocked, with the keys that we two alone have."""

    def __init__(self, people: People, key: IdentityKey) -> None:
        self._people = people
        self._key = key
        self._pairs: dict[Identity, bytes] = {}

    def known(self) -> Mapping[Identity, Known]:
        """See `faces.Circle`."""
        everybody = (contact.identity for contact in self._people.all())
        known = ((identity, self.get(identity)) for identity in everybody)
        return {identity: one for identity, one in known if one is not None}

    def get(self, peer: Identity) -> Known | None:
        """See `faces.Circle`."""
        contact, relation = self._people.get(peer), self._people.relation(peer)
        if contact is None or relation is Relation.STRANGER:
            return None
        if peer not in self._pairs:
            self._pairs[peer] = pair_key(self._key, peer)
        return Known(contact.display_name, contact.verified, relation, self._pairs[peer])

    def card(self, peer: Identity | None) -> Card:
        """See `faces.Circle`."""
        return self._people.card_for(peer)


class Folk:
    """A `meeting.rooms.Folk`: people, and the way to them."""

    def __init__(self, reacher: Reacher, people: People) -> None:
        self._reacher = reacher
        self._people = people
        self.name_of = people.name_of

    def send(self, peer: Identity, device: Device, message: Message) -> bool:
        """See `rooms.Folk`."""
        return self._reacher.send_to(peer, device, message)

    async def send_any(self, peer: Identity, message: Message) -> bool:
        """See `rooms.Folk`."""
        return await self._reacher.channel(peer) and self._reacher.send_any(peer, message)

    def meet(self, code: str) -> Identity:
        """See `rooms.Folk`."""
        return self._people.meet(parse_code(code))

    def revoke(self, label: str) -> None:
        """See `rooms.Folk`."""
        self._people.codes.revoke(label)

    def code(self, label: str) -> str:
        """See `rooms.Folk`."""
        codes = self._people.codes
        live = next((code for code in codes.live() if code["label"] == label), None)
        made: str = (live or codes.new(label))["uri"]
        return made
