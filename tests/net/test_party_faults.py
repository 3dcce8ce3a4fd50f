"""Where a party's fault stops (ARCHITECTURE has the table): an exception that nobody expected ends
what served one party, and the others' goes on."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import trio
import trio.testing
from libp2p.kad_dht.pb.kademlia_pb2 import Message
from libp2p.peer.id import ID

from onmeet_node.net.bootstraps import receipts
from onmeet_node.net.bootstraps.bootstraps import Bootstraps, BootstrapState
from onmeet_node.net.bootstraps.reachability import Reachability, ReachabilityProbe
from onmeet_node.net.bootstraps.turn import TurnServers
from onmeet_node.net.channels.channel import End
from onmeet_node.net.channels.channels import ChannelGone, ChannelOpened
from onmeet_node.net.errors import (
    JoinFailed,
    NetError,
    PeerUnreachable,
    RelayUnavailable,
    StreamRefused,
)
from onmeet_node.net.lan import Lan
from onmeet_node.net.libp2p.health import _Watch
from onmeet_node.net.libp2p.open_host import open_host
from onmeet_node.net.libp2p.patches import KAD_PROTOCOL
from onmeet_node.net.portmap.mapper import Opened, PortMapper
from onmeet_node.net.presence.rendezvous import Rendezvous
from onmeet_node.net.relay.client import RelayClient
from onmeet_node.process import faults
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.person_keys import HeldKeys
from onmeet_node.protocol.wire.bootstrap_api import TurnCredentials
from tests.fakes.hosts import ECHO, config, echo, pair, until
from tests.fakes.raw_peer import asking, attack
from tests.fakes.sealed import ALICE, BOB
from tests.net.test_channels import note, world


class Unforeseen(Exception):
    """What nobody expected."""


@pytest.fixture
def counted() -> dict[str, int]:
    """How many faults of each kind there were since the test began."""
    before = faults.counts()

    class Since(dict):
        def __missing__(self, party: str) -> int:
            return faults.counts().get(party, 0) - before.get(party, 0)

    return Since()


async def refused() -> None:
    await trio.lowlevel.checkpoint()
    raise RelayUnavailable("it lends nothing")


async def silent() -> None:
    await trio.sleep_forever()


def peers(count: int) -> list[str]:
    return [str(ID(b"\x00\x24\x08\x01\x12\x20" + bytes([n]) * 32)) for n in range(count)]


async def unforeseen(*_: object, **__: object) -> None:
    raise Unforeseen


class TestChannels:
    async def test_what_one_persons_messages_raise_ends_that_channel(self, autojump_clock, counted):
        async with world() as here:
            alice = await here.person("Alice", ALICE)
            bob = await here.person("Bob", BOB)
            carol = await here.person("Carol", IdentityKey(b"c" * 32))
            await bob.open(alice)
            await carol.open(alice)
            await trio.sleep(1)
            alice.channel(bob)._take = unforeseen
            bob.send(alice, note(1))
            carol.send(alice, note(2))
            await trio.sleep(1)
            carol.send(alice, note(3))
            await trio.sleep(1)
            assert alice.messages() == [note(2), note(3)]
            (gone,) = [event for event in alice.told if isinstance(event, ChannelGone)]
            assert (gone.identity, gone.end) == (bob.identity, End.FAULT)
            assert counted["channel"] == 1
            # And the two may speak again.
            await trio.sleep(60)
            await bob.open(alice)
            bob.send(alice, note(4))
            await trio.sleep(1)
            assert alice.messages()[-1] == note(4)

    async def test_a_fault_while_two_channels_become_one_ends_both(self, autojump_clock, counted):
        async with world() as here:
            alice = await here.person("Alice", ALICE)
            bob = await here.person("Bob", BOB)
            await bob.open(alice)
            await trio.sleep(1)
            alice.channel(bob).flush = bob.channel(alice).flush = unforeseen
            alice.book.move(bob.device)
            bob.book.move(alice.device)
            await trio.sleep(5)
            assert counted["channel"] > 0
            assert all(not line.channels for line in alice.book._lines.values())
            await alice.open(bob)
            assert [type(event) for event in bob.told if isinstance(event, ChannelOpened)]


class FakeHost:
    """A host whose every question to one peer raises what nobody expected."""

    def __init__(self, bad: str = "") -> None:
        self.bad = bad
        self.peer_id = "me"
        self.addresses: tuple[str, ...] = ()
        self.listening = ("/ip4/0.0.0.0/tcp/1",)
        self.asked: list[str] = []
        self.left: list[str] = []

    def _meet(self, peer: str) -> None:
        self.asked.append(peer)
        if peer == self.bad:
            raise Unforeseen

    async def connect(self, addresses) -> str:
        await trio.lowlevel.checkpoint()
        peer = addresses[0].rpartition("/")[2]
        self._meet(peer)
        raise PeerUnreachable(peer, ["nobody is there"])

    async def join(self, addresses) -> tuple[str, ...]:
        await self.connect(addresses)
        return ()

    async def open_stream(self, peer: str, protocol: str):
        await trio.lowlevel.checkpoint()
        self._meet(peer)
        raise PeerUnreachable(peer, ["nobody is there"])

    async def disconnect(self, peer: str) -> None:
        self.left.append(peer)

    def connected(self, peer: str) -> bool:
        return False

    def handle(self, protocol: str, handler, *, limit: int = 0) -> None:
        pass


def at(peer: str) -> str:
    return f"/ip4/192.168.0.9/tcp/1/p2p/{peer}"


def knowing(*known: str, services: tuple[str, ...] = ("turn",)) -> SimpleNamespace:
    each = [
        SimpleNamespace(
            peer=peer,
            standing=BootstrapState.CONNECTED,
            description=SimpleNamespace(services=services, operator="x", region="de", tokens=None),
            problem="",
        )
        for peer in known
    ]
    return SimpleNamespace(
        known=each,
        connected=tuple(known),
        changed=trio.Event(),
        on_change=lambda _: lambda: None,
    )


class TestBootstraps:
    async def test_one_bootstraps_fault_leaves_the_others_tried(self, autojump_clock, counted):
        bad, good = peers(2)
        host = FakeHost(bad)
        bootstraps = Bootstraps(host, [at(bad), at(good)])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bootstraps.run)
            await trio.sleep(100)
            assert host.asked.count(good) > 3
            told = {known.peer: known.problem for known in bootstraps.known}
            assert "went wrong" in told[bad]
            await trio.sleep(300)
            assert host.asked.count(bad) == counted["bootstrap"] == 2  # it has another chance
            nursery.cancel_scope.cancel()

    async def test_one_lenders_fault_keeps_no_call_waiting(self, autojump_clock, counted):
        bad, good = peers(2)
        host = FakeHost(bad)
        turn = TurnServers(host, knowing(bad, good))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turn.run)
            with trio.fail_after(30):
                await turn.ready()
            await trio.sleep(50)
            assert host.asked.count(good) > 2
            assert counted["TURN lender"] == 1
            nursery.cancel_scope.cancel()

    @pytest.mark.parametrize("how", [unforeseen, refused, silent])
    async def test_a_guest_is_lent_by_the_next_where_the_nearest_fails(
        self, how, autojump_clock, counted, monkeypatch
    ):
        bad, good = peers(2)
        given = TurnCredentials(urls=("turn:good:3478",), username="u", credential="c", ttl=60)

        async def lent(_self: TurnServers, peer: str, _asked: object) -> TurnCredentials:
            if peer == bad:
                await how()
            return given

        monkeypatch.setattr(TurnServers, "_lent", lent)
        servers = await TurnServers(FakeHost(bad), knowing(bad, good)).borrow()
        assert [server.url for server in servers] == list(given.urls)
        monkeypatch.setattr(TurnServers, "_lent", lambda *_: how())
        if how is unforeseen:
            assert await TurnServers(FakeHost(bad), knowing(bad)).borrow() == ()
        else:
            with pytest.raises((NetError, trio.TooSlowError)):
                await TurnServers(FakeHost(bad), knowing(bad)).borrow()

    async def test_one_that_fails_while_asked_how_we_are_reached(self, autojump_clock, counted):
        bad, good = peers(2)
        host = FakeHost(bad)
        outside = ReachabilityProbe(host, knowing(bad, good))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outside.run)
            await trio.sleep(200)
            assert host.asked.count(good) > 2
            assert counted["bootstrap"] > 2
            nursery.cancel_scope.cancel()

    async def test_one_that_fails_gives_no_receipt_and_the_others_answer(self, counted):
        bad, good = peers(2)
        told = await receipts.ask_receipts(FakeHost(bad), knowing(bad, good))
        assert {each.peer for each in told} == {bad, good}
        assert all(each.missing for each in told)
        assert counted["bootstrap"] == 1

    async def test_a_relays_fault_is_tried_again(self, autojump_clock, counted):
        bad, _ = peers(2)
        host = FakeHost(bad)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(RelayClient(host).keep, [at(bad)])
            await trio.sleep(150)
            assert len(host.asked) == counted["relay"] == 3
            nursery.cancel_scope.cancel()


class TestNetwork:
    async def test_one_node_of_the_network_fails_and_the_next_is_met(self, autojump_clock, counted):
        bad, good = peers(2)
        host = FakeHost(bad)
        lan = Lan(host)
        lan._nodes.update({bad: (at(bad),), good: (at(good),)})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lan._retry)
            await trio.sleep(12)
            assert good in host.asked
            assert counted["node of this network"] > 0
            nursery.cancel_scope.cancel()

    async def test_names_that_are_made_up_push_out_no_node_that_is_connected(self):
        host = FakeHost()
        honest, *others = peers(200)
        host.connected = lambda peer: peer == honest
        lan = Lan(host)
        for peer in (honest, *others):
            lan._nodes[peer] = (at(peer),)
            if len(lan._nodes) > 64:
                lan._give_way()
        assert honest in lan.nodes
        assert len(lan.nodes) == 64

    async def test_a_routers_fault_is_tried_again(self, autojump_clock, counted):
        async def way(port: int) -> Opened:
            raise Unforeseen

        outside = SimpleNamespace(
            reachability=Reachability.PRIVATE, changed=trio.Event(), mapped=(), refresh=print
        )
        ports = PortMapper(FakeHost(), outside, ways=(way,))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ports.run)
            await trio.testing.wait_all_tasks_blocked()
            ports.refresh()
            await trio.testing.wait_all_tasks_blocked()
            assert counted["router"] == 2
            nursery.cancel_scope.cancel()

    async def test_a_record_that_raises_keeps_no_neighbour_from_being_read(self, counted):
        asked = []

        class Records:
            async def put(self, key: str, value: bytes) -> int:
                return 0

            async def get(self, key: str) -> bytes | None:
                asked.append(key)
                if len(asked) == 1:
                    raise Unforeseen
                return None

        found = await Rendezvous(Records(), HeldKeys(ALICE)).resolve(
            Identity(BOB.public), b"s" * 16
        )
        assert found == ()
        assert len(asked) == 3
        assert counted["DHT record"] == 1

    async def test_a_connection_that_raises_when_looked_at_is_dropped_alone(self, counted):
        class Bad:
            @property
            def muxed_conn(self) -> None:
                raise Unforeseen

        good = SimpleNamespace(muxed_conn=None, is_closed=False)
        bad = Bad()
        watch = _Watch(SimpleNamespace(get_connections=lambda: [bad, good]), 8.0)
        assert watch.look() == [bad]
        assert counted["libp2p connection"] == 1


@pytest.mark.real
class TestStreams:
    async def test_a_handlers_fault_with_one_peer_leaves_anothers_exchange(self, counted):
        with trio.fail_after(60):
            async with pair() as (server, honest), open_host(config()) as other:

                async def serve(stream) -> None:
                    if stream.peer_id == other.peer_id:
                        raise Unforeseen
                    await echo(stream)

                server.handle(ECHO, serve)
                steady = await honest.open_stream(server.peer_id, ECHO)
                await steady.send_all(b"one")
                assert await steady.receive_some() == b"one"
                await other.connect(server.addresses)
                # The reset may overtake the answer that opens the stream.
                with pytest.raises((trio.BrokenResourceError, StreamRefused)):
                    await (await other.open_stream(server.peer_id, ECHO)).receive_some()
                await steady.send_all(b"two")
                assert await steady.receive_some() == b"two"
                assert counted["libp2p stream"] == 1

    async def test_nobody_waits_for_ever_on_a_peer_without_addresses(self):
        with trio.fail_after(60):
            async with pair() as (server, _), open_host(config()) as other:
                peer = server.peer_id
                with pytest.raises(PeerUnreachable, match="no address"):
                    await other._dialer.connect(peer, [])
                await other.connect(server.addresses)
                assert other.connected(peer)

    async def test_strangers_without_number_are_not_remembered_for_ever(self):
        with trio.fail_after(60):
            async with pair() as (server, client):
                store = server.raw.get_network().peerstore
                store.add_protocols(ID.from_string(client.peer_id), ["/real/1"])
                for number in range(3000):
                    stranger = ID(b"\x00\x24\x08\x01\x12\x20" + number.to_bytes(32, "big"))
                    store.add_protocols(stranger, ["/made-up/1"])
                server._upkeep.forget_now()
                assert len(store.peer_data_map) < 1100
                assert ID.from_string(client.peer_id) in store.peer_data_map

    async def test_joining_ends_whatever_the_library_raises(self):
        with trio.fail_after(60):
            async with pair() as (server, client):
                client._membership._kad = SimpleNamespace(
                    routing_table=SimpleNamespace(add_peer=unforeseen)
                )
                with pytest.raises(JoinFailed):
                    await client.join(server.addresses)


QUESTION = Message.MessageType


@pytest.mark.real
@pytest.mark.parametrize(
    "kind", [QUESTION.ADD_PROVIDER, QUESTION.GET_PROVIDERS, QUESTION.PING, 77], ids=str
)
async def test_a_dht_server_answers_no_question_that_the_protocol_does_not_name(kind: int):
    with trio.fail_after(60):
        async with pair() as (server, client):
            me = ID.from_string(client.peer_id).to_bytes()
            asked = Message(type=QUESTION.ADD_PROVIDER, key=b"\x12\x20" + bytes(32))
            asked.providerPeers.add(id=me, addrs=[b"\x04\x7f\x00\x00\x01\x06\x00\x50"])
            data = asked.SerializeToString()
            assert data[:2] == bytes([8, QUESTION.ADD_PROVIDER])
            data = bytes([8, kind]) + data[2:]
            stream = await client.open_stream(server.peer_id, str(KAD_PROTOCOL))
            await stream.send_all(bytes([len(data)]) + data)
            with pytest.raises(trio.BrokenResourceError):
                while await stream.receive_some():
                    pass
            assert not server._kad.provider_store.providers
            assert client.connected(server.peer_id)


@pytest.mark.real
async def test_silent_streams_of_one_network_take_no_place_in_the_dht_from_others():
    opened = b"".join(asking(str(KAD_PROTOCOL), b"", n)[:-12] for n in range(1, 201, 2))
    with trio.fail_after(60):
        async with pair() as (server, honest), trio.open_nursery() as nursery:
            port = int(server.addresses[0].split("/")[4])
            flood = partial(attack, address="127.0.0.9", hold=True)
            nursery.start_soon(flood, port, server.peer_id, "yamux", opened)
            await until(lambda: server.stats().streams >= 60, 30)
            for _ in range(5):
                stream = await honest.open_stream(server.peer_id, str(KAD_PROTOCOL))
                data = Message(type=QUESTION.FIND_NODE, key=b"k" * 40).SerializeToString()
                await stream.send_all(bytes([len(data)]) + data)
                assert await stream.receive_some(1)
                await stream.aclose()
            nursery.cancel_scope.cancel()


@pytest.mark.real
async def test_a_dht_server_answers_those_that_it_names_in_a_row():
    with trio.fail_after(60):
        async with pair() as (server, client):
            stream = await client.open_stream(server.peer_id, str(KAD_PROTOCOL))
            for _ in range(3):
                data = Message(type=QUESTION.FIND_NODE, key=b"k" * 40).SerializeToString()
                await stream.send_all(bytes([len(data)]) + data)
                assert await stream.receive_some(1)
