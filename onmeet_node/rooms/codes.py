"""Room codes: whoever has one may ask its host for the standing meeting (PROTOCOL, "Rooms").

A code is a secret, by which the host's node knows the meeting, and the host's contact code.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from onmeet_node.contacts.acquaintances import RoomContacts
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire import room as w
from onmeet_node.rooms.errors import BadRoomCode, NoSuchRoom
from onmeet_node.rooms.invitations import Invitation
from onmeet_node.rooms.standing import Standing

ASK_SECONDS = 10.0
"""For the host of a standing meeting to answer its room code."""
SCHEME = "onmeet-room:"


@dataclass(slots=True)
class _Question:
    """A host is asked for the meeting of a code."""

    host: Identity
    answered: trio.Event = field(default_factory=trio.Event)
    invitation: Invitation | None = None


class RoomCodes:
    """Where our room codes lead, and what we asked others by theirs."""

    def __init__(self, contacts: RoomContacts, standing: Standing) -> None:
        self._contacts = contacts
        self._standing = standing
        self._rooms: dict[bytes, bytes] = {}
        """Secret of a room code: the room it leads to now."""
        self._questions: dict[bytes, _Question] = {}
        """By the secret that was asked for."""

    # ── ours ────────────────────────────────────────────────────────────────────────────────────
    def code(self, title: str) -> str:
        """The room code of a standing meeting, which is made if there is none of this title."""
        return f"{SCHEME}{self._standing.secret(title).hex()}@{self._contacts.code(_label(title))}"

    def lead(self, title: str, room: bytes) -> None:
        """The code of this meeting leads to this room from now on."""
        self._rooms[self._standing.secret(title)] = room

    def room_of(self, title: str) -> bytes | None:
        """Where the code of this meeting leads now."""
        return self._rooms.get(self._standing.secret(title))

    def room_behind(self, secret: bytes) -> bytes | None:
        """Where the code with this secret leads now."""
        return self._rooms.get(secret)

    def title_of(self, room: bytes) -> str | None:
        """The name of the standing meeting that this room is."""
        leading = [secret for secret, leads in self._rooms.items() if leads == room]
        return self._standing.title(leading[0]) if leading else None

    def room_over(self, room: bytes) -> None:
        """Nothing leads to this room any more."""
        for secret in [s for s, r in self._rooms.items() if r == room]:
            del self._rooms[secret]

    def forget(self, title: str) -> None:
        """The code of this meeting leads nowhere from now on; before the meeting is forgotten."""
        self._rooms.pop(self._standing.secret(title), None)

    def revoke(self, title: str) -> None:
        """Nobody finds us any more by the contact code in it. Raises what is wrong with that."""
        self._contacts.revoke(_label(title))

    # ── those of others ─────────────────────────────────────────────────────────────────────────
    def read(self, text: str) -> tuple[bytes, Identity]:
        """The secret in a room code, and whose meeting it is. Raises `BadRoomCode`, and what is
        wrong with the contact code inside.
        """
        secret, at, contact = text.strip().removeprefix(SCHEME).partition("@")
        if not text.strip().startswith(SCHEME) or not at or len(secret) != 2 * w.TOKEN_BYTES:
            raise BadRoomCode(f"That is no room code: it begins with {SCHEME}. Copy it as a whole.")
        try:
            raw = bytes.fromhex(secret)
        except ValueError:
            raise BadRoomCode("There is a typing error in that room code. Copy it again.") from None
        return raw, self._contacts.meet(contact)

    async def ask(self, text: str) -> Invitation:
        """Asks the host of a room code for its meeting.

        Raises what `read` raises, and `NoSuchRoom` if there is none now.
        """
        secret, host = self.read(text)
        question = self._questions[secret] = _Question(host)
        try:
            if not await self._contacts.send_any(host, w.AskRoom(code=secret)):
                raise NoSuchRoom("Its host cannot be reached just now. Try again later.")
            with trio.move_on_after(ASK_SECONDS):
                await question.answered.wait()
        finally:
            if self._questions.get(secret) is question:  # else it was asked again
                del self._questions[secret]
        if question.invitation is None:
            raise NoSuchRoom("That meeting is not on just now. Its host begins it.")
        return question.invitation

    def invited(self, invitation: Invitation) -> bool:
        """Whether that is the answer to what we asked."""
        for question in self._questions.values():
            if question.host == invitation.peer:
                question.invitation = invitation
                question.answered.set()
                return True
        return False

    def no_room(self, secret: bytes) -> None:
        """There is no meeting of that code now."""
        question = self._questions.get(secret)
        if question is not None:
            question.answered.set()


def _label(title: str) -> str:
    return f"room {title}"
