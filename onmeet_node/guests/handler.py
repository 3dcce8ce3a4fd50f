"""What is said to a guest at a door of this node, and what is made of what they say."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

import trio

from onmeet_node.calls.runner import CallRunner
from onmeet_node.events import Hub, Knocked, KnockOver, NodeEvent
from onmeet_node.guests.admission import COMING_SECONDS, GuestAdmission
from onmeet_node.guests.doorway import RoomEntrance
from onmeet_node.guests.links import Link
from onmeet_node.guests.visit import GuestVisit
from onmeet_node.net.bootstraps.doors import GuestStream
from onmeet_node.net.channels.channel import Channel
from onmeet_node.net.channels.guest import accept_guest
from onmeet_node.net.channels.handshake import SeenEphemerals
from onmeet_node.process.faults import contained
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.identity.guest import RANDOM_BYTES, guest_id
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallMessage, Card, Message

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
MAX_NAME_CHARS = 40
"""Of a guest, as shown."""
NAMELESS = "Guest"


class GuestHandler:
    """Serves each guest who comes through a door, from the handshake on."""

    def __init__(
        self,
        admission: GuestAdmission,
        calls: CallRunner,
        hub: Hub[NodeEvent],
        *,
        card: Callable[[], Card],
        entrances: Mapping[str, RoomEntrance],
    ) -> None:
        """`card`: ours as everyone sees it. `entrances`: the rooms that links lead into now, by the
        link's id; other links lead to a call with us alone.
        """
        self._admission = admission
        self._calls = calls
        self._hub = hub
        self._card = card
        self._entrances = entrances
        self._seen = SeenEphemerals()

    async def serve(self, link: Link, stream: GuestStream) -> None:
        """Speaks with one guest who came through this link's door, until they have gone."""
        if not self._admission.has_room(link):
            stream.abort()
            return
        identity = Identity(guest_id(secrets.token_bytes(RANDOM_BYTES)))
        channel: Channel | None = None
        with trio.move_on_after(HANDSHAKE_SECONDS):
            try:
                channel = await accept_guest(
                    stream, link.public, link.key, identity, self.welcome(link), self._seen
                )
            except (RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError) as e:
                log.debug("a guest did not come as far as the door: %s", type(e).__name__)
        if channel is None:
            stream.abort()
            return
        visit = GuestVisit(identity, link, channel)
        try:
            async with trio.open_nursery() as nursery:
                channel.attend(attended=True)
                nursery.start_soon(channel.run)
                with contained("guest", then=partial(self._admission.failed, visit)):
                    self._admission.begin(visit)
                    await self._converse(visit)
                channel.close()
        finally:
            self._admission.left(visit)

    def welcome(self, link: Link) -> m.Welcome:
        """The first word to whoever comes by this link."""
        entrance = self._entrance(link)
        return m.Welcome(
            card=self._card(),
            title=link.row.title,
            knock=link.row.knock or (entrance is not None and entrance.all_knock()),
            once=link.row.once and entrance is None,
            room=entrance.room if entrance is not None else None,
            host=entrance.host if entrance is not None else None,
        )

    def _entrance(self, link: Link) -> RoomEntrance | None:
        entrance = self._entrances.get(link.id)
        return entrance if entrance is not None and entrance.is_open() else None

    def room_began(self, link_id: str) -> None:
        """A link leads into a room from now on: whoever waits at it is told."""
        for visit in self._admission.visits:
            if visit.link.id == link_id and visit.guest is None and visit.doorway is None:
                visit.say(self.welcome(visit.link))

    async def _converse(self, visit: GuestVisit) -> None:
        if visit.link.ended:
            # Only a guest who is in may come back, and they say so at once.
            coming_back = any(guest.link is visit.link for guest in self._admission.admitted)
            visit.patience.deadline = trio.current_time() + (COMING_SECONDS if coming_back else 0)
        with visit.patience:
            async for message in visit.channel:
                self._take(visit, message)
        if visit.patience.cancelled_caught:
            closed = visit.link.ended
            reason = m.DenyReason.LINK_CLOSED if closed else m.DenyReason.NO_ANSWER
            self._admission.turn_away(visit, reason)

    def _take(self, visit: GuestVisit, message: Message) -> None:
        if isinstance(message, m.Carry):
            self._carried(visit, message.data)
        elif visit.doorway is not None:
            return  # who is on the way into a room says nothing here
        elif isinstance(message, m.Knock):
            if not visit.name and visit.guest is None:
                self._knocked(visit, message)
        elif isinstance(message, get_args(CallMessage)):
            guest = visit.guest
            if guest is None or guest.visit is not visit:
                return  # a guest who is not let in has nothing to say about calls
            if isinstance(message, m.Invite) and guest.call is None:
                guest.call = message.call
            if message.call == guest.call:
                self._calls.message(visit.identity, guest.device, message)

    def _carried(self, visit: GuestVisit, frame: bytes) -> None:
        if visit.doorway is None:
            entrance = self._entrance(visit.link)
            if entrance is None or visit.guest is not None:
                self._admission.turn_away(visit, m.DenyReason.NO_ANSWER)
                return
            if visit.name:  # they knocked before the room began
                visit.name = ""
                self._hub.publish(KnockOver(guest=visit.identity, outcome="room"))
            visit.patience.deadline = math.inf
            visit.doorway = entrance.enter(visit.channel, visit.link.row.knock)
        visit.doorway.feed(frame)

    def _knocked(self, visit: GuestVisit, knock: m.Knock) -> None:
        back = self._admission.admitted.of_ticket(visit.link, knock.ticket)
        if back is not None:
            self._admission.rejoined(visit, back)
            return
        if visit.link.ended:
            self._admission.turn_away(visit, m.DenyReason.LINK_CLOSED)
            return
        visit.name = clean_text(knock.name, MAX_NAME_CHARS) or NAMELESS
        link = visit.link
        self._hub.publish(
            Knocked(guest=visit.identity, guest_name=visit.name, link=link.id, title=link.row.title)
        )
        self._admission.knocked(visit)
