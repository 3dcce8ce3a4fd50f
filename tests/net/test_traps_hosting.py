"""Traps of listening, limits and leaving: each remedy, and what happens without it."""

import contextlib
import os
import signal
import struct

import pytest
import trio
import trio.testing
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import parse_identify_response
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.stream_muxer.yamux.yamux import TYPE_DATA, YAMUX_HEADER_FORMAT
from multiaddr import Multiaddr

from onmeet_node.net.errors import LibraryMoved, ListenFailed, NetError, PeerUnreachable
from onmeet_node.net.libp2p.health import BUFFER_LIMIT
from onmeet_node.net.libp2p.muxing import MAX_FRAME_BYTES
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.libp2p.patches import (
    KAD_NEEDS,
    NEEDS,
    SWARM_NEEDS,
    YAMUX_NEEDS,
    Remedies,
    check_instance,
    check_library,
)
from tests.fakes.hosts import ALL, ECHO, child, config, pair, sleep, until, without

pytestmark = pytest.mark.real

FOREIGN = ("/ip4/192.0.2.1/tcp/0",)


async def listen_twice(remedies: Remedies) -> None:
    async with open_host(config(remedies=remedies)) as first:
        address = first.addresses[0].partition("/p2p/")[0]
        async with open_host(HostConfig(listen=(address,), remedies=remedies)):
            pass


async def test_a_port_in_use_is_an_error():
    with pytest.raises(ListenFailed, match="in use"):
        await listen_twice(ALL)


async def test_without_check_listening_two_hosts_share_a_port():
    await listen_twice(without("check_listening", "own_transports"))


async def test_an_address_that_is_not_ours_is_an_error():
    with pytest.raises(ListenFailed):
        async with open_host(HostConfig(listen=FOREIGN)):
            pass


async def test_without_check_listening_a_host_listens_nowhere_and_says_nothing():
    silent = without("check_listening")
    async with open_host(HostConfig(listen=FOREIGN, remedies=silent)) as host:
        assert host.addresses == ()


async def connect_in_plaintext(remedies: Remedies) -> None:
    keys = create_new_key_pair()
    security = {PLAINTEXT_PROTOCOL_ID: InsecureTransport(keys)}
    async with open_host(config(remedies=remedies)) as host:
        plain = new_host(key_pair=keys, sec_opt=security)
        async with plain.run(listen_addrs=[]):
            await plain.connect(info_from_p2p_addr(Multiaddr(host.addresses[0])))
            await plain.close()


async def test_a_peer_that_wants_no_encryption_gets_no_connection():
    with trio.fail_after(10), pytest.raises(ExceptionGroup):
        await connect_in_plaintext(ALL)


async def test_without_secure_only_it_gets_one():
    with trio.fail_after(10):
        await connect_in_plaintext(without("secure_only"))


async def addresses_learnt(remedies: Remedies) -> int:
    """How many addresses of a client its peer knows once identify has run."""
    async with pair(remedies) as (server, client):
        client_id = ID.from_string(client.peer_id)
        store = server.raw.get_peerstore()
        await until(lambda: client_id in store.peer_ids() and store.get_protocols(client_id))
        known = store.addrs(client_id) if client_id in store.peers_with_addrs() else []
        return len(known)


async def test_a_client_tells_nobody_its_addresses():
    assert await addresses_learnt(ALL) == 0


async def test_without_hide_addresses_everybody_learns_them():
    assert await addresses_learnt(without("hide_addresses")) > 0


async def told_by_identify(remedies: Remedies) -> Identify:
    """What a client says of itself to whoever asks."""
    async with pair(remedies) as (server, client):
        stream = await server.raw.new_stream(ID.from_string(client.peer_id), [IDENTIFY])
        said = b""
        with contextlib.suppress(StreamEOF):
            while data := await stream.read(4_096):
                said += data
        return parse_identify_response(said)


async def test_identify_names_no_library_and_no_version():
    told = await told_by_identify(ALL)
    assert (told.agent_version, told.protocol_version) == ("", "")
    assert {one for one in told.protocols if not one.startswith(("/ipfs/id/", "/ipfs/ping/"))} <= {
        "/onmeet/kad/1.0.0",
        ECHO,
    }


