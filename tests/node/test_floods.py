"""What one peer causes without end, and the others who are told of by the same channel."""

from __future__ import annotations

from onmeet_node.events import BACKLOG, ChatLine, Hub, Incoming, NodeEvent
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire.messages import CallId, Kind

MALLORY, ALICE = CallId(b"m" * 16), CallId(b"a" * 16)


async def test_one_peers_flood_of_chat_does_not_hide_anothers_ring_from_a_slow_watcher() -> None:
    hub: Hub[NodeEvent] = Hub()
    with hub.watch() as watcher:
        for number in range(BACKLOG * 2):
            hub.publish(ChatLine(call=MALLORY, text=str(number)))
        ring = Incoming(
            call=ALICE, identity=Identity(b"i" * 32), contact="Alice", kinds=frozenset(Kind)
        )
        hub.publish(ring)
        hub.close()
        read = [event async for event in watcher]
    assert read[-1] == ring
    assert [event.text for event in read if isinstance(event, ChatLine)] == [
        str(number) for number in range(BACKLOG // 2)
    ]
