"""Five people on one machine who use On-Meet all day, each with a node of their own.

    python -m tests.soak.people FOLDER BOOTSTRAP [BOOTSTRAP …]

Tells each thing that they did as a line of JSON; the first that does not succeed ends the process
with a traceback. Stops at the end of its round when its standard input ends.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import trio

from onmeet_node.calls.options import CallOptions
from onmeet_node.joining.join import join
from onmeet_node.joining.options import GuestOptions
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.rooms.options import RoomOptions
from tests.node.conftest import Start, answer_all, befriend, connected, ended, told
from tests.node.test_room_guests import let_in, link_into, visiting
from tests.node.test_rooms import invited, until, whole

NAMES = ("ada", "ben", "cleo", "dora", "emil")
SOUND = frozenset({Kind.AUDIO})
TALK_SECONDS = 2.0
ACTION_SECONDS = 90.0
"""No honest action takes so long, on a machine however busy; most take two."""


def tell(event: str, **fields: Any) -> None:
    """One line of JSON."""
    print(json.dumps({"event": event, **fields}), flush=True)


class People:
    """The five, and what they do. `ada` and `ben` know each other, and so do `cleo` and `dora`."""

    def __init__(self, start: Start, nodes: dict[str, Node]) -> None:
        self._start = start
        self._nodes = nodes

    async def day(self, over: trio.Event) -> None:
        """Round after round, until told that it is over."""
        while not over.is_set():
            for action in (self.call, self.relayed_call, self.room, self.guest, self.newcomer):
                began = time.monotonic()
                with trio.fail_after(ACTION_SECONDS):
                    await action()
                tell("did", what=action.__name__, seconds=round(time.monotonic() - began, 2))

    async def call(self) -> None:
        """`ada` calls `ben`: sound and picture, straight."""
        await self._talk("ada", "ben", frozenset(Kind), relay_only=False)

    async def relayed_call(self) -> None:
        """`cleo` calls `dora` and shows no address: through TURN."""
        await self._talk("cleo", "dora", SOUND, relay_only=True)

    async def _talk(self, one: str, other: str, kinds: frozenset[Kind], relay_only: bool) -> None:
        caller, callee = self._nodes[one], self._nodes[other]
        wish = CallOptions(source="test", relay_only=relay_only)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_all, callee)
            with callee.watch() as heard:
                async with caller.call(callee.identity, kinds=kinds, wish=wish) as call:
                    await connected(call, ACTION_SECONDS)
                    assert not relay_only or call.path == "relay", call.path
                    missing = {kind.value for kind in kinds}
                    while missing:  # in whichever order they come
                        missing.discard((await told(heard, "media", ACTION_SECONDS))["kind"])
                    await trio.sleep(TALK_SECONDS)
                    assert call.reason is None, (call.reason, call.trouble)
                assert await ended(call) is EndReason.HUNG_UP
                over = await told(heard, "ended", ACTION_SECONDS)
                assert over["reason"] == EndReason.PEER_HUNG_UP.value, over
            nursery.cancel_scope.cancel()

    async def room(self) -> None:
        """`ada`, `ben` and a guest meet; the host ends it, and everybody reads that."""
        ada, ben = self._nodes["ada"], self._nodes["ben"]
        hers = await ada.rooms.create("Tuesday", _presence("ada"))
        assert await ada.rooms.invite(hers, ben.identity)
        await invited(ben)
        bens = await ben.rooms.join("", _presence("ben"))
        await until(bens, whole({"ada", "ben"}))
        async with visiting(await link_into(ada, hers), "Gina") as gina:
            await let_in(hers, "Gina")
            await until(bens, whole({"ada", "ben", "Gina"}))
            await trio.sleep(TALK_SECONDS)
            with ben.watch() as heard:
                hers.act(lambda room, now: room.end(now=now))
                assert (await told(heard, "room-over", ACTION_SECONDS))["reason"] == "ended"
            await gina.over.wait()
            assert gina.ended == "ended", gina.ended

    async def guest(self) -> None:
        """Somebody without a node comes to `cleo` by a link for one use, and leaves."""
        cleo = self._nodes["cleo"]
        link = await cleo.guests.links.new("A word", once=True, knock=False)
        seen: list[str] = []
        visitor = GuestOptions(name="Gus", source="test", seconds=TALK_SECONDS)
        with cleo.watch() as heard:
            left = await join(link.url, visitor, lambda event, **_: seen.append(event))
            assert left == "left", left
            await told(heard, "ended", ACTION_SECONDS)
        assert "admitted" in seen, seen

    async def newcomer(self) -> None:
        """`emil` starts his node anew, and is found by the code that he gave."""
        emil = await self._start("emil")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer_all, emil)
                dora = self._nodes["dora"]
                async with dora.call(emil.identity, kinds=SOUND) as call:
                    await connected(call, ACTION_SECONDS)
                nursery.cancel_scope.cancel()
        finally:
            await self._start.stop("emil")


def _presence(name: str) -> RoomOptions:
    return RoomOptions(name=name, kinds=SOUND, wish=CallOptions(source="test"))


async def _until_told_to_stop(over: trio.Event) -> None:
    stdin = trio.lowlevel.FdStream(sys.stdin.fileno())
    while await stdin.receive_some():
        pass
    over.set()


@asynccontextmanager
async def _everybody(homes: Path, addresses: tuple[str, ...]) -> AsyncIterator[People]:
    async with trio.open_nursery() as nursery:
        start = Start(homes, cast("Any", SimpleNamespace(addresses=addresses)), nursery)
        nodes = {name: await start(name) for name in NAMES}
        for one, other in (("ada", "ben"), ("cleo", "dora"), ("dora", "emil")):
            await befriend(nodes[one], nodes[other])
        await start.stop(NAMES[-1])
        yield People(start, nodes)
        start.stop_all()


async def main(homes: Path, addresses: tuple[str, ...]) -> None:
    """Their day."""
    over = trio.Event()
    async with _everybody(homes, addresses) as people, trio.open_nursery() as nursery:
        nursery.start_soon(_until_told_to_stop, over)
        tell("ready")
        await people.day(over)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), tuple(sys.argv[2:]))
