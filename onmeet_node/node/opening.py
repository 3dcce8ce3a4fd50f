"""Where a node is put together: every part is made here, and gets what it needs as it is made."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial
from pathlib import Path

import attrs
import trio

from onmeet_node.calls.history import History
from onmeet_node.calls.media_setup import NodeMediaSetup, OpenMedia, open_aiortc
from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.receipts import ReceiptCollector
from onmeet_node.calls.runner import CallRunner
from onmeet_node.config import Config, load_config
from onmeet_node.contacts.acquaintances import Acquaintances, RoomContacts
from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.admission import ContactDoorkeeper, NoteQuotas
from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.contacts import Contacts
from onmeet_node.contacts.devices import Devices
from onmeet_node.contacts.known_devices import DeviceCredentials
from onmeet_node.contacts.linking import DeviceLinks
from onmeet_node.contacts.locator import PeerLocator
from onmeet_node.contacts.meeting import MeetingPlaces
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_card import OwnCard
from onmeet_node.contacts.own_devices import OwnDevices
from onmeet_node.contacts.reach import PeerTransport
from onmeet_node.contacts.spoken import SpokenCodes
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.guests.admitted import AdmittedGuests
from onmeet_node.guests.call_transport import GuestTransport
from onmeet_node.guests.guests import Guests
from onmeet_node.net.bootstraps.receipts import ask_receipts
from onmeet_node.net.bootstraps.tokens import TokenPurse
from onmeet_node.net.channels.channels import open_channels
from onmeet_node.node.account import NodeAccount
from onmeet_node.node.call_router import CallRouter
from onmeet_node.node.doctor import Doctor
from onmeet_node.node.intake import ChannelIntake
from onmeet_node.node.ledger import NodeLedger
from onmeet_node.node.network import Network, open_network
from onmeet_node.node.node import Node
from onmeet_node.node.settings import Preferences
from onmeet_node.process.async_blocks import async_block
from onmeet_node.process.leaving import Block, in_order, interrupted_in_order, require_trio
from onmeet_node.protocol.call.node_calls import NodeCalls
from onmeet_node.rooms.rooms import Rooms
from onmeet_node.store import DatabaseKey, KeyFile, Store, Unlock, find_home_key, open_store
from onmeet_node.store.purse import PurseSlot
from onmeet_node.store.tolerance import WriteTolerance

GOODBYE_SECONDS = 2.0
"""For everybody to hear that the node ends: who has not heard by then is not there."""

CALLS_OF_A_PROGRAM = 20
"""At once, unless its `Config` says otherwise: a bot takes several, a person one."""

OpenNetwork = Callable[
    [Config, Store, OwnDevices, TokenPurse], AbstractAsyncContextManager[Network]
]
FindKey = Callable[[Path, Unlock], Awaitable[DatabaseKey]]


async def _find_key(home: Path, unlock: Unlock) -> DatabaseKey:
    return await trio.to_thread.run_sync(find_home_key, home, unlock)


@attrs.frozen
class NodeSurroundings:
    """What a node runs in: the network, media, and a thread to open its home in.

    The defaults are the real things; `onmeet_node.testing` has others, in memory.
    """

    open_network: OpenNetwork = open_network
    open_media: OpenMedia = open_aiortc
    find_key: FindKey = _find_key


@async_block
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
    async with open_node_in(
        NodeSurroundings(), config, unlock=unlock or KeyFile(), goodbye_seconds=goodbye_seconds
    ) as node:
        yield node


@asynccontextmanager
async def open_node_in(
    surroundings: NodeSurroundings,
    config: Config,
    *,
    unlock: Unlock,
    goodbye_seconds: float = GOODBYE_SECONDS,
) -> AsyncIterator[Node]:
    """As `open_node`, in other surroundings than the real ones."""
    block = Block()
    running = _running(surroundings, config, unlock, block, goodbye_seconds)
    with interrupted_in_order(block):
        async with in_order(running, block=block) as node:
            yield node


@asynccontextmanager
async def _running(
    surroundings: NodeSurroundings,
    config: Config,
    unlock: Unlock,
    block: Block,
    goodbye_seconds: float,
) -> AsyncIterator[Node]:
    async with _put_together(surroundings, config, unlock, block) as (node, nursery):
        nursery.start_soon(node.run)
        try:
            yield node
        finally:
            with trio.move_on_after(goodbye_seconds, shield=True):
                await node.say_goodbye()
            node.hub.close()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _put_together(
    surroundings: NodeSurroundings, config: Config, unlock: Unlock, block: Block
) -> AsyncIterator[tuple[Node, trio.Nursery]]:
    database_key = await surroundings.find_key(config.home, unlock)
    hub: Hub[NodeEvent] = Hub()
    reachable = trio.Event()
    with (
        open_store(config.home, database_key) as store,
        closing(PurseSlot(config.home, database_key, now=time.time)) as purse,
    ):
        store.calls.close_interrupted(now=_now())
        writes = WriteTolerance()
        own = OwnDevices(store, now=_now)
        devices = DeviceCredentials(store, own, now=_now)
        async with surroundings.open_network(config, store, own, purse) as network:
            # Who we know, who finds us, and who gets a channel.
            admitted = AdmittedGuests()
            codes = Codes(
                store,
                own.keys,
                bootstraps=network.hints,
                changed=network.rendezvous.refresh,
                now=_now,
            )
            locator = PeerLocator(store, own.keys, writes, now=_now, hints=network.bootstraps.add)
            book = AddressBook(
                store,
                own.identity,
                codes,
                locator,
                now=_now,
                relay_only=network.exposure.relay_only,
                guest_name=admitted.name_of,
            )
            own_card = OwnCard(store, book)
            doorkeeper = ContactDoorkeeper(
                store, codes, book, locator, own_card, link_of=admitted.link_of
            )
            async with (
                open_channels(network.host, devices, doorkeeper, known=book.known) as channels,
                trio.open_nursery() as nursery,
            ):
                # People.
                messenger = Messenger(channels)
                quotas = NoteQuotas(now=_now)
                people = Contacts(
                    store,
                    codes,
                    book,
                    locator,
                    own_card,
                    doorkeeper,
                    quotas,
                    messenger,
                    hub,
                    writes,
                    now=_now,
                    hints=network.bootstraps.add,
                )
                own_devices = Devices(
                    own,
                    devices,
                    people,
                    messenger,
                    hub,
                    store,
                    nursery,
                    now=_now,
                    published=network.rendezvous.renew,
                )
                places = MeetingPlaces(network.host, network.bootstraps)
                transport = PeerTransport(
                    channels,
                    network.rendezvous,
                    book,
                    locator,
                    devices,
                    alone=lambda: not network.bootstraps.connected and not network.host.dht_peers(),
                    joined=reachable,
                )

                # Calls, and where they are written down.
                history = History(store, writes, name_of=book.name_of, code_of=codes.label_of)
                receipts = ReceiptCollector(
                    history, partial(ask_receipts, network.host, network.bootstraps)
                )
                media = NodeMediaSetup(
                    config,
                    turn=network.turn,
                    relay_only=network.exposure.relay_only,
                    open_media=surroundings.open_media,
                )
                caller = CallRunner(
                    NodeCalls(own.identity, at_once=config.calls_at_once or CALLS_OF_A_PROGRAM),
                    CallRouter(transport, GuestTransport(admitted)),
                    media,
                    NodeLedger(
                        store,
                        book,
                        doorkeeper,
                        quotas,
                        people.delivery,
                        history,
                        receipts,
                        now=_now,
                    ),
                    hub,
                    nursery,
                    ending=lambda: block.ending,
                )

                # Guests; their links lead into calls, or into rooms.
                guests = Guests(
                    store,
                    network,
                    hub,
                    caller,
                    admitted,
                    lend=network.lend_turn,
                    now=_now,
                    card=lambda: own_card.seen_by(None),
                    wish=lambda: CallOptions(endpoint=media.page_endpoint()),
                )
                rooms = Rooms(
                    network.rooms.of,
                    RoomContacts(transport, messenger, book, locator, doorkeeper, codes),
                    media,
                    store,
                    hub,
                    guests,
                    book=Acquaintances(book, own_card, own.keys),
                    where=network.ways_here,
                    device=network.peer_id,
                    lend=network.lend_turn,
                )

                node = Node(
                    config,
                    store,
                    network,
                    hub,
                    channels=channels,
                    intake=ChannelIntake(channels, people, caller, rooms, own_devices, hub),
                    transport=transport,
                    people=people,
                    devices=own_devices,
                    links=DeviceLinks(
                        places,
                        own_devices,
                        contacts_secret=lambda: codes.contacts_audience().secret,
                    ),
                    spoken=SpokenCodes(places, people),
                    history=history,
                    receipts=receipts,
                    media=media,
                    caller=caller,
                    guests=guests,
                    rooms=rooms,
                    account=NodeAccount(purse, network.bootstraps),
                    preferences=Preferences(store, network, caller.calls, rooms),
                    doctor=Doctor(network, media, writes, reachable),
                    reachable=reachable,
                    stop=block.end,
                )
                yield node, nursery


def _now() -> int:
    return int(time.time())
