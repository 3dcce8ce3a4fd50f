"""What a call over an open channel costs, by the counters of the code itself (`make profile`).

Both nodes and the bootstrap are in this process, and counted together.
"""

from __future__ import annotations

import pytest
import trio

from onmeet_node.node.node import Node
from onmeet_node.process.work import Work, since, so_far
from tests.node.conftest import Start, befriend, connected

pytestmark = pytest.mark.real

STATEMENTS_TO_RING = 2
"""SQL statements from dialling to ringing there, of both nodes together."""
FRAMES_TO_RING = 2
"""The invite, and the word that it is there, written before anybody is told."""
FRAMES = 7
"""libp2p frames of all three, from dialling to the end."""
CALLS = 4


async def call(alice: Node, bob: Node) -> tuple[Work, Work, Work]:
    """A call that is answered: what was done until it rang, for hanging up, and in all."""
    for node in (alice, bob):
        node.history.list(1)  # the call before is written down
    before = so_far()
    async with bob.incoming() as ringing, alice.call("Bob") as mine:
        theirs = await ringing.receive()
        until_it_rang = since(before)
        theirs.accept()
        await connected(mine)
        talking = so_far()
        mine.hang_up()
        hung_up = since(talking)  # the word is on its way, and nothing else was done
        await theirs.ended()
    return until_it_rang, hung_up, since(before)


async def test_a_warm_call_asks_no_dht_and_writes_little_before_it_rings(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    with trio.fail_after(60):
        await call(alice, bob)  # finds out where Bob's devices are
        while (await call(alice, bob))[-1].streams:
            pass  # new contacts publish: each record is put and read back, beside the calls
        calls = [await call(alice, bob) for _ in range(CALLS)]
    assert all(whole.lookups == 0 for *_, whole in calls)
    # What a node does beside a call only adds: the least of several is the call's own.
    assert min(whole.streams for *_, whole in calls) == 0
    # The invite itself may count as the answer to what was said before.
    assert min(rang.turns for rang, *_ in calls) <= 1, "it rings after half a round trip"
    assert 1 <= min(rang.frames for rang, *_ in calls) <= FRAMES_TO_RING
    assert min(whole.frames for *_, whole in calls) <= FRAMES
    assert min(rang.statements for rang, *_ in calls) <= STATEMENTS_TO_RING
    assert all(hung_up.messages == 1 for _, hung_up, _ in calls)
    assert all(hung_up.statements == 0 for _, hung_up, _ in calls), "it is written later"
