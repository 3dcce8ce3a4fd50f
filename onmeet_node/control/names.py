"""What a request means by a name: a person, a call, a room, a participant or a guest.

64 hexadecimal digits are always an identity (or the key of a participant), 32 the id of a call or a
room, and never a name. What is shorter is the start of one, or what they are called here.
"""

from __future__ import annotations

import re

from onmeet_node.calls.call import Call
from onmeet_node.contacts.address_book import NoSuchPerson
from onmeet_node.node.node import Node, NoSuchCall
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire.messages import CallId
from onmeet_node.rooms.conference import Conference
from onmeet_node.store import ContactState


def _whole(text: str | None, size: int) -> bytes | None:
    """The bytes, if it is exactly so many in hex."""
    if text is None or re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text) is None:
        return None
    return bytes.fromhex(text)


def callee(node: Node, text: str) -> Identity:
    """Whom to call or invite: anybody, a stranger by their identity or a code, too."""
    identity = _whole(text, 32)
    return Identity(identity) if identity is not None else node.people.who(text)


def anybody(node: Node, text: str, *states: ContactState) -> Identity:
    """Whom something is done about who may be nobody we know: blocking, say. See `person`."""
    identity = _whole(text, 32)
    return Identity(identity) if identity is not None else node.people.which(text, *states)


def person(node: Node, text: str) -> Identity:
    """Somebody we know. Raises `NoSuchPerson`, `Ambiguous`."""
    found = anybody(node, text)
    if node.people.get(found) is None:
        raise NoSuchPerson("You do not know them any more. See: onmeet contacts list")
    return found


def call(node: Node, text: str | None, states: set[State]) -> Call:
    """The call of this id, in a room or not; else the one in these states whose id begins so.

    Raises `NoSuchCall`.
    """
    whole = _whole(text, 16)
    if whole is None:
        return node.find_call(text, states)
    number = CallId(whole)
    found = node.calls.get(number) or node.rooms.call(number)
    if found is None:
        raise NoSuchCall("That call is over.")
    return found


def room(node: Node, text: str | None) -> Conference:
    """A room we are in, or at whose door we are. Raises `NoSuchRoom`."""
    whole = _whole(text, 16)
    return node.rooms.get(whole) if whole is not None else node.rooms.find(text or "")


def participant(conference: Conference, text: str | None, *, at_door: bool = False) -> Key:
    """Somebody in the room, or at its door. Raises `NotInRoom`."""
    whole = _whole(text, 32)
    if whole is not None:
        return Key(whole)
    return conference.who(text or "", list(conference.room.knocks) if at_door else None)


def guest(node: Node, text: str | None, states: frozenset[str]) -> Identity:
    """A guest in one of these states. Raises `NoSuchGuest`."""
    whole = _whole(text, 32)
    return Identity(whole) if whole is not None else node.guests.who(text or "", states)
