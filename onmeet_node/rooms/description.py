"""How a room is shown: put together of what the machine, its calls and its notices know."""

from __future__ import annotations

from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS
from onmeet_node.protocol.wire.room import Seat
from onmeet_node.rooms.calls import RoomCalls
from onmeet_node.rooms.notices import RoomNotices
from onmeet_node.rooms.participants import Participants
from onmeet_node.rooms.views import (
    KnockView,
    RoomView,
    RoomWithMedia,
    SeatView,
    SeatWithMedia,
)


class RoomDescription:
    """Describes one room as it is now."""

    def __init__(
        self, room: Room, participants: Participants, calls: RoomCalls, notices: RoomNotices
    ) -> None:
        self._room = room
        self._participants = participants
        self._calls = calls
        self._notices = notices

    def now(self) -> RoomView:
        """The room, who is in it, and who knocks."""
        room, roster = self._room, self._room.roster
        return RoomView(
            room=room.id,
            title=self._participants.title,
            state="over" if room.over else "in" if roster else "knocking",
            role=room.role,
            locked=roster.locked if roster else False,
            knock=roster.knock if roster else True,
            host=Key(roster.host) if roster else None,
            version=(roster.claims, roster.term, roster.version) if roster else None,
            string=room.string,
            people=tuple(map(self._seat, roster.seats)) if roster else (),
            knocking=tuple(
                KnockView(key=key, name=clean_text(name, MAX_NAME_CHARS))
                for key, name in room.knocks.items()
            ),
            warnings=tuple(self._notices.warnings.values()),
        )

    async def with_media(self) -> RoomWithMedia:
        """`now`, with the counters of each participant's media."""
        shown, people = self.now(), []
        for person in shown.people:
            call = self._calls.with_key(person.key)
            counters = await call.counters() if call is not None else ()
            people.append(SeatWithMedia.of(person, counters))
        return RoomWithMedia.of(shown, people)

    def _seat(self, seat: Seat) -> SeatView:
        key, people = Key(seat.key), self._participants
        mine = key == self._room.me
        other, call = self._room.other(key), self._calls.with_key(key)
        media = call.peer_media if call is not None else None
        if mine:
            media = self._calls.own_media
        known, card, identity = people.known(key), people.card(key), people.identity(key)
        return SeatView(
            key=key,
            name=people.name_of(key),
            role=seat.role,
            me=mine,
            here=mine or bool(other and other.up),
            media=mine or bool(other and other.media),
            seen=mine or bool(other and self._room.me in other.here.sees),
            hand=self._room.hand if mine else bool(other and other.here.hand),
            muted=bool(media and media.muted),
            camera_off=bool(media and media.camera_off),
            sharing=bool(media and media.sharing),
            contact=known.name if known is not None else None,
            identity=identity,
            verified=known is not None and known.verified,
            card={
                name: getattr(card, name)
                for name in ("name", "country", "phone", "email")
                if getattr(card, name)
            },
            path=call.path if call is not None else None,
            call=call.id if call is not None else None,
            hidden=people.refuses(key),
        )
