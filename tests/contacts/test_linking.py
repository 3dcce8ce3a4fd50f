"""Linking where the new device, or its bootstrap, is a bad one; both ends in memory."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from onmeet_node.contacts.linking import DeviceLinks, LinkFailed, OfferedLink
from onmeet_node.net.errors import NetError
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.spoken.code import SECRET_BYTES, SpokenCode
from onmeet_node.protocol.wire.mailbox import MailboxEnd
from tests.contacts.test_known_devices import Node, home, node

__all__ = ["home", "node"]

PHONE = IdentityKey(b"p" * 32).public
CODE = SpokenCode(7, b"c" * SECRET_BYTES)


@attrs.define
class Side:
    """A `MailboxSide` of which the other is in this process."""

    out: trio.MemorySendChannel[bytes]
    incoming: trio.MemoryReceiveChannel[bytes]
    bootstrap: str = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

    async def send(self, body: bytes) -> None:
        try:
            await self.out.send(body)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise NetError("gone") from error

    async def receive(self) -> bytes | MailboxEnd:
        try:
            return await self.incoming.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            return MailboxEnd.LEFT

    def leave(self) -> None:
        self.out.close()
        self.incoming.close()


class Places:
    """Of both: one mailbox."""

    code = CODE

    def __init__(self) -> None:
        to_new, at_new = trio.open_memory_channel[bytes](math.inf)
        to_old, at_old = trio.open_memory_channel[bytes](math.inf)
        self.new, self.old = Side(to_old, at_new), Side(to_new, at_old)

    async def entered(self) -> Side:
        await trio.lowlevel.checkpoint()
        return self.new

    @asynccontextmanager
    async def enter(self, _nameplate: int) -> AsyncIterator[Side]:
        yield self.old


class OwnSide:
    """Of `Devices` what `DeviceLinks` asks."""

    def __init__(self, node: Node) -> None:
        self.own, self.add, self.revoke = node.own, node.own.add, node.own.revoke


def links(node: Node, places: Places) -> DeviceLinks:
    devices: Any = OwnSide(node)
    return DeviceLinks(places, devices, contacts_secret=lambda: b"s" * 16)  # type: ignore[arg-type]


async def silent(_words: tuple[str, ...], _name: str) -> None:
    await trio.lowlevel.checkpoint()


async def test_a_name_shows_nothing_but_itself_where_the_words_are_compared(node: Node) -> None:
    places = Places()
    old = links(node, places)
    shown: list[str] = []

    async def show(_words: tuple[str, ...], name: str) -> None:
        await trio.lowlevel.checkpoint()
        shown.append(name)
        old.answer(yes=True)

    async with trio.open_nursery() as nursery:
        new = OfferedLink(places)  # type: ignore[arg-type]
        nursery.start_soon(new.outcome, PHONE, "\x1b[2Jphone\u202e\nIt shows: a b c d", silent)
        view = await old.add(CODE.text(), show)
    assert shown == [view.name] == ["[2Jphone It shows: a b c d"]


async def test_a_device_that_went_before_it_was_told_is_not_left_on_the_list(node: Node) -> None:
    places = Places()
    old = links(node, places)

    async def show(_words: tuple[str, ...], _name: str) -> None:
        places.new.leave()
        old.answer(yes=True)
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:

        async def asks() -> None:
            with pytest.raises(LinkFailed):
                await OfferedLink(places).outcome(PHONE, "phone", silent)  # type: ignore[arg-type]

        nursery.start_soon(asks)
        with pytest.raises(LinkFailed):
            await old.add(CODE.text(), show)
    assert node.own.list.devices == (node.own.key.public,)