async def test_without_nameless_it_does():
    assert "py-libp2p" in (await told_by_identify(without("nameless"))).agent_version


async def connected_after_silence(remedies: Remedies, seconds: float) -> bool:
    with child() as (process, address):
        async with open_host(config(remedies=remedies, ping_interval=0.3, pong_limit=0.5)) as host:
            peer = await host.connect([address])
            process.send_signal(signal.SIGSTOP)
            with trio.move_on_after(seconds):
                await host.wait_disconnected(peer)
            return host.connected(peer)


async def test_a_peer_that_went_silent_is_dropped():
    assert not await connected_after_silence(ALL, 6)


async def test_without_monitor_health_it_stays():
    assert await connected_after_silence(without("monitor_health"), 4)


async def test_a_quiet_peer_that_answers_pings_stays():
    async with pair(ping_interval=0.3, pong_limit=0.5) as (server, client):
        with trio.move_on_after(2.5):
            await client.wait_disconnected(server.peer_id)
        assert client.connected(server.peer_id)


async def clients_let_in(remedies: Remedies, *, clients: int = 5, most: int = 20) -> int:
    async with open_host(config(remedies=remedies, max_connections=most)) as server:
        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                client = await nursery.start(_client, server.addresses)
                del client
            await trio.testing.wait_all_tasks_blocked(0.1)
            count = len(server.peers())
            nursery.cancel_scope.cancel()
        return count


async def _client(addresses: tuple[str, ...], task_status: trio.TaskStatus[None]) -> None:
    async with open_host(HostConfig(listen=())) as client:
        with contextlib.suppress(NetError):
            await client.connect(addresses)
        task_status.started()
        await trio.sleep_forever()


async def test_all_connections_may_be_incoming_ones():
    assert await clients_let_in(ALL) == 5


async def test_without_all_slots_inbound_only_one_may():
    assert await clients_let_in(without("all_slots_inbound", "own_acceptor")) == 1


if os.environ.get("ONMEET_FULL") == "1":

    async def test_more_than_256_may_be_connected():  # 40 s
        assert await clients_let_in(ALL, clients=260, most=300) == 260


async def test_only_our_limits_count_connections():
    async with open_host(config(max_connections=300)) as host:
        assert host.raw.get_network()._resource_manager is None
    async with open_host(config(max_connections=300, remedies=without("own_limits"))) as host:
        manager = host.raw.get_network()._resource_manager
        assert manager.connection_lifecycle.limits.max_established_inbound == 256


async def connect_past_half_open_connections(remedies: Remedies) -> None:
    """An honest client, while someone holds every slot without saying a word."""
    settings = config(remedies=remedies, max_connections=10, upgrade_limit=0.5)
    async with open_host(settings) as server, open_host(HostConfig(listen=())) as client:
        port = int(server.addresses[0].split("/")[4])
        mute = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(10)]
        await trio.testing.wait_all_tasks_blocked(0.1)
        try:
            with trio.fail_after(3):
                while True:
                    try:
                        await client.connect(server.addresses)
                        break
                    except PeerUnreachable:
                        await trio.sleep(0.1)
        finally:
            for stream in mute:
                await stream.aclose()


async def test_half_open_connections_lose_their_slots_soon():
    await connect_past_half_open_connections(ALL)


async def test_without_quick_upgrade_they_lock_others_out():
    # Our acceptor has the oldest of them give way, so either remedy alone would do here.
    with pytest.raises(trio.TooSlowError):
        await connect_past_half_open_connections(without("quick_upgrade", "own_acceptor"))


async def peers_left_behind(remedies: Remedies) -> tuple[str, ...]:
    """Whom a server still believes connected, two seconds after that host has ended."""
    async with open_host(config()) as server:
        async with open_host(config(remedies=remedies)) as client:
            await client.connect(server.addresses)
            await until(server.peers)
            left = client.raw.get_network().get_connections()
        with trio.move_on_after(2):
            await server.wait_disconnected(client.peer_id)
        believed = server.peers()
        for conn in left:
            await conn.muxed_conn.secured_conn.close()
        return believed


