"""Traps of streams and handlers: each remedy, and what happens without it."""

from contextlib import suppress

import pytest
import trio
import trio.testing

from onmeet_node.net.errors import HostFailed, NetError, StreamRefused
from onmeet_node.net.libp2p.library import STREAMS_PER_CONNECTION
from onmeet_node.net.libp2p.open_host import open_host
from onmeet_node.net.libp2p.patches import Remedies
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.process.work import Work, since, so_far
from tests.fakes.hosts import ALL, ECHO, config, echo, pair, sleep, until, without

pytestmark = pytest.mark.real

FAIL = "/test/fail/1"


async def fail(stream: Stream) -> None:
    raise ZeroDivisionError("a bug in a handler")


async def talk_after_a_failing_handler(remedies: Remedies) -> bytes:
    async with pair(remedies) as (server, client):
        server.handle(FAIL, fail)
        # The reset may overtake the answer that opens the stream.
        with pytest.raises((trio.BrokenResourceError, StreamRefused)):
            await (await client.open_stream(server.peer_id, FAIL)).receive_some()
        stream = await client.open_stream(server.peer_id, ECHO)
        await stream.send_all(b"still here")
        return await stream.receive_some()


async def test_a_failing_handler_harms_only_its_own_stream():
    with trio.fail_after(10):
        assert await talk_after_a_failing_handler(ALL) == b"still here"


async def test_without_guard_handlers_it_ends_the_host():
    with trio.fail_after(10), pytest.raises(HostFailed, match="a bug in a handler"):
        await talk_after_a_failing_handler(without("guard_handlers", "contain"))


async def disconnections_by_cancelling(remedies: Remedies, tries: int) -> int:
    """How often a client that gives up on calls loses its connection."""
    async with pair(remedies) as (server, client):
        server.handle(ECHO, echo, limit=1000)
        lost: list[str] = []
        client.on_disconnect(lost.append)
        for number in range(tries):
            with trio.move_on_after(0.0003 * (number % 15)):
                stream = await client.open_stream(server.peer_id, ECHO)
                await stream.send_all(bytes(20_000))
                await stream.receive_some()
            if lost:
                return len(lost)
        stream = await client.open_stream(server.peer_id, ECHO)
        await stream.send_all(b"x")
        assert await stream.receive_some() == b"x"
        return len(lost)


async def test_giving_up_on_a_hundred_calls_keeps_the_connection():
    with trio.fail_after(30):
        assert await disconnections_by_cancelling(ALL, 100) == 0


async def test_without_abandon_giving_up_ends_the_connection():
    with trio.fail_after(30):
        # The loss may be noticed by a call before it is notified.
        with suppress(trio.BrokenResourceError, NetError):
            assert await disconnections_by_cancelling(without("abandon"), 1000) > 0


async def test_a_stream_opened_for_a_caller_that_left_is_closed_again():
    async with pair() as (server, client):
        server.handle(ECHO, sleep, limit=100)
        for number in range(20):
            with trio.move_on_after(0.0003 * number):
                await (await client.open_stream(server.peer_id, ECHO)).aclose()
        await until(lambda: client.stats().streams == client.stats().calls == 0, 15)
        await until(lambda: server.stats().handlers == 0)


async def test_receiving_in_slices_of_time_loses_no_byte():
    block = bytes(range(256)) * 16
    total = 400 * len(block)

    async def send(stream: Stream) -> None:
        for _ in range(400):
            await stream.send_all(block)
        await stream.send_eof()

    async with pair() as (server, client):
        server.handle("/test/send/1", send)
        stream = await client.open_stream(server.peer_id, "/test/send/1")
        received = bytearray()
        ended = False
        with trio.fail_after(30):
            while not ended:
                with trio.move_on_after(0.0002):
                    data = await stream.receive_some(10_000)
                    received += data
                    ended = not data
        assert len(received) == total
        assert received == block * 400


async def handlers_after_a_disconnect(remedies: Remedies) -> int:
    async with pair(remedies) as (server, client):
        server.handle("/test/sleep/1", sleep)
        await client.open_stream(server.peer_id, "/test/sleep/1")
        await until(lambda: server.stats().handlers)
        await client.disconnect(server.peer_id)
        await server.wait_disconnected(client.peer_id)
        with trio.move_on_after(1):
            await until(lambda: not server.stats().handlers)
        return server.stats().handlers


