"""A running node: what a program, a command or the app can do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.history import History
from onmeet_node.calls.media_setup import NodeMediaSetup
from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.receipts import ReceiptCollector
from onmeet_node.calls.runner import CallRunner
from onmeet_node.config import Config
from onmeet_node.contacts.contacts import Contacts
from onmeet_node.contacts.delivery import run_delivery
from onmeet_node.contacts.devices import Devices
from onmeet_node.contacts.linking import DeviceLinks
from onmeet_node.contacts.reach import PeerTransport
from onmeet_node.contacts.spoken import SpokenCodes
from onmeet_node.errors import OnMeetError
from onmeet_node.events import Hub, NodeEvent, Reachable, Started
from onmeet_node.findings import Finding
from onmeet_node.guests.guests import Guests
from onmeet_node.media.endpoint import MediaEndpoint
from onmeet_node.media.kinds import require_kinds
from onmeet_node.net.channels.channels import Channels
from onmeet_node.net.libp2p.open_host import HostStats
from onmeet_node.node.account import NodeAccount
from onmeet_node.node.doctor import Doctor
from onmeet_node.node.intake import ChannelIntake
from onmeet_node.node.network import Change, Network, OpenDoor
from onmeet_node.node.settings import Preferences
from onmeet_node.node.turn_renewal import renew_turn
from onmeet_node.node.views import CallView, CallWithMedia, NodeSettings, NodeStatus
from onmeet_node.process import faults
from onmeet_node.process.async_blocks import async_block
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.code import ContactCode
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.rooms.rooms import Rooms
from onmeet_node.store import ContactState, Passphrase, Store, export_home

IDENTITY_BYTES = 32


class NoSuchCall(OnMeetError):
    """There is no such call now."""


class Node:
    """A running node. Made by `open_node`; everything ends with its block."""

    def __init__(
        self,
        config: Config,
        store: Store,
        network: Network,
        hub: Hub[NodeEvent],
        *,
        channels: Channels,
        intake: ChannelIntake,
        transport: PeerTransport,
        people: Contacts,
        devices: Devices,
        links: DeviceLinks,
        spoken: SpokenCodes,
        history: History,
        receipts: ReceiptCollector,
        media: NodeMediaSetup,
        caller: CallRunner,
        guests: Guests,
        rooms: Rooms,
        account: NodeAccount,
        preferences: Preferences,
        doctor: Doctor,
        reachable: trio.Event,
        stop: Callable[[], None],
    ) -> None:
        self.config = config
        self.stop = stop
        """Ends the node as if its block were left."""
        self.people = people
        self.contacts = people
        self.devices = devices
        self.device_links = links
        self.spoken = spoken
        self.history = history
        self.hub = hub
        self.reachable = reachable
        """Set when a record is published, and a reader elsewhere could resolve it."""
        self.started = Started(peer_id=network.peer_id, addresses=network.addresses)
        self.calls = caller.calls
        self.guests = guests
        self.rooms = rooms
        self.account = account
        self._store = store
        self._network = network
        self._channels = channels
        self._intake = intake
        self._transport = transport
        self._receipts = receipts
        self._media = media
        self._caller = caller
        self._preferences = preferences
        self._doctor = doctor

    def __repr__(self) -> str:
        return f"<Node {self.identity.hex()[:8]}>"

    @property
    def identity(self) -> Identity:
        """Who this node is: 32 bytes, an Ed25519 public key."""
        return self.devices.own.identity

    async def run(self) -> None:
        """Everything the node does by itself, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._network.run, self.people.audiences, self._moved)

            def begin(service: str, serve: Callable[..., Awaitable[object]], *args: object) -> None:
                nursery.start_soon(faults.kept, service, serve, *args)

            begin("media engine", self._media.run)
            begin("call timers", self._caller.run_timers)
            begin("channels", self._intake.run)
            begin("guests", self.guests.run)
            begin("history", self.history.run)
            begin("receipts", self._receipts.run)
            begin("people", self.people.run)
            nursery.start_soon(faults.kept, "devices", self.devices.run, self._transport.find_own)
            begin("rooms", self.rooms.run)
            begin("account", self.account.run)
            begin("TURN renewal", renew_turn, self._network.turn, self._all_calls)
            await self._network.rendezvous.published.wait()
            self.reachable.set()
            self.hub.publish(Reachable())
            self._media.prepare()
            await faults.kept("duties", run_delivery, self.people.delivery, self.deliver)

    def _all_calls(self) -> tuple[Call, ...]:
        return (*self.calls, *self.rooms.calls())

    def _moved(self, change: Change) -> None:
        if change.addresses or change.slept:
            self._caller.network_changed()
            self.people.delivery.look_again()

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
    @async_block
    async def call(
        self,
        who: str | Identity | ContactCode,
        *,
        kinds: frozenset[Kind] = frozenset(Kind),
        wish: CallOptions | None = None,
    ) -> AsyncIterator[Call]:
        """Calls somebody; leaving the block hangs up.

        `who`: a name, the start of an identity, a code as text, an identity, or a `ContactCode`.
        Raises `NoSuchPerson`, `Ambiguous` or what is wrong with the code, `MediaError` where what
        the call shall send or keep cannot be, TypeError and ValueError where the arguments are no
        such things; then nobody was rung. Whatever happens after that is told by the call's events.
        """
        if not (kinds := require_kinds(kinds)):
            raise ValueError("kinds is empty: a call has sound, a picture, or both.")
        match who:
            case str():
                peer = self.people.who(who)
            case ContactCode():
                peer = self.people.meet(who)
            case bytes() if len(who) == IDENTITY_BYTES:
                peer = Identity(who)
            case bytes():
                raise ValueError(f"An identity has {IDENTITY_BYTES} bytes, not {len(who)}.")
            case _:
                raise TypeError(f"who must be a text, an identity or a ContactCode, not {who!r}.")
        wish = wish or CallOptions()
        await self._media.check(wish, kinds)
        async with self._caller.dial(peer, kinds, wish) as call:
            yield call

    async def check_media(self, kinds: frozenset[Kind], wish: CallOptions | None = None) -> None:
        """Whether a call with these kinds could be, before it is taken or a room is entered.

        Raises `MediaError` if what it shall send or keep cannot be.
        """
        await self._media.check(wish or CallOptions(), require_kinds(kinds))

    @async_block
    async def incoming(self) -> AsyncIterator[trio.MemoryReceiveChannel[Call]]:
        """Calls that come in, while the block runs: somebody is there to notice, so they ring."""
        with self.calls.ringer() as ringer:
            await trio.lowlevel.checkpoint()
            yield ringer

    def use_app(self, endpoint: Callable[[], MediaEndpoint | None]) -> None:
        """Prepares calls in a page of the app while `endpoint` gives one: see `NodeMediaSetup`."""
        self._media.use_app(endpoint)

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

    def describe_call(self, call: Call) -> CallView:
        """A call as it is now."""
        return CallView(
            call=call.id,
            with_=self.people.name_of(call.peer),
            identity=call.peer,
            outgoing=call.outgoing,
            state=call.state,
            ring=call.ring,
            reason=call.reason,
            path=call.path,
            sas=call.sas,
            doubt=call.string.doubt,
            compared=call.string.ours,
            peer_compared=call.string.theirs,
        )

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
    def status(self) -> NodeStatus:
        """What the node is doing; its calls without the counters of their media."""
        return self._status(CallWithMedia.of(self.describe_call(call)) for call in self.calls)

    async def status_with_media(self) -> NodeStatus:
        """What the node is doing, with the counters of each call's media."""
        calls = [(self.describe_call(call), call) for call in self.calls]
        return self._status(
            [CallWithMedia.of(shown, await call.counters()) for shown, call in calls]
        )

    def _status(self, calls: Iterable[CallWithMedia]) -> NodeStatus:
        people = self.people.counts()
        return NodeStatus(
            identity=self.identity,
            peer_id=self._network.peer_id,
            reachable=self.reachable.is_set(),
            addresses=self._network.addresses,
            bootstraps=len(self._network.bootstraps.connected),
            dht_peers=len(self._network.host.dht_peers()),
            channels=self._intake.open,
            contacts=people.get(ContactState.ACCEPTED, 0),
            requests=people.get(ContactState.REQUESTED_BY_THEM, 0),
            calls=tuple(calls),
            faults=faults.counts(),
        )

    async def examine(self) -> list[Finding]:
        """What works from here and what does not, with remedies (``onmeet doctor``)."""
        return await self._doctor.examine()

    def settings(self) -> NodeSettings:
        """What the person chose for this node."""
        return self._preferences.all()

    def change_settings(
        self,
        *,
        relay_only: bool | None = None,
        region: str | None = None,
        add_bootstrap: str | None = None,
        remove_bootstrap: str | None = None,
    ) -> NodeSettings:
        """Changes what is given and returns all of it: see `Preferences.change`."""
        return self._preferences.change(
            relay_only=relay_only,
            region=region,
            add_bootstrap=add_bootstrap,
            remove_bootstrap=remove_bootstrap,
        )

    async def export(self, path: Path, passphrase: str) -> None:
        """Writes everything this home holds to one encrypted file, for ``onmeet import``."""
        # In this thread, because the database belongs to it; Argon2id takes a fraction of a second.
        export_home(self._store, path, Passphrase(passphrase))
        await trio.lowlevel.checkpoint()
