"""Asking people into rooms of ours."""

from __future__ import annotations

import secrets

from onmeet_node.contacts.acquaintances import RoomContacts
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire import room as w
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.errors import NoSuchRoom


class RoomInviter:
    """Invites people, each into each room with a token of their own."""

    def __init__(self, contacts: RoomContacts) -> None:
        self._contacts = contacts
        self._tokens: dict[tuple[bytes, Identity], bytes] = {}
        """By room and person."""

    async def invite(self, conference: Conference, peer: Identity) -> bool:
        """Whether a device of theirs heard it. Raises `NoSuchRoom` if another is host."""
        return await self._contacts.send_any(peer, self.invitation(conference, peer))

    def invitation(self, conference: Conference, peer: Identity) -> w.RoomInvite:
        """What lets this person in without a word. Raises `NoSuchRoom` if another is host."""
        roster = conference.room.roster
        if roster is None or not conference.room.is_host:
            raise NoSuchRoom("Only the room's host invites people. Ask them to.")
        # One for each person, however often they ask.
        fresh = secrets.token_bytes(w.TOKEN_BYTES)
        token = self._tokens.setdefault((conference.id, peer), fresh)
        conference.room.invite(token)
        return w.RoomInvite(room=conference.id, host=roster.host, token=token, title=roster.title)

    def room_over(self, room: bytes) -> None:
        """Nobody is asked into it any more."""
        for invited in [one for one in self._tokens if one[0] == room]:
            del self._tokens[invited]
