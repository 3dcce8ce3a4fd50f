"""Guest links into rooms, with real links and a room that is over in the wrong moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.rooms.codes import RoomCodes
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.errors import NoSuchRoom
from onmeet_node.rooms.links import RoomLinks
from onmeet_node.rooms.standing import Standing
from tests.guests.test_guests import Host, host

__all__ = ["host"]


async def test_no_link_is_left_of_a_room_that_ends_while_it_is_made(
    host: Host, autojump_clock: object
) -> None:
    standing = Standing(host.store)
    links = RoomLinks(host.guests, standing, RoomCodes(cast("Any", None), standing))
    room = SimpleNamespace(is_host=True, over=None)
    conference = cast("Conference", SimpleNamespace(id=b"r" * 16, title="Team", room=room))
    while host.guests.links._nursery is None:
        await trio.lowlevel.checkpoint()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end, room, links, conference.id)
        with pytest.raises(NoSuchRoom, match="ended meanwhile"):
            await links.link(conference)
    assert host.guests.links.list() == (), "nobody comes in to a plain call by it"


async def _end(room: SimpleNamespace, links: RoomLinks, number: bytes) -> None:
    """While the gateway opens the door."""
    room.over = RoomEnd.ENDED
    links.room_over(number)
    await trio.lowlevel.checkpoint()
