"""Guest links that lead into rooms."""

from __future__ import annotations

from contextlib import suppress

from onmeet_node.guests.doorway import RoomDoorway, RoomEntrance
from onmeet_node.guests.errors import NoSuchLink
from onmeet_node.guests.guests import Guests
from onmeet_node.net.channels.channel import Channel
from onmeet_node.rooms.codes import RoomCodes
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.errors import NoSuchRoom
from onmeet_node.rooms.guests import RoomGuests
from onmeet_node.rooms.standing import Standing


class RoomLinks:
    """The guest links into the rooms of one node. Each ends with its room, or stays if that is a
    standing meeting.
    """

    def __init__(self, guests: Guests, standing: Standing, codes: RoomCodes) -> None:
        self._guests = guests
        self._standing = standing
        self._codes = codes
        self._entrances: dict[bytes, RoomEntrance] = {}
        """By room."""
        self._leads: dict[str, bytes] = {}
        """Id of a guest link: the room that it leads into."""

    # ── links ───────────────────────────────────────────────────────────────────────────────────
    async def link(self, conference: Conference, *, knock: bool = True) -> str:
        """The link by which guests come into this room, made if there is none. `knock`: somebody
        must let each guest in.

        Raises `NoSuchRoom` if another is host, or it ends meanwhile, and what `Links.new` raises.
        """
        if not conference.room.is_host:
            raise NoSuchRoom("Only the room's host makes its guest link. Ask them to.")
        known = self.link_of(conference.id)
        if known is not None:
            return known
        title = self._codes.title_of(conference.id)
        if title is not None:
            url, link = await self._standing_link(title, knock=knock)
        else:
            url, link = await self._new_link(conference.title, knock=knock)
            if conference.room.over is not None:
                self.close(link)  # or it would lead to a call
                raise NoSuchRoom("The room ended meanwhile, and its guest link with it.")
        self.lead(link, conference.id)
        return url

    def link_of(self, room: bytes) -> str | None:
        """The guest link into this room, if there is one."""
        return next(
            (link.url for link in self._guests.links.list() if self._leads.get(link.link) == room),
            None,
        )

    async def of_meeting(self, title: str) -> str | None:
        """The link of a standing meeting, into its room if that is on; None where no link can be
        made.
        """
        if not self._guests.links.possible():
            return None
        url, link = await self._standing_link(title, knock=True)
        room = self._codes.room_of(title)
        if room is not None:
            self.lead(link, room)
        return url

    async def _standing_link(self, title: str, *, knock: bool) -> tuple[str, str]:
        kept = self._standing.link(title)
        for link in self._guests.links.list():
            if link.link == kept:
                return link.url, link.link
        url, fresh = await self._new_link(title, knock=knock)
        self._standing.keep_link(title, fresh)
        return url, fresh

    async def _new_link(self, title: str, *, knock: bool) -> tuple[str, str]:
        made = await self._guests.links.new(title, once=False, knock=knock)
        return made.url, made.link

    def close(self, link: str) -> None:
        """Ends a link; it may have been closed by hand."""
        with suppress(NoSuchLink):
            self._guests.links.close(link)

    # ── where they lead ─────────────────────────────────────────────────────────────────────────
    def lead(self, link: str, room: bytes) -> None:
        """A link leads into this room from now on, if we are in it: who waits at it is told."""
        entrance = self._entrances.get(room)
        if entrance is not None:
            self._leads[link] = room
            self._guests.lead_to_room(link, entrance)

    def room_opened(self, conference: Conference, guests: RoomGuests) -> None:
        """We are in a room, or at its door."""

        def enter(line: Channel, knock: bool) -> RoomDoorway:
            return guests.enter(line, knock=knock)

        self._entrances[conference.id] = RoomEntrance(
            room=conference.id,
            host=conference.me,
            is_open=lambda: conference.room.is_host,
            all_knock=lambda: not conference.room.opens_to(promised=True),
            enter=enter,
        )

    def room_over(self, room: bytes) -> None:
        """No link leads into this room any more; those that were made for it end."""
        self._entrances.pop(room, None)
        standing = self._standing.links
        for link in [link for link, leads in self._leads.items() if leads == room]:
            del self._leads[link]
            self._guests.lead_to_call(link)
            if link not in standing:
                self.close(link)
