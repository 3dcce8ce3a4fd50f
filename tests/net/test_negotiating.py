"""multistream-select in one round trip: with listeners that wait, and with those that do not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from libp2p.custom_types import TProtocol
from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

from onmeet_node.net.libp2p.library import PROTOCOL_UNKNOWN
from onmeet_node.net.libp2p.negotiating import PromptSelect

DELAY = 1.0
KNOWN, OTHER, UNKNOWN = TProtocol("/known/1"), TProtocol("/other/1"), TProtocol("/unknown/1")


class Line:
    """One end of two: what is written at the other arrives here after DELAY."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._put, self._got = trio.open_memory_channel[bytes](64)
        self._rest = b""
        self.other: Line = self

    async def write(self, data: bytes) -> None:
        async def arrive() -> None:
            await trio.sleep(DELAY)
            await self.other._put.send(data)

        self._nursery.start_soon(arrive)
        await trio.lowlevel.checkpoint()

    async def read(self, n: int | None = None) -> bytes:
        if not self._rest:
            self._rest = await self._got.receive()
        taken, self._rest = self._rest[:n], self._rest[n:] if n is not None else b""
        return taken


async def select(
    client: MultiselectClient, protocols: Sequence[TProtocol]
) -> tuple[TProtocol | None, float]:
    """What was agreed on with the library's own listener, and after how many round trips.

    None: the listener has none of them.
    """
    listener = Multiselect()
    for protocol in (KNOWN, OTHER):
        listener.add_handler(protocol, None)
    async with trio.open_nursery() as nursery:
        near, far = Line(nursery), Line(nursery)
        near.other, far.other = far, near

        async def listen() -> None:
            await listener.negotiate(MultiselectCommunicator(far), 600)

        nursery.start_soon(listen)
        began = trio.current_time()
        agreed: TProtocol | None = None
        why = PROTOCOL_UNKNOWN
        try:
            agreed = await client.select_one_of(protocols, MultiselectCommunicator(near), 600)
        except MultiselectClientError as error:
            why = str(error)
        assert why.startswith(PROTOCOL_UNKNOWN)
        took = trio.current_time() - began
        nursery.cancel_scope.cancel()
    return agreed, round(took / (2 * DELAY), 3)


async def test_a_protocol_is_agreed_on_in_one_round_trip(autojump_clock) -> None:
    assert await select(PromptSelect(), [KNOWN]) == (KNOWN, 1)


async def test_the_library_takes_two_unless_the_listener_speaks_first(autojump_clock) -> None:
    # The library's listener greets by itself, half a round trip before it is asked.
    assert await select(MultiselectClient(), [KNOWN]) == (KNOWN, 1.5)


async def test_what_the_peer_does_not_have_is_told_as_before(autojump_clock) -> None:
    assert await select(PromptSelect(), [UNKNOWN]) == (None, 1)


@pytest.mark.parametrize("protocols", [[UNKNOWN, OTHER], [UNKNOWN, KNOWN, OTHER]])
async def test_the_next_is_proposed_when_the_first_is_refused(autojump_clock, protocols) -> None:
    assert await select(PromptSelect(), protocols) == (protocols[1], 2)


async def test_the_same_twice_is_proposed_twice(autojump_clock) -> None:
    assert await select(PromptSelect(), [UNKNOWN, UNKNOWN]) == (None, 2)
