"""How media travels, and what people learn of it: relays by coturn, reports, failures."""

from __future__ import annotations

import os
import signal

import attrs
import pytest
import trio
from onmeet_bootstrap.app import Bootstrap
from onmeet_bootstrap.config.model import BootstrapConfig, TurnConfig, ephemeral_config

from onmeet_node.calls.options import CallOptions
from onmeet_node.protocol.call.effects import EndReason
from tests.bootstrap.ports import free_port
from tests.node.conftest import Start, answer_all, befriend, connected, ended, told, until
from tests.requirements import needs_coturn

pytestmark = [
    pytest.mark.real,
    needs_coturn,
]


@pytest.fixture
def bootstrap_config() -> BootstrapConfig:
    """With coturn, in Germany."""
    turn = TurnConfig(
        serve=True,
        public=("127.0.0.1",),
        port=free_port(),
        relay_port_min=40_500,
        relay_port_max=40_600,
        allow_private_peers=True,
    )
    return attrs.evolve(ephemeral_config(), region="de", turn=turn)


RELAYED = CallOptions(relay_only=True)


async def test_who_wants_a_relay_shows_no_address_and_both_see_the_path(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    with alice.watch() as events:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_all, bob)
            async with alice.call("Bob", wish=RELAYED) as call:
                await connected(call)
                assert (await told(events, "connected"))["region"] == "de"
                await told(events, "media")
                (theirs,) = bob.calls
                await connected(theirs)
                assert (call.path, theirs.path) == ("relay", "relay")
                offered = call.links[0].local_sdp
                assert offered is not None
                candidates = [line for line in offered.splitlines() if "candidate:" in line]
                assert candidates
                assert all("typ relay raddr 0.0.0.0" in line for line in candidates)
            await until(lambda: not [*alice.calls, *bob.calls], "it is over on both sides")
            nursery.cancel_scope.cancel()
    (mine,), (his,) = alice.history.list(10), bob.history.list(10)
    assert (mine.path, mine.region, his.path) == ("relay", "de", "relay")
    assert mine.report.relay_only is True
    assert {pair.local for pair in mine.report.pairs} <= {"relay/udp", "relay/tcp"}
    assert {server.worked for server in mine.report.servers} == {True}
    assert "127.0.0.1" not in str(mine) + str(his)


async def test_a_call_with_a_direct_path_has_relays_at_hand_and_does_not_use_them(
    start: Start,
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        async with alice.call("Bob") as call:
            await connected(call)
            assert (call.path, call.region) == ("host", None)
        nursery.cancel_scope.cancel()
    (row,) = alice.history.list(10)
    assert "relay/udp" in row.report.local


async def test_relay_only_for_all_calls_holds_for_calls_that_come_in(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob", relay_only=True)
    await befriend(alice, bob)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        async with alice.call("Bob") as call:
            await connected(call)
            (theirs,) = bob.calls
            await connected(theirs)
            assert theirs.path == "relay"
            assert theirs.links[0].session.report().local == ("relay/tcp", "relay/udp")
        nursery.cancel_scope.cancel()


async def test_relay_only_without_a_relay_ends_with_the_truth(
    start: Start, bootstrap: Bootstrap
) -> None:
    coturn = bootstrap.turn_pid
    assert coturn is not None
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    os.kill(coturn, signal.SIGSTOP)  # SIGSTOP: it is there, and says nothing
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_all, bob)
            async with alice.call("Bob", wish=RELAYED) as call:
                assert await ended(call, 60) is EndReason.MEDIA_FAILED
            nursery.cancel_scope.cancel()
    finally:
        os.kill(coturn, signal.SIGCONT)
    (row,) = alice.history.list(10)
    assert [server.worked for server in row.report.servers] == [False, False]
    assert row.report.servers[0].error == "no answer in time"
