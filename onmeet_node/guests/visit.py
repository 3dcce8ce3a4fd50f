"""Who is at a door of this node, and who was let in: what is known of them, and for how long."""

from __future__ import annotations

import secrets

import trio

from onmeet_node.guests.doorway import RoomDoorway
from onmeet_node.guests.links import Link
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.net.channels.channel import Channel
from onmeet_node.net.errors import ChannelEnded
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallId, Message
from onmeet_node.protocol.wire.turn import MAX_SERVERS, LentTurnServer

PATIENCE = 600.0
"""Until a guest who does not knock, or whom nobody lets in, is sent away."""


class GuestVisit:
    """One sealed channel of a guest."""

    def __init__(self, identity: Identity, link: Link, channel: Channel) -> None:
        self.identity = identity
        self.link = link
        self.channel = channel
        self.name = ""
        """Empty until they knock."""
        self.told: m.WaitState | None = None
        self.guest: Guest | None = None
        """Set when they were let in."""
        self.doorway: RoomDoorway | None = None
        """Set when they are on the way into a room."""
        self.patience = trio.CancelScope(deadline=trio.current_time() + PATIENCE)
        self.outcome = "left"

    @property
    def in_room(self) -> bool:
        """Whether they were let into a room."""
        return self.doorway is not None and self.doorway.inside

    def say(self, message: Message) -> bool:
        """Sends; False if the channel has ended."""
        try:
            self.channel.send(message)
        except ChannelEnded:
            return False
        return True


class Guest:
    """Somebody who was let in, until their call is over."""

    def __init__(self, visit: GuestVisit, servers: tuple[TurnServer, ...], expected: float) -> None:
        self.expected = expected
        """By then they have begun their call (trio's clock)."""
        self.identity = visit.identity
        self.device = visit.channel.device
        self.name = visit.name
        self.link = visit.link
        self.ticket = secrets.token_bytes(m.TICKET_BYTES)
        self.servers = tuple(
            LentTurnServer(url=s.url, username=s.username, credential=s.credential)
            for s in servers[:MAX_SERVERS]
        )
        self.call: CallId | None = None
        self.visit: GuestVisit | None = visit
        """Their channel, if there is one now."""
        self.back = trio.Event()

    def admit(self) -> m.Admit:
        """What they are told."""
        return m.Admit(guest=self.identity, ticket=self.ticket, servers=self.servers)
