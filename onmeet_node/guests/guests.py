"""Guests of this node: they knock, are let in or not, and are forgotten (PROTOCOL, "Guests").

To the calls a guest is somebody with one device, a name for the visit in place of an identity, and
a sealed channel that came through a door.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, get_args

import trio

from onmeet_node.calls.book import CallBook
from onmeet_node.calls.call import Call
from onmeet_node.calls.options import CallOptions
from onmeet_node.errors import OnMeetError
from onmeet_node.events import CallEnded, Hub, Knocked, KnockOver, NodeEvent, StateChanged
from onmeet_node.guests.admitted import AdmittedGuests
from onmeet_node.guests.links import Gate, Link, Links
from onmeet_node.guests.visit import Guest, GuestVisit, RoomDoorway
from onmeet_node.net.bootstraps.doors import GuestStream
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.net.channels.channel import Channel, End
from onmeet_node.net.channels.guest import accept_guest
from onmeet_node.net.channels.handshake import SeenEphemerals
from onmeet_node.process.faults import contained, kept
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.identity.guest import RANDOM_BYTES, guest_id
from onmeet_node.protocol.identity.lookalike import meant
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallId, CallMessage, Card, Kind, Message
from onmeet_node.store import Store

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
COMING_SECONDS = 20.0
"""For a guest who was let in to begin the call, before others are."""
LEND_SECONDS = 3.0
"""For the bootstrap to lend TURN credentials of the guest's own."""
MAX_VISITS = 64
"""Guests at all doors of this node together, but for `KEPT_AT_EACH_LINK`; each costs a sealed
channel."""
MAX_AT_ONE_LINK = 32
KEPT_AT_EACH_LINK = 4
"""Let to this door whatever comes to others: two links given away must not close the rest."""
MAX_NAME_CHARS = 40
"""Of a guest, as shown."""
LOOK_SECONDS = 5.0
"""Between looks whether somebody is there to see who knocks."""
NAMELESS = "Guest"


class HostInCall(OnMeetError):
    """Nobody can be let in while another call is on."""


class NoSuchGuest(OnMeetError):
    """No single guest is meant."""


class GuestCalls(Protocol):
    """The part of `CallRunner` that guests need."""

    calls: CallBook

    def message(self, peer: Identity, device: Device, message: CallMessage) -> None:
        """A call message arrived."""
        ...

    def device_lost(self, peer: Identity, device: Device) -> None:
        """The sealed channel to a device is gone."""
        ...

    def expect(self, peer: Identity, kinds: frozenset[Kind], wish: CallOptions) -> None:
        """The next invite of this peer is taken at once."""
        ...

    def expect_no_more(self, peer: Identity) -> None:
        """They were sent away."""
        ...

    def broke(self, call: Call) -> None:
        """Somebody altered what came over the peer's channel."""
        ...

    def fault(self, call: CallId) -> None:
        """Something of this call stopped by an error of ours."""
        ...


class House(Gate, Protocol):
    """What guests need of the network; `network.Network` is the real one."""

    async def lend_turn(self) -> tuple[TurnServer, ...]:
        """Credentials for one guest's call, and no other's. Raises nothing: there may be none."""
        ...


class RoomEntrance(Protocol):
    """A room that a link leads into now; `rooms.rooms.Entrance` is the real one."""

    room: bytes
    host: bytes

    @property
    def knock(self) -> bool:
        """Whether everybody knocks there, whatever a link promises."""
        ...

    def enter(self, line: Channel, *, knock: bool) -> RoomDoorway:
        """Begins to serve a guest who came through the link's door."""
        ...


