"""Two real hosts: what the layers above rely on."""

import struct
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trio.testing
from libp2p.stream_muxer.yamux.yamux import TYPE_DATA, TYPE_GO_AWAY, YAMUX_HEADER_FORMAT

from onmeet_node.net.errors import (
    BadMultiaddr,
    HostClosed,
    ListenFailed,
    PeerUnreachable,
    StreamRefused,
)
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.libp2p.streams import Stream
from tests.fakes.hosts import ECHO, LOCAL, child, config, echo, pair, sleep, until

pytestmark = pytest.mark.real

BOTH = ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws")


async def test_bytes_sent_come_back_over_tcp_and_websocket():
    with trio.fail_after(20):
        async with open_host(HostConfig(listen=BOTH)) as server, open_host(config()) as client:
            server.handle(ECHO, echo)
            assert len(server.addresses) == 2
            for address in server.addresses:
                assert await client.connect([address]) == server.peer_id
                stream = await client.open_stream(server.peer_id, ECHO)
                await stream.send_all(b"hello")
                assert await stream.receive_some() == b"hello"
                await stream.send_eof()
                assert await stream.receive_some() == b""
                await stream.aclose()
                await client.disconnect(server.peer_id)


async def test_a_host_that_listens_nowhere_can_still_dial():
    async with open_host(config()) as server, open_host(HostConfig(listen=())) as client:
        await client.connect(server.addresses)
        assert client.addresses == ()
        assert server.peers() == (client.peer_id,)


async def test_peer_ids_are_fresh_unless_a_seed_fixes_them():
    seen = set()
    for seed in (None, None, b"\1" * 32, b"\1" * 32):
        async with open_host(HostConfig(listen=(), seed=seed)) as host:
            seen.add(host.peer_id)
    assert len(seen) == 3
    assert "01010101" not in repr(HostConfig(seed=b"\1" * 32))
    assert "x01" not in repr(HostConfig(seed=b"\1" * 32))


async def test_the_any_address_is_told_as_addresses_that_others_can_dial():
    async with open_host(HostConfig(listen=("/ip4/0.0.0.0/tcp/0",))) as host:
        assert host.addresses
        assert not any("0.0.0.0" in address for address in host.addresses)
        assert all(address.endswith(f"/p2p/{host.peer_id}") for address in host.addresses)


async def test_announced_addresses_replace_the_real_ones():
    announce = ("/ip4/192.0.2.7/tcp/4001",)
    async with open_host(HostConfig(listen=LOCAL, announce=announce)) as host:
        assert host.addresses == (f"/ip4/192.0.2.7/tcp/4001/p2p/{host.peer_id}",)


async def test_connections_and_their_end_are_told_to_both_sides():
    async with open_host(config()) as server, open_host(config()) as client:
        told: list[tuple[str, str]] = []
        server.on_connect(lambda peer: told.append(("came", peer)))
        server.on_disconnect(lambda peer: told.append(("left", peer)))
        client.on_disconnect(lambda peer: told.append(("lost", peer)))
        await client.connect(server.addresses)
        await until(lambda: len(told) == 1)
        assert client.connected(server.peer_id)
        assert server.connected(client.peer_id)
        with trio.fail_after(3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.wait_disconnected, client.peer_id)
                nursery.start_soon(client.wait_disconnected, server.peer_id)
                await client.disconnect(server.peer_id)
        assert sorted(told) == sorted(
            [("came", client.peer_id), ("left", client.peer_id), ("lost", server.peer_id)]
        )


async def test_a_listener_told_to_stop_hears_no_more():
    async with open_host(config()) as server, open_host(config()) as client:
        told: list[str] = []
        stop = server.on_connect(told.append)
        stop()
        await client.connect(server.addresses)
        await until(server.peers)
        assert told == []


async def test_callers_that_connect_at_once_share_one_connection():
    async with open_host(config()) as server, open_host(config()) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(client.connect, server.addresses)
        assert client.stats().connections == 1


async def test_a_killed_process_is_noticed_within_a_second():
    with trio.fail_after(20), child() as (process, address):
        async with open_host(config()) as host:
            peer = await host.connect([address])
            stream = await host.open_stream(peer, "/test/hold/1")
            assert await stream.receive_some() == b"here"
            process.kill()
            with trio.fail_after(1):
                with pytest.raises(trio.BrokenResourceError):
                    await stream.receive_some()
                await host.wait_disconnected(peer)


async def test_a_protocol_nobody_serves_is_refused_by_name():
    async with pair() as (server, client):
        with pytest.raises(StreamRefused, match="/test/none/1"):
            await client.open_stream(server.peer_id, "/test/none/1")
        server.stop_handling(ECHO)
        with pytest.raises(StreamRefused):
            await client.open_stream(server.peer_id, ECHO)


async def test_a_stream_to_a_stranger_says_it_is_not_connected():
    async with open_host(config()) as host, open_host(config()) as other:
        with pytest.raises(PeerUnreachable, match="not connected"):
            await host.open_stream(other.peer_id, ECHO)


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "/ip4/127.0.0.1/tcp/1", "/ip4/999.0.0.1/tcp/1/p2p/12D3KooW", "/p2p/!"],
)
async def test_addresses_that_name_no_peer_are_refused(address: str):
    async with open_host(HostConfig(listen=())) as host:
        with trio.fail_after(5), pytest.raises(BadMultiaddr):
            await host.connect([address])


