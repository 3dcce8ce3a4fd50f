"""What people are told of a room: its events, and what is wrong between whom, in sentences."""

from __future__ import annotations

from onmeet_node import events as tell
from onmeet_node.events import Hub, NodeEvent, RoomChanged
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room.effects import Effect, RoomEnd
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key, seat_of
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS
from onmeet_node.protocol.wire.room import MAX_REACTION_CHARS, RosterBody
from onmeet_node.rooms.participants import Participants

SENTENCES = {
    RoomEnd.LEFT: "You left the room.",
    RoomEnd.ENDED: "The host ended the room for everybody.",
    RoomEnd.REMOVED: "The host sent you out of the room.",
    RoomEnd.DENIED: "The host did not let you in.",
    RoomEnd.FULL: "The room is full. Come with sound alone, or wait until somebody leaves.",
    RoomEnd.LOCKED: "The room is locked. Ask somebody who is in to unlock it.",
    RoomEnd.HOST_GONE: "The host has gone before letting you in. Ask for a new invitation.",
    RoomEnd.LOST: "Nobody who could keep the room is reached any more. Come in by the link again.",
    RoomEnd.NO_ANSWER: "Nobody let you in. Ask your host, or try again later.",
    RoomEnd.FAULT: (
        "An error in this program ended the room for you; the others go on. Come in again; if it "
        "happens again, update."
    ),
}
_BLIND = "blind "


class RoomNotices:
    """Tells of one room."""

    def __init__(self, room: Room, participants: Participants, hub: Hub[NodeEvent]) -> None:
        self.warnings: dict[str, str] = {}
        """What is wrong between whom, in sentences, by what it is about."""
        self._room = room
        self._participants = participants
        self._name_of = participants.name_of
        self._publish = hub.publish
        self._told: RoomChanged | None = None

    def tell(self, effect: Effect) -> None:
        """Tells what the machine asks to be told; of anything else, nothing."""
        match effect:
            case do.StringReady(roster=roster):
                event = self._roster(roster)
                if event != self._told:  # else it was there with the change
                    self._tell_roster(event)
            case do.MemberChanged(key=key):
                self._publish(tell.RoomSeen(room=self._room.id, key=key))
            case do.KnockCame(key=key, name=name):
                shown = clean_text(name, MAX_NAME_CHARS)
                self._publish(tell.RoomKnocked(room=self._room.id, key=key, who=shown))
            case do.KnockGone(key=key):
                self._publish(tell.RoomKnockOver(room=self._room.id, key=key))
            case do.AskedToMute(by=by):
                self._publish(tell.MuteAsked(room=self._room.id, key=by, who=self._name_of(by)))
            case do.Said(by=by, text=text, private=private):
                self._line(by, text, self._room.me if private else None)
            case do.Reacted(by=by, emoji=emoji):
                self.reacted(by, emoji)
            case do.OneWayMedia(b=b):
                self._warn(
                    f"{_BLIND}{b.hex()}",
                    f"You and {self._name_of(b)} do not see each other, or only one of you does. "
                    "One of you should leave and come back, or turn a relay on: "
                    "onmeet settings --relay-only on",
                )
            case do.MediaRestored(b=b):
                self.warnings.pop(f"{_BLIND}{b.hex()}", None)
            case do.RosterMismatch(other=other):
                self._warn(
                    "lie",
                    f"The host told you and {self._name_of(other)} different things about who is "
                    "in this room. Compare the numbers of the room aloud, and leave if they "
                    "differ.",
                )
            case do.EndOfRoom(reason=reason):
                self._publish(
                    tell.RoomOver(
                        room=self._room.id,
                        title=self._participants.title,
                        reason=reason.value,
                        sentence=SENTENCES[reason],
                    )
                )
            case _:
                pass

    def said(self, text: str, to: bytes | None) -> None:
        """We wrote a line: to all, or to one."""
        self._line(self._room.me, text, to)

    def reacted(self, by: Key, emoji: str) -> None:
        """Somebody, perhaps we, showed a reaction."""
        shown = clean_text(emoji, MAX_REACTION_CHARS)
        if shown:
            who = self._name_of(by)
            self._publish(tell.RoomReacted(room=self._room.id, key=by, who=who, emoji=shown))

    def recording_stopped(self, of: Key, sentence: str) -> None:
        """What a participant sends is recorded no more, and why."""
        self._warn(f"recording {of.hex()}", sentence)

    def changed(self, roster: RosterBody) -> None:
        """Who is in, or what the room is like, changed."""
        for about in [about for about in self.warnings if about.startswith(_BLIND)]:
            if seat_of(roster, bytes.fromhex(about.removeprefix(_BLIND))) is None:
                del self.warnings[about]
        self._tell_roster(self._roster(roster))

    def _tell_roster(self, event: RoomChanged) -> None:
        self._told = event
        self._publish(event)

    def _roster(self, roster: RosterBody) -> RoomChanged:
        return RoomChanged(
            room=self._room.id,
            title=self._participants.title,
            people=tuple(self._name_of(seat.key) for seat in roster.seats),
            string=self._room.string,
        )

    def _line(self, by: Key, text: str, to: bytes | None) -> None:
        self._publish(
            tell.RoomSaid(
                room=self._room.id,
                key=by,
                who=self._name_of(by),
                text=text,
                private=to is not None,
                mine=by == self._room.me,
                to=to,
            )
        )

    def _warn(self, about: str, sentence: str) -> None:
        self.warnings[about] = sentence
        self._publish(tell.RoomWarning(room=self._room.id, sentence=sentence))
