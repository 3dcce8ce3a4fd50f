"""The node's side of bootstraps: entering, checking, failing over; against real ones and liars."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.protocol_muxer.exceptions import MultiselectError
from nacl.signing import SigningKey
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import BootstrapConfig, ephemeral_config

from onmeet_node.net.bootstraps.bootstraps import (
    MAX_HINTED,
    Bootstraps,
    BootstrapState,
    KnownBootstrap,
)
from onmeet_node.net.bootstraps.doors import HostDoors
from onmeet_node.net.bootstraps.requests import ask
from onmeet_node.net.errors import BadMultiaddr, BootstrapRefused, RelayUnavailable
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.relay.client import RelayClient
from onmeet_node.net.relay.reservations import keep_reservations
from onmeet_node.protocol.wire.bootstrap_api import (
    PROTOCOL,
    Describe,
    Description,
    Refused,
    SignedDescription,
    encode_answer,
    sign_description,
)
from onmeet_node.protocol.wire.frames import encode_frame
from tests.fakes.relay_world import LOCAL

pytestmark = pytest.mark.real

SEED = bytes(range(32))


async def until(known: Bootstraps, condition: Callable[[], bool]) -> None:
    """Waits for `condition`, which only a change of `known` can make true."""
    with trio.fail_after(20):
        while not condition():
            changed = trio.Event()
            stop = known.on_change(changed.set)
            await changed.wait()
            stop()


@asynccontextmanager
async def node(
    addresses, *, region: str | None = None, relays: bool = False, wall_clock=time.time
) -> AsyncIterator[tuple[Host, Bootstraps, RelayClient]]:
    async with open_host(HostConfig(listen=())) as host:
        client = RelayClient(host)
        known = Bootstraps(
            host,
            addresses,
            region=region,
            wall_clock=wall_clock,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(known.run)
            if relays:
                nursery.start_soon(keep_reservations, known, client)
            with trio.fail_after(40):
                yield host, known, client
            nursery.cancel_scope.cancel()


def only(known: Bootstraps) -> KnownBootstrap:
    (one,) = known.known
    return one


async def test_a_node_enters_the_dht_by_a_bootstrap_of_its_region():
    config = attrs.evolve(ephemeral_config(), region="ca", operator="Club")
    async with (
        open_bootstrap(config) as bootstrap,
        node(bootstrap.addresses, region="ca") as (host, known, _),
    ):
        await known.wait_connected()
        assert known.connected == (bootstrap.peer_id,)
        assert host.dht_peers() == (bootstrap.peer_id,)
        description = only(known).description
        assert description is not None
        assert description.operator == "Club"
        assert known.addresses == bootstrap.addresses[:1]


@pytest.mark.parametrize(
    ("theirs", "says"), [("de", "in Germany, and you allow Canada only"), ("", "neither Canada")]
)
async def test_a_bootstrap_of_another_region_is_refused_when_one_is_pinned(theirs: str, says: str):
    config = attrs.evolve(ephemeral_config(), region=theirs)
    async with (
        open_bootstrap(config) as bootstrap,
        node(bootstrap.addresses, region="ca") as (host, known, _),
    ):
        await until(known, lambda: only(known).standing is BootstrapState.REFUSED)
        assert says in only(known).problem
        assert host.dht_peers() == ()
        await host.wait_disconnected(bootstrap.peer_id)


@asynccontextmanager
async def liar(answer: Callable[[str], bytes]) -> AsyncIterator[Host]:
    """A host that answers every question of the bootstrap protocol with `answer(PeerId)`."""
    async with open_host(HostConfig(listen=LOCAL, server=True, seed=SEED)) as host:

        async def serve(stream) -> None:
            await stream.receive_some()
            await stream.send_all(answer(host.peer_id))
            await stream.send_eof()

        host.handle(PROTOCOL, serve)
        yield host


def signed(seed: bytes = SEED, **changes) -> SignedDescription:
    now = int(time.time())
    fields = {"services": ("dht",), "issued": now, "not_after": now + 3600, "region": "ca"}
    return sign_description(
        Description(**{**fields, **changes}), lambda text: SigningKey(seed).sign(text).signature
    )


def framed(answer) -> bytes:
    return encode_frame(encode_answer(answer))


_NOW = int(time.time())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (framed(signed(bytes(32))), "not signed with the key"),
        (framed(attrs.evolve(signed(), signature=bytes(64))), "not signed"),
        (framed(attrs.evolve(signed(), body=b"other bytes")), "not signed"),
        (framed(signed(issued=_NOW - 7200, not_after=_NOW - 60)), "expired"),
        (framed(signed(issued=_NOW + 7200, not_after=_NOW + 9000)), "in the future"),
        (framed(signed(region="de")), "Germany"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak our protocol"),
        (encode_frame(b"\xc1"), "does not speak our protocol"),
        (encode_frame(b"\x81\xa1t\xa5other"), "does not say what it was asked"),
    ],
)
async def test_a_false_description_is_refused_with_its_reason(answer: bytes, says: str):
    async with (
        liar(lambda _: answer) as host,
        node(host.addresses, region="ca") as (own, known, _),
    ):
        await until(known, lambda: only(known).standing is BootstrapState.REFUSED)
        assert says in only(known).problem
        assert own.dht_peers() == ()


async def test_a_bootstrap_that_is_too_busy_is_tried_again():
    answers = [framed(Refused("busy")), framed(signed())]
    async with (
        liar(lambda _: answers.pop(0) if len(answers) > 1 else answers[0]) as host,
        node(host.addresses) as (_own, known, _),
    ):
        await until(known, lambda: "come back later" in only(known).problem)
        await known.wait_connected()
        assert only(known).problem == ""


async def test_a_bootstrap_that_closes_the_question_is_tried_again_soon():
    answers = [b"", framed(signed())]
    async with (
        liar(lambda _: answers.pop(0) if len(answers) > 1 else answers[0]) as host,
        node(host.addresses) as (_own, known, _),
    ):
        await known.wait_connected()
        assert only(known).problem == ""


async def test_a_bootstrap_that_opens_no_stream_just_now_is_not_said_to_be_none(
    monkeypatch: pytest.MonkeyPatch,
):
    async with (
        open_host(HostConfig(listen=LOCAL)) as other,
        open_host(HostConfig(listen=())) as own,
    ):
        peer = await own.connect(other.addresses)
        doors = HostDoors(own)

        async def no_time(*_args, **_named):
            raise MultiselectError

        for busy, error, told in (
            (False, BootstrapRefused, ("lets no guests in", "no On-Meet bootstrap")),
            (True, RelayUnavailable, ("opened no stream", "opened no stream")),
        ):
            if busy:
                monkeypatch.setattr(other.raw.multiselect, "negotiate", no_time)
            with trio.fail_after(60):
                with pytest.raises(error, match=told[0]):
                    async with doors.open(peer, bytes(16)):
                        pass
                with pytest.raises(error, match=told[1]):
                    await ask(own, peer, Describe(), SignedDescription)


@pytest.mark.parametrize(
    ("off", "standing", "says"),
    [
        (86_400, BootstrapState.REFUSED, "clock is 24 hours ahead"),
        (11 * 60 + 60, BootstrapState.CONNECTED, "clock is 11 minutes ahead"),
        (-5 * 60, BootstrapState.CONNECTED, "clock is 5 minutes behind"),
        (-20 * 60, BootstrapState.REFUSED, "clock is 20 minutes behind"),
        (30, BootstrapState.CONNECTED, ""),
        (-30, BootstrapState.CONNECTED, ""),
    ],
)
async def test_a_wrong_clock_is_told_as_such(off: int, standing: BootstrapState, says: str):
    async with (
        open_bootstrap(ephemeral_config()) as bootstrap,
        node(bootstrap.addresses, wall_clock=lambda: time.time() + off) as (_, known, _client),
    ):
        await until(known, lambda: only(known).standing is standing)
        assert says in known.clock_problem
        assert bool(says) == bool(known.clock_problem)
        if standing is BootstrapState.REFUSED:
            assert says in only(known).problem


async def test_one_dead_bootstrap_of_three_changes_nothing():
    async with (
        open_bootstrap(ephemeral_config()) as one,
        open_bootstrap(ephemeral_config()) as two,
    ):
        async with open_bootstrap(ephemeral_config()) as gone:
            dead = gone.addresses
        async with node([*dead, *one.addresses, *two.addresses]) as (host, known, _):
            await until(known, lambda: len(known.connected) == 2)
            assert set(known.connected) == {one.peer_id, two.peer_id}
            assert set(host.dht_peers()) == {one.peer_id, two.peer_id}
            assert known.known[-1].peer == gone.peer_id
            await until(known, lambda: known.known[-1].problem != "")


async def test_a_node_comes_back_to_a_bootstrap_that_restarts():
    config = ephemeral_config()
    async with open_bootstrap(config) as first:
        addresses = first.addresses
    again = attrs.evolve(config, listen=(addresses[0].partition("/p2p/")[0],))
    async with node(addresses, relays=True) as (_, known, client):
        for _ in range(2):
            async with open_bootstrap(again):
                await known.wait_connected()
                await until_reserved(client, 1)
            await until(known, lambda: known.connected == ())
            assert "lost" in only(known).problem or only(known).problem


async def until_reserved(client: RelayClient, count: int, *, without: str = "") -> None:
    def there() -> bool:
        return len(client.relays) == count and without not in client.relays

    with trio.fail_after(20):
        while not there():
            changed = trio.Event()
            stop = client.on_change(changed.set)
            await changed.wait()
            stop()


async def test_two_reservations_are_held_and_a_lost_relay_is_replaced():
    async with (
        open_bootstrap(ephemeral_config()) as one,
        open_bootstrap(ephemeral_config()) as two,
        open_bootstrap(ephemeral_config()) as three,
    ):
        addresses = [*one.addresses, *two.addresses, *three.addresses]
        async with node(addresses, relays=True) as (host, known, client):
            await until(known, lambda: len(known.connected) == 3)
            await until_reserved(client, 2)
            assert len(client.addresses) == 2
            lost = client.relays[0]
            # It answers no more, as if it had died.
            dying = {each.peer_id: each for each in (one, two, three)}[lost]
            dying._host.handle(PROTOCOL, _never)
            await host.disconnect(lost)
            await until(known, lambda: lost not in known.connected)
            await until_reserved(client, 2, without=lost)


async def _never(stream) -> None:
    stream.abort()


async def test_a_bootstrap_without_relay_gets_no_reservation():
    async with (
        liar(lambda _: framed(signed(services=("dht",)))) as host,
        open_bootstrap(ephemeral_config()) as relay,
        node([*host.addresses, *relay.addresses], relays=True) as (_, known, client),
    ):
        await until(known, lambda: len(known.connected) == 2)
        await until_reserved(client, 1)
        assert client.relays == (relay.peer_id,)


async def test_an_address_without_a_peer_is_refused_at_once():
    with trio.fail_after(10):
        async with open_host(HostConfig(listen=())) as host:
            with pytest.raises(BadMultiaddr, match="/p2p/"):
                Bootstraps(host, ["/ip4/127.0.0.1/tcp/4001"])


def test_the_configuration_of_a_bootstrap_lists_no_third_region():
    with pytest.raises(ValueError, match="region"):
        BootstrapConfig(region="fr")


async def test_a_bootstrap_hinted_at_while_the_node_runs_is_used():
    async with (
        open_bootstrap(ephemeral_config()) as own,
        open_bootstrap(ephemeral_config()) as theirs,
        node(own.addresses) as (host, known, _),
    ):
        await known.wait_connected()
        known.add(["/ip4/127.0.0.1/tcp/4001", "nonsense", *theirs.addresses])
        await until(known, lambda: len(known.connected) == 2)
        assert known.connected == (own.peer_id, theirs.peer_id)  # its own is preferred
        assert set(host.dht_peers()) == {own.peer_id, theirs.peer_id}
        known.add(theirs.addresses)
        assert len(known.known) == 2


async def test_a_hint_that_leads_nowhere_is_forgotten_and_never_are_there_many():
    async with open_bootstrap(ephemeral_config()) as gone:
        dead = gone.addresses
    async with (
        open_bootstrap(ephemeral_config()) as own,
        node(own.addresses) as (_, known, _client),
    ):
        await known.wait_connected()
        known.add(dead)
        assert len(known.known) == 2
        await until(known, lambda: len(known.known) == 1)
        peers = [str(ID.from_pubkey(create_new_key_pair().public_key)) for _ in range(20)]
        known.add(f"/ip4/127.0.0.1/tcp/1/p2p/{peer}" for peer in peers)
        assert len(known.known) == 1 + MAX_HINTED