async def test_addresses_of_two_peers_are_refused():
    async with open_host(config()) as one, open_host(config()) as two:
        with pytest.raises(BadMultiaddr, match="2 are named"):
            await one.connect([*one.addresses, *two.addresses])


async def test_a_host_does_not_dial_itself():
    async with open_host(config()) as host:
        with pytest.raises(PeerUnreachable, match="itself"):
            await host.connect(host.addresses)


async def test_an_unusable_listening_address_is_an_error():
    with pytest.raises((ListenFailed, BadMultiaddr)):
        async with open_host(HostConfig(listen=("/ip4/127.0.0.1/udp/4001",))):
            pass


async def test_nothing_new_starts_once_the_host_is_closed():
    async with open_host(config()) as server:
        async with open_host(config()) as client:
            await client.connect(server.addresses)
        with pytest.raises(HostClosed):
            await client.connect(server.addresses)
        with pytest.raises(HostClosed):
            await client.join(server.addresses)


async def test_handlers_may_clean_up_when_the_host_closes():
    cleaned = trio.Event()

    async def handler(stream: Stream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await stream.send_all(b"bye")
            cleaned.set()

    async with open_host(config()) as client:
        async with open_host(config()) as server:
            server.handle(ECHO, handler)
            await client.connect(server.addresses)
            await client.open_stream(server.peer_id, ECHO)
            await until(lambda: server.stats().handlers)
        assert cleaned.is_set()


async def test_a_handler_that_takes_too_long_is_ended():
    async with open_host(config()) as server, open_host(config()) as client:
        server.handle(ECHO, sleep, timeout=0.1)
        await client.connect(server.addresses)
        stream = await client.open_stream(server.peer_id, ECHO)
        with trio.fail_after(2), pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()


async def test_two_hundred_streams_leave_nothing_behind():
    async with pair() as (server, client):
        await until(lambda: client.stats().calls == 0)
        # The library asks who the other is, over a stream of its own.
        await until(lambda: not client.stats().streams and not server.stats().streams)
        before = client.stats(), server.stats()
        for _ in range(200):
            stream = await client.open_stream(server.peer_id, ECHO)
            await stream.send_all(b"x")
            assert await stream.receive_some() == b"x"
            await stream.aclose()
        await until(lambda: (client.stats(), server.stats()) == before)


def sockets() -> int:
    """Open sockets of this process."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.is_symlink() and str(link.readlink()).startswith("socket:") for link in links)


@pytest.mark.skipif(sys.platform != "linux", reason="counts sockets in /proc")
@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.03, 1.0])
async def test_a_host_that_is_cancelled_closes_its_sockets_and_says_goodbye(seconds: float):
    async with open_host(config()) as other:
        before = sockets()
        with trio.move_on_after(seconds):
            async with open_host(config()) as host:
                await host.connect(other.addresses)
                await trio.sleep_forever()
        await until(lambda: not other.peers())
        await until(lambda: sockets() == before)


async def test_what_was_sent_before_the_connection_ends_arrives():
    """Also where both come in one piece: the end must not overtake what was said."""
    async with pair() as (server, client):
        heard = bytearray()

        async def listen(stream: Stream) -> None:
            with suppress(trio.BrokenResourceError):
                async for data in stream:
                    heard.extend(data)

        server.handle("/test/listen/1", listen)
        stream = await client.open_stream(server.peer_id, "/test/listen/1")
        await stream.send_all(b"we ")
        await until(lambda: heard == b"we ")
        await trio.testing.wait_all_tasks_blocked()  # it reads on
        muxed = stream._raw.muxed_stream
        noise = muxed.conn.secured_conn.conn
        said, over = b"agree", struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_GO_AWAY, 0, 0, 0)
        data = struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_DATA, 0, muxed.stream_id, len(said)) + said
        packets = [noise.encrypt(frame) for frame in (data, over)]
        await noise.read_writer.read_write_closer.write(
            b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets)
        )
        await server.wait_disconnected(client.peer_id)
        assert heard == b"we agree"


async def test_what_is_sent_without_waiting_arrives_whole_and_in_order():
    """Also when the kernel takes only a part: nobody reads at the other end for a while."""
    async with pair() as (server, client):
        go, heard = trio.Event(), bytearray()

        async def listen(stream: Stream) -> None:
            await go.wait()
            async for data in stream:
                heard.extend(data)

        server.handle("/test/listen/1", listen)
        stream = await client.open_stream(server.peer_id, "/test/listen/1")
        sent, at_once = bytearray(), 0
        for number in range(12):
            piece = bytes([number]) * (10_000 + number)
            if number % 4 and stream.free(len(piece)):
                stream.send_now(piece)
                at_once += 1
            else:
                await stream.send_all(piece)
            sent += piece
        assert at_once
        go.set()
        await until(lambda: len(heard) == len(sent))
        assert heard == sent