class Guests:
    """Everybody who came through a door of this node. Live in `run`."""

    def __init__(
        self,
        store: Store,
        house: House,
        hub: Hub[NodeEvent],
        calls: GuestCalls,
        admitted: AdmittedGuests,
        *,
        now: Callable[[], int],
        entrance: Callable[[Link], RoomEntrance | None],
        card: Callable[[], Card],
        wish: Callable[[], CallOptions],
    ) -> None:
        """`calls` carries the calls of guests, `admitted` is kept here. `entrance`: where a link
        leads, into a room, or (None) to a call with us alone. `card`: as everyone sees it. `wish`:
        what a call sends that nobody was asked about.
        """
        self._house = house
        self._hub = hub
        self._card = card
        self._wish = wish
        self._caller = calls
        self._entrance = entrance
        self._seen = SeenEphemerals()
        self._visits: dict[Identity, GuestVisit] = {}
        self._admitted = admitted
        self._coming: set[Identity] = set()
        self._nursery: trio.Nursery | None = None
        self._gone = trio.Event()
        self.links = Links(store, house, hub, now=now, serve=self.serve, send_away=self._send_away)

    async def run(self) -> None:
        """Lets guests knock at every link, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(kept, "guest links", self.links.run)
            nursery.start_soon(kept, "guests", self._follow_calls)
            nursery.start_soon(kept, "guests", self._keep_told)
            await trio.sleep_forever()

    # ── what a person does ──────────────────────────────────────────────────────────────────────
    def waiting(self) -> list[dict[str, Any]]:
        """Who knocks, and who is in a call, for the command line and the app."""
        knocking = [v for v in self._visits.values() if v.name and v.guest is None]
        return [
            {
                "guest": identity.hex(),
                "name": name,
                "link": link.id,
                "title": link.row.title,
                "state": state,
            }
            for identity, name, link, state in [
                *((g.identity, g.name, g.link, "in") for g in self._admitted),
                *((v.identity, v.name, v.link, "knocking") for v in knocking),
            ]
        ]

    def who(self, text: str, states: frozenset[str] = frozenset({"in", "knocking"})) -> Identity:
        """The guest meant by a name, or by the start or end of an id; the only one if none is said.

        Raises `NoSuchGuest`.
        """
        here = {
            Identity(bytes.fromhex(guest["guest"])): guest["name"]
            for guest in self.waiting()
            if guest["state"] in states
        }
        chosen = meant(text, here, by_end=True) if text else list(here)
        if not here:
            raise NoSuchGuest("No guest is at the door.")
        if len(chosen) > 1:
            listed = ", ".join(f"{here[guest]} ({guest.hex()[-8:]})" for guest in chosen)
            raise NoSuchGuest(f"Several guests may be meant; name one by its id: {listed}.")
        if not chosen:
            raise NoSuchGuest(f"No guest is called {text!r}. See: onmeet guests")
        return chosen[0]

    def describe(self, identity: Identity) -> dict[str, Any]:
        """One of `waiting`. Raises `NoSuchGuest`."""
        for guest in self.waiting():
            if guest["guest"] == identity.hex():
                return guest
        raise NoSuchGuest("That guest has gone.")

    def admit(
        self,
        identity: Identity,
        *,
        kinds: frozenset[Kind] = frozenset(Kind),
        wish: CallOptions | None = None,
    ) -> None:
        """Lets a guest in who knocks. Raises `NoSuchGuest`, and `HostInCall`."""
        visit = self._visits.get(identity)
        if visit is None or not visit.name or visit.guest is not None:
            raise NoSuchGuest("That guest has gone, or is in already.")
        if self._occupied():
            raise HostInCall(
                "You are in a call. End it first; the guest waits, and sees that you are busy."
            )
        assert self._nursery is not None, "guests come while it runs"
        self._coming.add(identity)
        visit.patience.deadline = math.inf
        self._nursery.start_soon(self._let_in_alone, visit, kinds, wish or self._wish())

    def deny(self, identity: Identity, *, close_link: bool = False) -> None:
        """Sends a guest away: from the door, or out of the call. Raises `NoSuchGuest`.

        Their link let them in without a word? From now on who comes by it knocks.
        """
        guest, visit = self._admitted.get(identity), self._visits.get(identity)
        if guest is None and visit is None:
            raise NoSuchGuest("That guest has gone already.")
        if guest is not None:
            if guest.visit is not None:
                guest.visit.say(m.Deny(reason=m.DenyReason.REMOVED))
            call = self._caller.calls.get(guest.call) if guest.call is not None else None
            if call is not None:
                call.hang_up()
            else:
                self._forget(guest)
        elif visit is not None:
            self._deny(visit, m.DenyReason.DENIED)
        link = (guest or visit).link  # type: ignore[union-attr]
        if close_link:
            self.links.end(link)
        else:
            self.links.require_knock(link)

    # ── one guest ───────────────────────────────────────────────────────────────────────────────
    async def serve(self, link: Link, stream: GuestStream) -> None:
        """Speaks with one guest who came through this link's door, until they have gone."""
        here = sum(visit.link is link for visit in self._visits.values())
        if len(self._visits) >= MAX_VISITS and here >= KEPT_AT_EACH_LINK:
            stream.abort()
            return
        identity = Identity(guest_id(secrets.token_bytes(RANDOM_BYTES)))
        channel: Channel | None = None
        with trio.move_on_after(HANDSHAKE_SECONDS):
            try:
                channel = await accept_guest(
                    stream, link.public, link.key, identity, self._welcome(link), self._seen
                )
            except (RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError) as e:
                log.debug("a guest did not come as far as the door: %s", type(e).__name__)
        if channel is None:
            stream.abort()
            return
        visit = self._visits[identity] = GuestVisit(identity, link, channel)
        try:
            async with trio.open_nursery() as nursery:
                channel.attend(attended=True)
                nursery.start_soon(channel.run)
                with contained("guest", then=partial(self._failed, visit)):
                    await self._converse(visit)
                channel.close()
        finally:
            self._left(visit)

    async def say_goodbye(self) -> None:
        """The node stops: ends every visit, and returns when each guest has heard so."""
        visits = list(self._visits.values())
        for visit in visits:
            visit.channel.close("host-left")
        for visit in visits:
            await visit.channel.over.wait()

    def _welcome(self, link: Link) -> m.Welcome:
        entrance = self._entrance(link)
        return m.Welcome(
            card=self._card(),
            title=link.row.title,
            knock=link.row.knock or (entrance is not None and entrance.knock),
            once=link.row.once and entrance is None,
            room=entrance.room if entrance is not None else None,
            host=entrance.host if entrance is not None else None,
        )

    def room_began(self, link_id: str) -> None:
        """A link leads into a room from now on: whoever waits at it is told."""
        for visit in self._visits.values():
            if visit.link.id == link_id and visit.guest is None and visit.threshold is None:
                visit.say(self._welcome(visit.link))

    async def _converse(self, visit: GuestVisit) -> None:
        if sum(v.link is visit.link for v in self._visits.values()) > MAX_AT_ONE_LINK:
            self._deny(visit, m.DenyReason.FULL)
        if visit.link.ended:
            # Only a guest who is in may come back, and they say so at once.
            coming_back = any(guest.link is visit.link for guest in self._admitted)
            visit.patience.deadline = trio.current_time() + (COMING_SECONDS if coming_back else 0)
        with visit.patience:
            async for message in visit.channel:
                self._take(visit, message)
        if visit.patience.cancelled_caught:
            closed = visit.link.ended
            self._deny(visit, m.DenyReason.LINK_CLOSED if closed else m.DenyReason.NO_ANSWER)

    def _take(self, visit: GuestVisit, message: Message) -> None:
        if isinstance(message, m.Carry):
            self._carried(visit, message.data)
        elif visit.threshold is not None:
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
                self._caller.message(visit.identity, guest.device, message)

    def _carried(self, visit: GuestVisit, frame: bytes) -> None:
        if visit.threshold is None:
            entrance = self._entrance(visit.link)
            if entrance is None or visit.guest is not None:
                self._deny(visit, m.DenyReason.NO_ANSWER)
                return
            if visit.name:  # they knocked before the room began
                visit.name = ""
                self._hub.publish(KnockOver(guest=visit.identity, outcome="room"))
            visit.patience.deadline = math.inf
            visit.threshold = entrance.enter(visit.channel, knock=visit.link.row.knock)
        visit.threshold.feed(frame)

    def _knocked(self, visit: GuestVisit, knock: m.Knock) -> None:
        back = self._admitted.of_ticket(visit.link, knock.ticket)
        if back is not None:
            self._rejoined(visit, back)
            return
        if visit.link.ended:
            self._deny(visit, m.DenyReason.LINK_CLOSED)
            return
        visit.name = clean_text(knock.name, MAX_NAME_CHARS) or NAMELESS
        link = visit.link
        self._hub.publish(
            Knocked(guest=visit.identity, guest_name=visit.name, link=link.id, title=link.row.title)
        )
        if not link.row.knock and not self._occupied():
            self.admit(visit.identity)
        else:
            self._tell(visit)

    def _rejoined(self, visit: GuestVisit, guest: Guest) -> None:
        """The same guest over a new line: the old one is of no use any more."""
        del self._visits[visit.identity]
        before = guest.visit
        visit.identity, visit.guest, visit.name = guest.identity, guest, guest.name
        visit.patience.deadline = math.inf
        if before is not None:
            before.guest, before.name = None, ""  # nobody left: they are here, over another line
            before.channel.fail(End.REPLACED)
            self._caller.device_lost(guest.identity, guest.device)
        self._visits[visit.identity] = visit
        guest.visit = visit
        visit.say(guest.admit())
        guest.back.set()
        guest.back = trio.Event()

    async def _let_in_alone(
        self, visit: GuestVisit, kinds: frozenset[Kind], wish: CallOptions
    ) -> None:
        with contained("guest", then=partial(self._failed, visit)):
            await self._let_in(visit, kinds, wish)

    async def _let_in(self, visit: GuestVisit, kinds: frozenset[Kind], wish: CallOptions) -> None:
        servers: tuple[TurnServer, ...] = ()
        with trio.move_on_after(LEND_SECONDS):
            servers = await self._house.lend_turn()
        self._coming.discard(visit.identity)
        if self._visits.get(visit.identity) is not visit or visit.channel.end is not None:
            return  # they left meanwhile
        guest = visit.guest = Guest(visit, servers, trio.current_time() + COMING_SECONDS)
        self._admitted.add(guest)
        self._caller.expect(visit.identity, kinds, wish)
        visit.say(guest.admit())
        self._hub.publish(KnockOver(guest=visit.identity, outcome="admitted"))
        if visit.link.row.once:
            self.links.end(visit.link)
        self._tell_all()

    def _deny(self, visit: GuestVisit, reason: m.DenyReason) -> None:
        visit.say(m.Deny(reason=reason))
        visit.outcome = reason.value
        visit.channel.close(reason.value)

    def _failed(self, visit: GuestVisit) -> None:
        """We met an error of our own in serving a guest: they are told, and their call ends."""
        self._coming.discard(visit.identity)
        if visit.guest is not None and visit.guest.call is not None:
            self._caller.fault(visit.guest.call)
        self._deny(visit, m.DenyReason.FAULT)

    def _left(self, visit: GuestVisit) -> None:
        if self._visits.get(visit.identity) is visit:
            del self._visits[visit.identity]
        self._coming.discard(visit.identity)
        guest = visit.guest
        if visit.threshold is not None:
            visit.threshold.end()
        elif guest is None:
            if visit.name:
                self._hub.publish(KnockOver(guest=visit.identity, outcome=visit.outcome))
        elif guest.visit is visit:
            guest.visit = None
            call = self._caller.calls.get(guest.call) if guest.call is not None else None
            if call is not None and visit.channel.end in {End.MALFORMED, End.FLOOD}:
                self._caller.broke(call)
            elif call is not None:
                self._caller.device_lost(guest.identity, guest.device)
        self._gone.set()
        self._gone = trio.Event()

    def _forget(self, guest: Guest) -> None:
        """Their call is over: nothing of them is kept (P7)."""
        self._admitted.remove(guest)
        self._caller.expect_no_more(guest.identity)
        if guest.visit is not None:
            guest.visit.channel.close("ended")
        guest.back.set()
        self._gone.set()
        self._gone = trio.Event()

    async def _send_away(self, link: Link, expired: bool) -> None:
        reason = m.DenyReason.EXPIRED if expired else m.DenyReason.LINK_CLOSED
        for visit in list(self._visits.values()):
            inside = visit.guest is not None or visit.identity in self._coming
            if visit.link is link and not inside and not visit.in_room:
                self._deny(visit, reason)
        while any(v.link is link for v in self._visits.values()) or any(
            g.link is link for g in self._admitted
        ):
            await self._gone.wait()

    # ── what those who wait are told ────────────────────────────────────────────────────────────
    def _occupied(self) -> bool:
        return bool(self._coming or self._admitted) or any(self._caller.calls)

    def _tell(self, visit: GuestVisit) -> None:
        if self._occupied():
            state = m.WaitState.BUSY
        elif self._caller.calls.somebody_listens:
            state = m.WaitState.SHOWN
        else:
            state = m.WaitState.DELIVERED
        if visit.told is not state:
            visit.told = state
            visit.say(m.Wait(state=state))

    def _tell_all(self) -> None:
        for visit in list(self._visits.values()):
            if visit.name and visit.guest is None and visit.identity not in self._coming:
                with contained("guest", then=partial(self._failed, visit)):
                    if not visit.link.row.knock and not self._occupied():
                        self.admit(visit.identity)
                    else:
                        self._tell(visit)

    async def _keep_told(self) -> None:
        while True:
            await trio.sleep(LOOK_SECONDS)
            for guest in self._admitted:
                if trio.current_time() >= guest.expected and not self._in_call(guest):
                    with contained("guest"):
                        self._forget(guest)
            self._tell_all()

    def _in_call(self, guest: Guest) -> bool:
        """Whether they are in a call with us: an invite that means none, say for one that is over,
        must not keep the door from everybody else.
        """
        call = self._caller.calls.get(guest.call) if guest.call is not None else None
        return call is not None and call.peer == guest.identity

    async def _follow_calls(self) -> None:
        with self._hub.watch() as events:
            async for event in events:
                if isinstance(event, CallEnded):
                    for guest in self._admitted:
                        if guest.call == event.call:
                            with contained("guest"):
                                self._forget(guest)
                if isinstance(event, CallEnded | StateChanged):
                    self._tell_all()
