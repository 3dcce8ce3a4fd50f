"""Who waits at the doors of this node, and who is let in (PROTOCOL, "Guests")."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import trio

from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.runner import CallRunner
from onmeet_node.events import CallEnded, Hub, KnockOver, NodeEvent, StateChanged
from onmeet_node.guests.admitted import AdmittedGuests
from onmeet_node.guests.errors import HostInCall, NoSuchGuest
from onmeet_node.guests.links import Link
from onmeet_node.guests.visit import Guest, GuestVisit
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.net.channels.channel import End
from onmeet_node.process.faults import contained, kept
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import Kind

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
LOOK_SECONDS = 5.0
"""Between looks whether somebody is there to see who knocks."""


class GuestAdmission:
    """The visits of all guests. Live in `run`."""

    def __init__(
        self,
        admitted: AdmittedGuests,
        calls: CallRunner,
        hub: Hub[NodeEvent],
        *,
        lend: Callable[[], Awaitable[tuple[TurnServer, ...]]],
        wish: Callable[[], CallOptions],
        on_admitted: Callable[[Link], None],
    ) -> None:
        """`lend`: TURN for one guest's call. `wish`: what a call sends that nobody was asked about.
        `on_admitted`: told by which link somebody was let in.
        """
        self._admitted = admitted
        self._calls = calls
        self._hub = hub
        self._lend = lend
        self._wish = wish
        self._on_admitted = on_admitted
        self._visits: dict[Identity, GuestVisit] = {}
        self._coming: set[Identity] = set()
        """Who is being let in."""
        self._nursery: trio.Nursery | None = None
        self._gone = trio.Event()

    async def run(self) -> None:
        """Lets guests in, and tells those who wait how it stands, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(kept, "guests", self._follow_calls)
            nursery.start_soon(kept, "guests", self._keep_told)
            await trio.sleep_forever()

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    @property
    def admitted(self) -> AdmittedGuests:
        """Who is in."""
        return self._admitted

    @property
    def visits(self) -> tuple[GuestVisit, ...]:
        """Everybody whose channel is open, the oldest first."""
        return tuple(self._visits.values())

    @property
    def knocking(self) -> Iterator[GuestVisit]:
        """Who asks to be let in."""
        return (visit for visit in self.visits if visit.name and visit.guest is None)

    @property
    def occupied(self) -> bool:
        """Whether nobody can be let in now."""
        return bool(self._coming or self._admitted) or any(self._calls.calls)

    # ── coming and going ────────────────────────────────────────────────────────────────────────
    def has_room(self, link: Link) -> bool:
        """Whether one more may come to this door."""
        here = sum(visit.link is link for visit in self.visits)
        return len(self._visits) < MAX_VISITS or here < KEPT_AT_EACH_LINK

    def begin(self, visit: GuestVisit) -> None:
        """Somebody is at a door."""
        self._visits[visit.identity] = visit
        if sum(v.link is visit.link for v in self.visits) > MAX_AT_ONE_LINK:
            self.turn_away(visit, m.DenyReason.FULL)

    def turn_away(self, visit: GuestVisit, reason: m.DenyReason) -> None:
        """Tells a guest that they are not let in, and ends their visit."""
        visit.say(m.Deny(reason=reason))
        visit.outcome = reason.value
        visit.channel.close(reason.value)

    def failed(self, visit: GuestVisit) -> None:
        """We met an error of our own in serving a guest: they are told, and their call ends."""
        self._coming.discard(visit.identity)
        if visit.guest is not None and visit.guest.call is not None:
            self._calls.fault(visit.guest.call)
        self.turn_away(visit, m.DenyReason.FAULT)

    def rejoined(self, visit: GuestVisit, guest: Guest) -> None:
        """The same guest over a new line: the old one is of no use any more."""
        del self._visits[visit.identity]
        before = guest.visit
        visit.identity, visit.guest, visit.name = guest.identity, guest, guest.name
        visit.patience.deadline = math.inf
        if before is not None:
            before.guest, before.name = None, ""  # nobody left: they are here, over another line
            before.channel.fail(End.REPLACED)
            self._calls.device_lost(guest.identity, guest.device)
        self._visits[visit.identity] = visit
        guest.visit = visit
        visit.say(guest.admit())
        guest.back.set()
        guest.back = trio.Event()

    def left(self, visit: GuestVisit) -> None:
        """A guest's channel has ended."""
        if self._visits.get(visit.identity) is visit:
            del self._visits[visit.identity]
        self._coming.discard(visit.identity)
        guest = visit.guest
        if visit.doorway is not None:
            visit.doorway.end()
        elif guest is None:
            if visit.name:
                self._hub.publish(KnockOver(guest=visit.identity, outcome=visit.outcome))
        elif guest.visit is visit:
            guest.visit = None
            call = self._calls.calls.get(guest.call) if guest.call is not None else None
            if call is not None and visit.channel.end in {End.MALFORMED, End.FLOOD}:
                self._calls.broke(call)
            elif call is not None:
                self._calls.device_lost(guest.identity, guest.device)
        self._somebody_went()

    async def send_away(self, link: Link, expired: bool) -> None:
        """Tells those who wait at a link that it is closed, or has expired; returns when the last
        guest of it has gone.
        """
        reason = m.DenyReason.EXPIRED if expired else m.DenyReason.LINK_CLOSED
        for visit in self.visits:
            inside = visit.guest is not None or visit.identity in self._coming
            if visit.link is link and not inside and not visit.in_room:
                self.turn_away(visit, reason)
        while any(v.link is link for v in self.visits) or any(
            g.link is link for g in self._admitted
        ):
            await self._gone.wait()

    def _somebody_went(self) -> None:
        self._gone.set()
        self._gone = trio.Event()

    # ── letting in ──────────────────────────────────────────────────────────────────────────────
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
        if self.occupied:
            raise HostInCall(
                "You are in a call. End it first; the guest waits, and sees that you are busy."
            )
        assert self._nursery is not None, "guests come while it runs"
        self._coming.add(identity)
        visit.patience.deadline = math.inf
        self._nursery.start_soon(self._let_in_alone, visit, kinds, wish or self._wish())

    async def _let_in_alone(
        self, visit: GuestVisit, kinds: frozenset[Kind], wish: CallOptions
    ) -> None:
        with contained("guest", then=partial(self.failed, visit)):
            await self._let_in(visit, kinds, wish)

    async def _let_in(self, visit: GuestVisit, kinds: frozenset[Kind], wish: CallOptions) -> None:
        servers: tuple[TurnServer, ...] = ()
        with trio.move_on_after(LEND_SECONDS):
            servers = await self._lend()
        self._coming.discard(visit.identity)
        if self._visits.get(visit.identity) is not visit or visit.channel.end is not None:
            return  # they left meanwhile
        guest = visit.guest = Guest(visit, servers, trio.current_time() + COMING_SECONDS)
        self._admitted.add(guest)
        self._calls.expect(visit.identity, kinds, wish)
        visit.say(guest.admit())
        self._hub.publish(KnockOver(guest=visit.identity, outcome="admitted"))
        self._on_admitted(visit.link)
        self._tell_all()

    def deny(self, identity: Identity) -> Link:
        """Sends a guest away, from the door or out of the call; gives the link they came by.

        Raises `NoSuchGuest`.
        """
        guest, visit = self._admitted.get(identity), self._visits.get(identity)
        if guest is not None:
            if guest.visit is not None:
                guest.visit.say(m.Deny(reason=m.DenyReason.REMOVED))
            call = self._calls.calls.get(guest.call) if guest.call is not None else None
            if call is not None:
                call.hang_up()
            else:
                self._forget(guest)
            return guest.link
        if visit is None:
            raise NoSuchGuest("That guest has gone already.")
        self.turn_away(visit, m.DenyReason.DENIED)
        return visit.link

    def _forget(self, guest: Guest) -> None:
        """Their call is over: nothing of them is kept (P7)."""
        self._admitted.remove(guest)
        self._calls.expect_no_more(guest.identity)
        if guest.visit is not None:
            guest.visit.channel.close("ended")
        guest.back.set()
        self._somebody_went()

    # ── what those who wait are told ────────────────────────────────────────────────────────────
    def knocked(self, visit: GuestVisit) -> None:
        """Somebody asks to be let in: they are, or are told how it stands."""
        if not visit.link.row.knock and not self.occupied:
            self.admit(visit.identity)
        else:
            self._tell(visit)

    def _tell(self, visit: GuestVisit) -> None:
        if self.occupied:
            state = m.WaitState.BUSY
        elif self._calls.calls.somebody_listens:
            state = m.WaitState.SHOWN
        else:
            state = m.WaitState.DELIVERED
        if visit.told is not state:
            visit.told = state
            visit.say(m.Wait(state=state))

    def _tell_all(self) -> None:
        for visit in self.knocking:
            if visit.identity not in self._coming:
                with contained("guest", then=partial(self.failed, visit)):
                    self.knocked(visit)

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
        call = self._calls.calls.get(guest.call) if guest.call is not None else None
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
