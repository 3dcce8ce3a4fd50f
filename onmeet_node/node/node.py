"""The composition root: opens store, network, media and calls in one nursery, as one `Node`."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, get_args

import trio

from onmeet_node.calls.call import Call, CallOptions
from onmeet_node.calls.history import History
from onmeet_node.calls.media_setup import NodeMediaSetup
from onmeet_node.calls.receipts import ReceiptCollector
from onmeet_node.calls.runner import CallRunner
from onmeet_node.config import Config, load_config
from onmeet_node.contacts.acquaintances import Acquaintances, RoomContacts
from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.admission import ContactDoorkeeper, NoteQuotas
from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.contacts import Contacts
from onmeet_node.contacts.delivery import run_delivery
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_card import OwnCard
from onmeet_node.contacts.reach import PeerTransport
from onmeet_node.errors import OnMeetError
from onmeet_node.events import Hub, NodeEvent, PresenceChanged, Reachable, Started
from onmeet_node.findings import Finding, bad, good
from onmeet_node.guests.call_transport import AdmittedGuests, GuestTransport
from onmeet_node.guests.guests import Guests
from onmeet_node.guests.links import Link
from onmeet_node.media.endpoint import MediaEndpoint
from onmeet_node.net.bootstraps.receipts import ask_receipts
from onmeet_node.net.channels.channels import (
    ChannelEvent,
    ChannelGone,
    ChannelOpened,
    Channels,
    MessageArrived,
    open_channels,
)
from onmeet_node.net.libp2p.multiaddrs import peer_of
from onmeet_node.net.libp2p.open_host import HostStats
from onmeet_node.node.call_router import CallRouter
from onmeet_node.node.doctor import of_media
from onmeet_node.node.ledger import NodeLedger
from onmeet_node.node.network import Change, Network, OpenDoor, open_network
from onmeet_node.process import faults
from onmeet_node.process.leaving import Block, in_order, interrupted_in_order, require_trio
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.node_calls import NodeCalls
from onmeet_node.protocol.identity.code import ContactCode
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.messages import CallMessage, Kind
from onmeet_node.rooms.rooms import Entrance, Rooms
from onmeet_node.store import (
    ContactState,
    KeyFile,
    Passphrase,
    Store,
    Unlock,
    export_home,
    find_home_key,
    open_store,
)
from onmeet_node.store.errors import StoreError
from onmeet_node.store.settings import BOOTSTRAPS, REGION
from onmeet_node.store.tolerance import WriteTolerance

log = logging.getLogger(__name__)

GOODBYE_SECONDS = 2.0
"""For everybody to hear that the node ends: who has not heard by then is not there."""


class NoSuchCall(OnMeetError):
    """There is no such call now."""


class Node:
    """A running node. Made by `open_node`; everything ends with its block."""

    def __init__(
        self,
        config: Config,
        store: Store,
        key: IdentityKey,
        network: Network,
        people: Contacts,
        book: AddressBook,
        own_card: OwnCard,
        doorkeeper: ContactDoorkeeper,
        quotas: NoteQuotas,
        admitted: AdmittedGuests,
        messenger: Messenger,
        writes: WriteTolerance,
        hub: Hub[NodeEvent],
        channels: Channels,
        nursery: trio.Nursery,
        block: Block,
    ) -> None:
        self.config = config
        self.stop = block.end
        """Ends the node as if its block were left."""
        self.people = people
        self.contacts = people
        self.history = History(store, writes, name_of=book.name_of, code_of=people.codes.label_of)
        self.hub = hub
        self.reachable = trio.Event()
        """Set when a record is published, and a reader elsewhere could resolve it."""
        self.started = Started(peer_id=network.peer_id, addresses=network.addresses)
        self._store = store
        self._writes = writes
        self._key = key
        self._network = network
        self._channels = channels
        self._open: set[tuple[Identity, Device]] = set()
        self._transport = PeerTransport(
            channels,
            network.rendezvous,
            book,
            me=self.identity,
            alone=lambda: not network.bootstraps.connected and not network.host.dht_peers(),
            joined=self.reachable,
        )
        self._studio = NodeMediaSetup(
            config,
            turn=network.turn,
            relay_only=network.exposure.relay_only,
        )
        self._receipts = ReceiptCollector(
            self.history, partial(ask_receipts, network.host, network.bootstraps)
        )
        self._ledger = NodeLedger(
            store,
            book,
            doorkeeper,
            quotas,
            people.delivery,
            self.history,
            self._receipts,
            now=_now,
        )
        ways = CallRouter(self._transport, GuestTransport(admitted))
        line = NodeCalls(self.identity)
        self._caller = CallRunner(
            line, ways, self._studio, self._ledger, self.hub, nursery, ending=lambda: block.ending
        )
        self.calls = self._caller.calls

        def entrance(link: Link) -> Entrance | None:
            return self.rooms.entrance(link)  # rooms make links, and links lead into rooms

        self.guests = Guests(
            store,
            network,
            self.hub,
            self._caller,
            admitted,
            now=_now,
            entrance=entrance,
            card=lambda: own_card.seen_by(None),
            wish=lambda: CallOptions(endpoint=self._studio.page_endpoint()),
        )
        self.rooms = Rooms(
            network.rooms,
            RoomContacts(self._transport, messenger, book, doorkeeper, people.codes),
            self._studio,
            store,
            self.hub,
            self.guests.links,
            circle=Acquaintances(book, own_card, key),
            where=network.ways_here,
            device=network.peer_id,
            lend=network.lend_turn,
            began=self.guests.room_began,
        )
        network.on_network_change(self._moved)

    def __repr__(self) -> str:
        return f"<Node {self.identity.hex()[:8]}>"

    @property
    def identity(self) -> Identity:
        """Who this node is: 32 bytes, an Ed25519 public key."""
        return Identity(self._key.public)

    async def run(self) -> None:
        """Everything the node does by itself, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._network.run, self.people.book.audiences)

            def begin(service: str, serve: Callable[[], Awaitable[object]]) -> None:
                nursery.start_soon(faults.kept, service, serve)

            begin("media engine", self._studio.run)
            begin("call timers", self._caller.run_timers)
            begin("channels", self._listen)
            begin("guests", self.guests.run)
            begin("receipts", self._receipts.run)
            begin("people", self.people.run)
            begin("rooms", self.rooms.run)
            await self._network.rendezvous.published.wait()
            self.reachable.set()
            self.hub.publish(Reachable())
            self._studio.prepare()
            await faults.kept("duties", run_delivery, self.people.delivery, self.deliver)

    def _moved(self, change: Change) -> None:
        if change.addresses or change.slept:
            self._caller.network_changed()
            self.people.delivery.look_again()

    async def _listen(self) -> None:
        """Takes what comes over the channels, one after the other."""
        async for event in self._channels.events:
            with faults.contained("peer", then=partial(self._part_from, event)):
                try:
                    self._take(event)
                except (StoreError, CallRefused) as error:
                    # The disk is full, say: what came is lost, the node is not.
                    what, why = type(event).__name__, type(error).__name__
                    log.warning("%s was not dealt with: %s", what, why)

    def _part_from(self, event: ChannelEvent) -> None:
        """Closes the channel whose message we failed at; a call with them finds another one."""
        channel = self._channels.get(event.identity, event.device)
        if channel is not None:
            channel.close("fault")

    def _take(self, event: ChannelEvent) -> None:
        peer, device = event.identity, event.device
        match event:
            case ChannelOpened(hello=hello):
                self._open.add((peer, device))
                self.people.channel_opened(peer, hello)
                self.hub.publish(PresenceChanged(identity=peer, connected=True))
            case MessageArrived(message=message):
                if isinstance(message, get_args(CallMessage)):
                    self._caller.message(peer, device, message)
                elif not self.rooms.message(peer, device, message):
                    self.people.message(peer, message)
            case ChannelGone():
                self._open.discard((peer, device))
                self._caller.device_lost(peer, device)
                if not self._channels.devices(peer):
                    self.hub.publish(PresenceChanged(identity=peer, connected=False))
                    self.people.channel_closed(peer)

    async def say_goodbye(self) -> None:
        """Ends calls, rooms, visits, channels and records; returns when all of it was heard.

        Whoever leaves the node bounds it in time: some may not be there to hear.
        """
        for call in self.calls:
            # Some are over meanwhile.
            with faults.contained("call"), suppress(CallRefused):
                self._caller.feed(on.HangUp(call=call.id, shutdown=True))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._part)
            nursery.start_soon(self._channels.close_all)
            nursery.start_soon(self._network.withdraw)
        self.hub.close()

    async def _part(self) -> None:
        """Rooms before visits: what a room says to its guests goes over their visits' lines."""
        await self.rooms.leave_all()
        await self.guests.say_goodbye()

    @contextmanager
    def watch(self) -> Iterator[trio.MemoryReceiveChannel[NodeEvent]]:
        """Everything that happens on this node from now on."""
        with self.hub.watch() as events:
            yield events

    # ── calls ───────────────────────────────────────────────────────────────────────────────────
    @asynccontextmanager
    async def call(
        self,
        who: str | Identity | ContactCode,
        *,
        kinds: frozenset[Kind] = frozenset(Kind),
        wish: CallOptions | None = None,
    ) -> AsyncIterator[Call]:
        """Calls somebody; leaving the block hangs up.

        `who`: a name, the start of an identity, a code as text, an identity, or a `ContactCode`.
        Raises `NoSuchPerson`, `Ambiguous` or what is wrong with the code, and `MediaError` where
        what the call shall send or keep cannot be; then nobody was rung. Whatever happens after
        that is told by the call's events.
        """
        match who:
            case str():
                peer = self.people.who(who)
            case ContactCode():
                peer = self.people.book.meet(who)
            case bytes():
                peer = Identity(who)
        wish = wish or CallOptions()
        await self._studio.check(wish, kinds)
        async with self._caller.dial(peer, kinds, wish) as call:
            yield call

    async def check_media(self, kinds: frozenset[Kind], wish: CallOptions | None = None) -> None:
        """Whether a call with these kinds could be, before it is taken or a room is entered.

        Raises `MediaError` if what it shall send or keep cannot be.
        """
        await self._studio.check(wish or CallOptions(), kinds)

    @asynccontextmanager
    async def incoming(self) -> AsyncIterator[trio.MemoryReceiveChannel[Call]]:
        """Calls that come in, while the block runs: somebody is there to notice, so they ring."""
        with self.calls.ringer() as ringer:
            await trio.lowlevel.checkpoint()
            yield ringer

    def use_app(self, endpoint: Callable[[], MediaEndpoint | None]) -> None:
        """Prepares calls in a page of the app while `endpoint` gives one: see `NodeMediaSetup`."""
        self._studio.app = endpoint

    def use_own_gateway(self, name: str, open_door: OpenDoor) -> None:
        """Guest links made from now on lead here (``onmeet up --guests-on``)."""
        self._network.use_own_gateway(name, open_door)

    def find_call(self, start: str | None, states: set[State]) -> Call:
        """The one call in these states, or the one whose id begins so. Raises `NoSuchCall`."""
        found = [
            call
            for call in self.calls
            if call.state in states and call.id.hex().startswith(start or "")
        ]
        if len(found) == 1:
            return found[0]
        if not found:
            raise NoSuchCall("There is no such call now. See what is going on: onmeet status")
        raise NoSuchCall(
            "Several calls fit; name one by its id: " + ", ".join(c.id.hex()[:8] for c in found)
        )

    def describe_call(self, call: Call) -> dict[str, Any]:
        """A call for the command line and the app."""
        return {
            "call": call.id.hex(),
            "with": self.people.name_of(call.peer),
            "identity": call.peer.hex(),
            "outgoing": call.outgoing,
            "state": call.state.value,
            "ring": call.ring.value if call.ring else None,
            "reason": call.reason.value if call.reason else None,
            "path": call.path.value if call.path else None,
            "sas": call.sas,
        }

    def host_stats(self) -> HostStats:
        """Counts of what libp2p has open."""
        return self._network.host.stats()

    async def published(self) -> None:
        """Waits until everybody who should find this node can: after a new code, say."""
        await self._network.rendezvous.settled()

    def connected(self, peer: Identity) -> bool:
        """Whether a sealed channel to this person is open."""
        return bool(self._channels.devices(peer))

    async def deliver(self, peer: Identity) -> bool:
        """Sends a person what waits for them, looking for them first; whether they were reached."""
        if self._channels.devices(peer):
            self.people.delivery.hand_over(peer)
            return True
        return await self._transport.channel(peer)  # opening hands it over

    # ── the node ────────────────────────────────────────────────────────────────────────────────
    def status(self) -> dict[str, Any]:
        """What the node is doing, without anything about anybody but its owner."""
        people = self.people.counts()
        return {
            "identity": self.identity.hex(),
            "peer_id": self._network.peer_id,
            "reachable": self.reachable.is_set(),
            "addresses": list(self._network.addresses),
            "bootstraps": len(self._network.bootstraps.connected),
            "dht_peers": len(self._network.host.dht_peers()),
            "channels": len(self._open),
            "contacts": people.get(ContactState.ACCEPTED, 0),
            "requests": people.get(ContactState.REQUESTED_BY_THEM, 0),
            "calls": [self.describe_call(call) for call in self.calls],
            "faults": faults.counts(),
        }

    async def status_with_media(self) -> dict[str, Any]:
        """`status`, with the counters of each call's media."""
        status = self.status()
        for shown, call in zip(status["calls"], tuple(self.calls), strict=True):
            shown["streams"] = await call.counters()
        return status

    async def examine(self) -> list[Finding]:
        """What works from here and what does not, with remedies (``onmeet doctor``)."""
        findings = [*self._network.examine(), *of_media(await self._studio.examine())]
        if self.reachable.is_set():
            findings.append(good("Your record is published: you can be found."))
        else:
            findings.append(
                bad(
                    "No record of yours is published: nobody can find you.",
                    "The DHT needs one other node: give a bootstrap (onmeet up --bootstrap "
                    "MULTIADDR), or start a second node on this network.",
                )
            )
        if self._writes.trouble is not None:
            findings.append(bad("Nothing is being written down.", str(self._writes.trouble)))
        return findings

    def settings(self) -> dict[str, Any]:
        """What the person chose for this node, for the command line and the app."""
        chosen = self._store.settings
        bootstraps: tuple[str, ...] = chosen.get(BOOTSTRAPS)
        return {
            "relay_only": self._network.exposure.relay_only(),
            "region": chosen.get(REGION),
            "bootstraps": list(bootstraps),
        }

    def change_settings(
        self,
        *,
        relay_only: bool | None = None,
        region: str | None = None,
        add_bootstrap: str | None = None,
        remove_bootstrap: str | None = None,
    ) -> dict[str, Any]:
        """Changes what is given and returns all of it. `region`: ``ca``, ``de`` or ``any``.

        Relay-only and an added bootstrap hold at once, the rest from the next start. Raises
        `BadAddress` for what is no bootstrap's address.
        """
        chosen = self._store.settings
        if relay_only is not None:
            before = self._network.exposure.relay_only()
            self._network.set_relay_only(on=relay_only)
            if self._network.exposure.relay_only() and not before:
                self._hide_media()
        if region is not None:
            chosen.put(REGION, None if region == "any" else region)
        if add_bootstrap is not None:
            peer_of([add_bootstrap])
            known: tuple[str, ...] = chosen.get(BOOTSTRAPS)
            chosen.put(BOOTSTRAPS, tuple(dict.fromkeys((*known, add_bootstrap))))
            self._network.bootstraps.add([add_bootstrap])
        if remove_bootstrap is not None:
            known = chosen.get(BOOTSTRAPS)
            chosen.put(BOOTSTRAPS, tuple(a for a in known if a != remove_bootstrap))
        return self.settings()

    def _hide_media(self) -> None:
        """Gives the calls that are on another path, through a relay: relay-only was turned on."""
        rooms = (call for room in self.rooms.on for call in room.calls)
        for call in (*self.calls, *rooms):
            if call.has_media:
                call.restart_media()

    async def export(self, path: Path, passphrase: str) -> None:
        """Writes everything this home holds to one encrypted file, for ``onmeet import``."""
        # In this thread, because the database belongs to it; Argon2id takes a fraction of a second.
        export_home(self._store, path, Passphrase(passphrase))
        await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_node(
    home: Path | str | None = None,
    *,
    config: Config | None = None,
    unlock: Unlock | None = None,
    goodbye_seconds: float = GOODBYE_SECONDS,
) -> AsyncIterator[Node]:
    """Runs a node while the block runs: finds others, is found, calls and is called.

    `home` must have been made by ``onmeet init``; `unlock` opens it (default: its key file).
    Raises the store's errors (`WrongPassphrase`, `HomeInUse` …), `ConfigError`, and `NetError`
    when it cannot listen, and `NotInTrio` under asyncio.

    However the block is left (its end, an exception, cancellation, Ctrl-C), calls, rooms and visits
    are ended with a word to the other side and the records withdrawn, within `goodbye_seconds`.
    What the block raises leaves as it is.
    """
    require_trio()
    config = config or load_config(Path(home) if home is not None else None)
    block = Block()
    running = _running(config, unlock or KeyFile(), block, goodbye_seconds)
    with interrupted_in_order(block):
        async with in_order(running, block=block) as node:
            yield node