async def test_leaving_tells_every_peer():
    assert await peers_left_behind(ALL) == ()


async def test_without_close_host_they_believe_it_is_there():
    # `contain` closes each connection that ends. The library's own end sometimes comes as far as
    # the socket before it is cancelled.
    for _ in range(8):
        if await peers_left_behind(without("close_host", "contain")):
            return
    pytest.fail("the library tells every peer by itself: the remedy can go")


async def test_a_host_with_many_peers_closes_within_its_limit():
    async with trio.open_nursery() as nursery, open_host(config()) as server:
        for _ in range(12):
            await nursery.start(_client, server.addresses)
        async with open_host(config()) as hub:
            began = trio.current_time()
            for _ in range(3):
                await hub.connect(server.addresses)
        assert trio.current_time() - began < 2
        nursery.cancel_scope.cancel()


async def test_a_peer_that_floods_an_unread_stream_is_dropped():
    async with pair() as (server, client):
        server.handle("/test/sleep/1", sleep)
        stream = await client.open_stream(server.peer_id, "/test/sleep/1")
        # What a hostile peer does: it takes no notice of our window.
        stream._raw.muxed_stream.send_window = 2 * BUFFER_LIMIT
        with trio.fail_after(15), pytest.raises(trio.BrokenResourceError):
            while True:
                await stream.send_all(bytes(500_000))
        await server.wait_disconnected(client.peer_id)


async def lost_after_announcing_a_huge_frame(remedies: Remedies) -> bool:
    """Whether a peer loses its connection that announces a frame that no peer sends."""
    async with pair(remedies) as (server, client):
        stream = await client.open_stream(server.peer_id, ECHO)
        muxed = stream._raw.muxed_stream
        size = 2 * MAX_FRAME_BYTES
        header = struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_DATA, 0, muxed.stream_id, size)
        await muxed.conn._write_frame(header)
        with trio.move_on_after(3) as limit:
            await server.wait_disconnected(client.peer_id)
        return not limit.cancelled_caught


async def test_a_frame_that_no_peer_sends_ends_its_connection():
    assert await lost_after_announcing_a_huge_frame(ALL)


async def test_without_contain_the_library_waits_for_it():
    assert not await lost_after_announcing_a_huge_frame(without("contain"))


async def test_random_bytes_at_the_door_leave_the_host_working():
    async with pair() as (server, client):
        port = int(server.addresses[0].split("/")[4])
        for junk in (b"", b"\x13/multistream/1.0.0\n", b"\xff" * 4000, b"GET / HTTP/1.1\r\n\r\n"):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(junk or b"\0")
            await stream.aclose()
        again = await client.open_stream(server.peer_id, ECHO)
        await again.send_all(b"x")
        assert await again.receive_some() == b"x"


# ---- the self-check --------------------------------------------------------------------------


def test_this_libp2p_has_everything_we_bend():
    check_library()


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.path)
def test_a_release_that_moves_a_name_is_refused_by_name(need, monkeypatch: pytest.MonkeyPatch):
    name = need.path.replace(":", ".")
    monkeypatch.delattr(name)
    with pytest.raises(LibraryMoved) as caught:
        check_library()
    assert caught.value.attribute == name
    assert need.remedy in str(caught.value)


def test_a_module_that_is_gone_is_named():
    with pytest.raises(LibraryMoved, match=r"libp2p\.no_such_thing"):
        check_library([type(NEEDS[0])("libp2p.no_such_thing:x", "do something")])


@pytest.mark.parametrize("needs", [SWARM_NEEDS, KAD_NEEDS, YAMUX_NEEDS])
def test_an_object_that_lacks_a_name_is_refused_by_name(needs: dict[str, str]):
    for missing, remedy in needs.items():
        stub = type("Stub", (), {name: None for name in needs if name != missing})()
        with pytest.raises(LibraryMoved, match=missing) as caught:
            check_instance(stub, needs)
        assert remedy in str(caught.value)


async def test_a_host_does_not_start_on_a_library_that_moved(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr("libp2p.network.swarm.Swarm.dial_addr")
    with pytest.raises(LibraryMoved, match=r"Swarm\.dial_addr"):
        async with open_host(config()):
            pass
