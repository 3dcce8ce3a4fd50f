"""A caller is told that it rings where somebody can notice it, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from onmeet_node.calls.call import Call
from onmeet_node.config import Config
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.effects import Ring
from onmeet_node.web.local_app import LocalApp
from onmeet_node.web.messages import own
from tests.node.conftest import Start, befriend, bootstrap, bootstrap_config, start, until

__all__ = ["bootstrap", "bootstrap_config", "start"]
pytestmark = pytest.mark.real


async def _nothing(_: Node) -> None: ...


@asynccontextmanager
async def pages_of(node: Node) -> AsyncIterator[LocalApp]:
    """What rings in the pages of this node."""
    shell = LocalApp(Config(home=Path("unused")), release="1", unlock=None, body=_nothing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell._ring, node)
        yield shell
        nursery.cancel_scope.cancel()


async def rings(call: Call, ring: Ring) -> None:
    await until(lambda: call.ring is ring, f"the caller learns {ring}")


async def test_a_page_that_makes_no_sound_does_not_ring_until_it_is_touched(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with pages_of(bob) as shell:
        page = shell.pages.add()
        async with alice.call("Bob") as call:
            await rings(call, Ring.DELIVERED)
            assert not bob.calls.somebody_listens
            await shell.handle(page, own.Noticeable(noticeable=True))  # touched while it is called
            await rings(call, Ring.ALERTING)


async def test_of_several_windows_one_that_can_ring_is_enough(start: Start) -> None:
    bob = await start("Bob")
    async with pages_of(bob) as shell:
        silent, loud = shell.pages.add(), shell.pages.add()
        await shell.handle(silent, own.Noticeable(noticeable=False))
        await shell.handle(loud, own.Noticeable(noticeable=True))
        await until(lambda: bob.calls.somebody_listens, "it would ring")
        shell.pages.remove(loud)
        await until(lambda: not bob.calls.somebody_listens, "nothing rings for nobody")
        await shell.handle(silent, own.Noticeable(noticeable=True))
        await until(lambda: bob.calls.somebody_listens, "it would ring")