@asynccontextmanager
async def _running(
    config: Config, unlock: Unlock, block: Block, goodbye_seconds: float
) -> AsyncIterator[Node]:
    database_key = await trio.to_thread.run_sync(find_home_key, config.home, unlock)
    with open_store(config.home, database_key) as store:
        store.calls.close_interrupted(now=_now())
        key = IdentityKey.from_seed(store.identity.seed)
        async with open_network(config, store, key) as network:
            codes = Codes(
                store,
                key,
                bootstraps=network.hints,
                changed=network.rendezvous.refresh,
                now=_now,
            )
            writes = WriteTolerance()
            admitted = AdmittedGuests()
            book = AddressBook(
                store,
                key,
                codes,
                writes,
                now=_now,
                hints=network.bootstraps.add,
                relay_only=network.exposure.relay_only,
                guest_name=admitted.name_of,
            )
            own_card = OwnCard(store, book)
            doorkeeper = ContactDoorkeeper(
                store,
                codes,
                book,
                own_card,
                link_of=admitted.link_of,
            )
            quotas = NoteQuotas(now=_now)
            hub: Hub[NodeEvent] = Hub()
            async with (
                open_channels(network.host, key, doorkeeper, known=book.known) as channels,
                trio.open_nursery() as nursery,
            ):
                messenger = Messenger(channels)
                people = Contacts(
                    store,
                    codes,
                    book,
                    own_card,
                    doorkeeper,
                    quotas,
                    messenger,
                    hub,
                    writes,
                    now=_now,
                    hints=network.bootstraps.add,
                )
                node = Node(
                    config,
                    store,
                    key,
                    network,
                    people,
                    book,
                    own_card,
                    doorkeeper,
                    quotas,
                    admitted,
                    messenger,
                    writes,
                    hub,
                    channels,
                    nursery,
                    block,
                )
                nursery.start_soon(node.run)
                try:
                    yield node
                finally:
                    with trio.move_on_after(goodbye_seconds, shield=True):
                        await node.say_goodbye()
                    node.hub.close()
                    nursery.cancel_scope.cancel()


def _now() -> int:
    return int(time.time())