async def test_a_handler_that_does_not_read_ends_with_its_connection():
    assert await handlers_after_a_disconnect(ALL) == 0


async def test_without_end_handlers_it_stays():
    assert await handlers_after_a_disconnect(without("end_handlers")) == 1


async def handlers_for_twenty_streams(remedies: Remedies) -> int:
    async with pair(remedies) as (server, client):
        server.handle("/test/sleep/1", sleep, limit=4)
        for _ in range(20):
            with suppress(StreamRefused):
                await client.open_stream(server.peer_id, "/test/sleep/1")
        await until(lambda: server.stats().handlers >= 4)
        await trio.testing.wait_all_tasks_blocked(0.05)
        return server.stats().handlers


async def test_one_peer_is_served_no_more_streams_than_allowed():
    assert await handlers_for_twenty_streams(ALL) == 4


async def test_without_bound_handlers_it_takes_what_it_wants():
    assert await handlers_for_twenty_streams(without("bound_handlers")) == 20


async def test_streams_that_never_name_a_protocol_are_bounded_too():
    async with pair() as (server, client):
        network = client.raw.get_network()
        peer = client.raw.get_network().get_connections()[0].muxed_conn.peer_id
        for _ in range(STREAMS_PER_CONNECTION + 60):
            await network.new_stream(peer)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert server.stats().streams <= STREAMS_PER_CONNECTION + 10
        assert server.connected(client.peer_id)


async def end_of_a_reset_stream(remedies: Remedies) -> bytes:
    async def reset(stream: Stream) -> None:
        await stream.receive_some()
        stream.abort()

    async with pair(remedies) as (server, client):
        server.handle("/test/reset/1", reset)
        stream = await client.open_stream(server.peer_id, "/test/reset/1")
        await stream.send_all(b"x")
        return await stream.receive_some()


async def test_a_reset_is_not_taken_for_the_end():
    with pytest.raises(trio.BrokenResourceError):
        await end_of_a_reset_stream(ALL)


async def test_without_tell_resets_it_is():
    assert await end_of_a_reset_stream(without("tell_resets")) == b""


async def test_an_error_in_the_block_comes_out_as_it_is():
    with pytest.raises(KeyError, match="mine"):
        async with pair():
            raise KeyError("mine")


async def test_without_one_error_it_is_wrapped_in_groups():
    with pytest.raises(ExceptionGroup):
        async with open_host(config(remedies=without("one_error"))):
            raise KeyError("mine")


async def test_a_closed_stream_says_so():
    async with pair() as (server, client):
        stream = await client.open_stream(server.peer_id, ECHO)
        await stream.aclose()
        await stream.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()


async def test_closing_wakes_a_waiting_receiver():
    async with pair() as (server, client):
        stream = await client.open_stream(server.peer_id, ECHO)

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive_some()

        with trio.fail_after(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(trio.BusyResourceError):
                    await stream.receive_some()
                await stream.aclose()


async def test_aborting_resets_both_ways():
    async with pair() as (server, client):
        ended = trio.Event()

        async def handler(stream: Stream) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
            ended.set()

        server.handle("/test/abort/1", handler)
        stream = await client.open_stream(server.peer_id, "/test/abort/1")
        stream.abort()
        with trio.fail_after(2):
            await ended.wait()


async def echoed(remedies: Remedies, size: int) -> Work:
    """What was done for some bytes there and back."""
    async with pair(remedies) as (server, client):
        stream = await client.open_stream(server.peer_id, ECHO)
        await stream.send_all(b"x")
        await stream.receive_some()
        before = so_far()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, bytes(size))
            left = size
            while left:
                left -= len(await stream.receive_some())
        return since(before)


async def test_small_messages_are_not_answered_with_window_updates():
    assert (await echoed(ALL, 100)).window_updates == 0


async def test_without_lean_windows_each_is():
    assert (await echoed(without("lean_windows"), 100)).window_updates >= 2


async def test_more_than_a_window_still_passes():
    done = await echoed(ALL, 2**21)
    assert 0 < done.window_updates < done.frames / 2
