"""Guests of this node: they knock, are let in or not, and are forgotten (PROTOCOL, "Guests").

To the calls a guest is somebody with one device, a name for the visit in place of an identity, and
a sealed channel that came through a door.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.runner import CallRunner
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.guests.admission import GuestAdmission
from onmeet_node.guests.admitted import AdmittedGuests
from onmeet_node.guests.doorway import RoomEntrance
from onmeet_node.guests.errors import NoSuchGuest
from onmeet_node.guests.handler import GuestHandler
from onmeet_node.guests.links import GuestGateways, Link, Links
from onmeet_node.guests.views import GuestView
from onmeet_node.guests.visit import Guest
from onmeet_node.media.kinds import require_kinds
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.process.faults import kept
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.lookalike import meant
from onmeet_node.protocol.wire.messages import Card, Kind
from onmeet_node.store import Store


class Guests:
    """Everybody who came through a door of this node. Live in `run`."""

    def __init__(
        self,
        store: Store,
        gateways: GuestGateways,
        hub: Hub[NodeEvent],
        calls: CallRunner,
        admitted: AdmittedGuests,
        *,
        lend: Callable[[], Awaitable[tuple[TurnServer, ...]]],
        now: Callable[[], int],
        card: Callable[[], Card],
        wish: Callable[[], CallOptions],
    ) -> None:
        """`lend`: TURN for one guest's call, and no other's; there may be none. `card`: ours as
        everyone sees it. `wish`: what a call sends that nobody was asked about.
        """
        self._entrances: dict[str, RoomEntrance] = {}
        """The rooms that links lead into, by the link's id; other links lead to a call."""
        self._admitted = admitted
        self._admission = GuestAdmission(
            admitted, calls, hub, lend=lend, wish=wish, on_admitted=self._came_in
        )
        self._handler = GuestHandler(
            self._admission, calls, hub, card=card, entrances=self._entrances
        )
        self.links = Links(
            store,
            gateways,
            hub,
            now=now,
            serve=self._handler.serve,
            send_away=self._admission.send_away,
        )

    async def run(self) -> None:
        """Lets guests knock at every link, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept, "guest links", self.links.run)
            nursery.start_soon(self._admission.run)

    async def say_goodbye(self) -> None:
        """The node stops: ends every visit, and returns when each guest has heard so."""
        visits = self._admission.visits
        for visit in visits:
            visit.channel.close("host-left")
        for visit in visits:
            await visit.channel.over.wait()

    # ── where links lead ────────────────────────────────────────────────────────────────────────
    def lead_to_room(self, link_id: str, entrance: RoomEntrance) -> None:
        """A link leads into a room from now on: whoever waits at it is told."""
        self._entrances[link_id] = entrance
        self._handler.room_began(link_id)

    def lead_to_call(self, link_id: str) -> None:
        """The room is over: a link leads to a call again."""
        self._entrances.pop(link_id, None)

    def _came_in(self, link: Link) -> None:
        if link.row.once:
            self.links.end(link)

    # ── what a person does ──────────────────────────────────────────────────────────────────────
    def waiting(self) -> tuple[GuestView, ...]:
        """Who is in a call, and who knocks."""
        return tuple(
            GuestView(
                guest=one.identity,
                name=one.name,
                link=one.link.id,
                title=one.link.row.title,
                state="in" if isinstance(one, Guest) else "knocking",
            )
            for one in (*self._admitted, *self._admission.knocking)
        )

    def who(self, text: str, states: frozenset[str] = frozenset({"in", "knocking"})) -> Identity:
        """The guest meant by a name, or by the start or end of an id; the only one if none is said.

        Raises `NoSuchGuest`.
        """
        here = {guest.guest: guest.name for guest in self.waiting() if guest.state in states}
        chosen = meant(text, here, by_end=True) if text else list(here)
        if not here:
            raise NoSuchGuest("No guest is at the door.")
        if len(chosen) > 1:
            listed = ", ".join(f"{here[guest]} ({guest.hex()[-8:]})" for guest in chosen)
            raise NoSuchGuest(f"Several guests may be meant; name one by its id: {listed}.")
        if not chosen:
            raise NoSuchGuest(f"No guest is called {text!r}. See: onmeet guests")
        return chosen[0]

    def describe(self, identity: Identity) -> GuestView:
        """One of `waiting`. Raises `NoSuchGuest`."""
        for guest in self.waiting():
            if guest.guest == identity:
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
        self._admission.admit(identity, kinds=require_kinds(kinds), wish=wish)

    def deny(self, identity: Identity, *, close_link: bool = False) -> None:
        """Sends a guest away: from the door, or out of the call. Raises `NoSuchGuest`.

        Their link let them in without a word? From now on who comes by it knocks.
        """
        link = self._admission.deny(identity)
        if close_link:
            self.links.end(link)
        else:
            self.links.require_knock(link)
