"""Two ends of a sealed channel over streams in memory, for tests of signaling."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import trio
import trio.testing

from onmeet_node.net.channels.channel import Channel, accept_channel, open_channel
from onmeet_node.net.channels.credentials import KeyAlone
from onmeet_node.net.channels.handshake import SeenEphemerals
from onmeet_node.net.channels.timing import Timing
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.messages import Card, Hello, Message

ALICE = IdentityKey.from_seed(b"a" * 32)
BOB = IdentityKey.from_seed(b"b" * 32)
PHONE = Device("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
LAPTOP = Device("12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo")


def name(key: IdentityKey) -> Identity:
    return Identity(key.public)


def hello(who: str) -> Hello:
    return Hello(card=Card(name=who))


async def shake(
    alice: trio.abc.Stream,
    bob: trio.abc.Stream,
    *,
    first: Sequence[Message] = (),
    **options: Any,
) -> tuple[Channel, Channel]:
    """Alice opens, Bob accepts; neither end runs yet."""
    ends: dict[str, Channel] = {}

    async def opening() -> None:
        ends["alice"] = await open_channel(
            alice,
            KeyAlone(ALICE),
            name(BOB),
            lambda _: hello("Alice"),
            local=PHONE,
            device=LAPTOP,
            first=first,
            **options,
        )

    async def accepting() -> None:
        ends["bob"] = await accept_channel(
            bob,
            KeyAlone(BOB),
            lambda *_: hello("Bob"),
            SeenEphemerals(),
            local=LAPTOP,
            device=PHONE,
            **options,
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(opening)
        nursery.start_soon(accepting)
    return ends["alice"], ends["bob"]


@contextlib.asynccontextmanager
async def sealed_pair(
    streams: tuple[trio.abc.Stream, trio.abc.Stream] | None = None,
    *,
    timing: Timing | None = None,
    first: Sequence[Message] = (),
) -> AsyncIterator[tuple[Channel, Channel]]:
    """Two running ends."""
    left, right = streams or trio.testing.memory_stream_pair()
    alice, bob = await shake(left, right, first=first, timing=timing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.run)
        nursery.start_soon(bob.run)
        yield alice, bob
        nursery.cancel_scope.cancel()


async def drain(channel: Channel) -> list[Message]:
    """All that arrives until the channel is over."""
    return [message async for message in channel]
