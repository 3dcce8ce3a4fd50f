"""Whatever ends a node's block: what must be said is said, and what was raised leaves as it is."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from onmeet_node.config import Config
from onmeet_node.contacts.address_book import NoSuchPerson
from onmeet_node.events import CallEnded
from onmeet_node.media.engine.asyncio_thread import open_asyncio_thread
from onmeet_node.net.errors import NetError
from onmeet_node.node.opening import open_node
from onmeet_node.process.leaving import Block, NotInTrio, in_order, interrupted_in_order
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.code import parse_code
from tests.media.support import run_asyncio
from tests.node.conftest import (
    LOOPBACK,
    Start,
    befriend,
    code_of,
    ended,
    make_home,
)


class Spoken:
    """Something that must be said and heard when it is left."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.heard: list[str] = []
        self._breaks = breaks

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        async with trio.open_nursery() as nursery:
            words, ears = trio.open_memory_channel[str](0)

            async def listen() -> None:
                async for word in ears:
                    self.heard.append(word)

            nursery.start_soon(listen)
            if self._breaks:
                nursery.start_soon(self._break)
            try:
                yield "here"
            finally:
                with trio.move_on_after(2, shield=True), words:
                    await words.send("goodbye")

    async def _break(self) -> None:
        await trio.sleep(1)
        raise NetError("the wire was cut")


async def test_a_cancelled_block_still_says_goodbye(autojump_clock: object) -> None:
    spoken = Spoken()
    with trio.move_on_after(1) as scope:
        async with in_order(spoken.open()) as value:
            assert value == "here"
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert spoken.heard == ["goodbye"]


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3), KeyboardInterrupt()])
async def test_what_the_block_raises_leaves_as_itself(error: BaseException) -> None:
    spoken = Spoken()
    with pytest.raises(type(error)) as raised:
        async with in_order(spoken.open()):
            raise error
    assert raised.value is error
    assert spoken.heard == ["goodbye"]


async def test_what_breaks_inside_ends_the_block_and_is_raised_alone(
    autojump_clock: object,
) -> None:
    with pytest.raises(NetError, match="cut"):
        async with in_order(Spoken(breaks=True).open()):
            await trio.sleep_forever()


async def test_what_is_cancelled_while_it_opens_is_not_entered(autojump_clock: object) -> None:
    closed = []

    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        try:
            await trio.sleep(100)
            yield
        finally:
            closed.append(True)

    with trio.move_on_after(1) as scope:
        async with in_order(slow()):
            pytest.fail("it was not open")
    assert scope.cancelled_caught
    assert closed


async def test_an_interrupt_waits_for_the_goodbye() -> None:
    spoken, block = Spoken(), Block()

    async def program() -> None:
        with interrupted_in_order(block):
            async with in_order(spoken.open(), block=block):
                signal.raise_signal(signal.SIGINT)
                await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        await program()
    assert spoken.heard == ["goodbye"]


async def test_who_takes_ctrl_c_themselves_gets_it() -> None:
    block = Block()
    with (
        trio.fail_after(10),
        trio.open_signal_receiver(signal.SIGINT) as signals,
        interrupted_in_order(block),
    ):
        async with in_order(Spoken().open(), block=block):
            signal.raise_signal(signal.SIGINT)
            assert await anext(signals) == signal.SIGINT
    assert not block.scope.cancelled_caught


async def test_the_media_thread_opened_by_somebody_who_is_cancelled_ends() -> None:
    with trio.fail_after(30), trio.CancelScope() as scope:
        scope.cancel()
        async with open_asyncio_thread():
            pass


def config_of(home: Path, bootstraps: tuple[str, ...] = ()) -> Config:
    if not home.exists():
        make_home(home, home.name)
    return Config(home=home, listen=LOOPBACK, bootstraps=bootstraps, lan=False, source="test")


def test_a_program_that_runs_asyncio_is_told_of_trio(tmp_path: Path) -> None:
    async def program() -> None:
        async with open_node(config=config_of(tmp_path / "Eve")):
            pytest.fail("it runs")

    with pytest.raises(NotInTrio, match=r"trio\.run\(main\)"):
        run_asyncio(program())


@pytest.mark.real
async def test_an_error_of_the_block_can_be_caught_around_the_node(tmp_path: Path) -> None:
    with pytest.raises(NoSuchPerson):
        async with open_node(config=config_of(tmp_path / "Eve")) as node:
            node.people.who("Nobody")
    with pytest.raises(SystemExit) as left:
        async with open_node(config=config_of(tmp_path / "Eve")):
            raise SystemExit(3)
    assert left.value.code == 3


@pytest.mark.real
async def test_a_stopped_node_leaves_its_block_without_an_error(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with open_node(config=config_of(tmp_path / "Eve")) as node:
            node.stop()
            await trio.sleep_forever()


# NOTE: a socket of the library, cancelled before its use, is closed only when it is collected.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.real
@pytest.mark.slow
async def test_a_start_that_is_cancelled_at_any_step_ends(tmp_path: Path, bootstrap: Any) -> None:
    """Counted in steps of the program, so that a slow machine is cancelled at the same places."""
    config = config_of(tmp_path / "Eve", bootstrap.addresses)

    class AfterSteps(trio.abc.Instrument):
        left = 0
        scope = trio.CancelScope()

        def before_task_step(self, _task: trio.lowlevel.Task) -> None:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()

    steps = AfterSteps()
    trio.lowlevel.add_instrument(steps)
    try:
        for left in (1, 2, 4, 8, 16, 30, 60, 100, 150, 300, 600, 1000, 2000):
            steps.scope = trio.CancelScope()
            with trio.fail_after(60), steps.scope:
                steps.left = left
                async with open_node(config=config) as node:
                    await node.reachable.wait()
    finally:
        trio.lowlevel.remove_instrument(steps)
    with trio.fail_after(60):
        async with open_node(config=config) as node:
            await node.reachable.wait()


@pytest.mark.real
@pytest.mark.slow
async def test_a_cancelled_node_ends_what_rings_and_is_no_longer_found(
    start: Start, tmp_path: Path, bootstrap: Any
) -> None:
    bob = await start("Bob")
    config = config_of(tmp_path / "Eve", bootstrap.addresses)
    with trio.CancelScope() as scope:
        async with open_node(config=config, goodbye_seconds=60) as eve:
            with trio.fail_after(60):
                await eve.reachable.wait()
            await befriend(eve, bob)
            code = parse_code(await code_of(eve))
            found = await bob._network.rendezvous.resolve(Identity(code.identity), code.secret)
            assert [presence.peer_id for presence in found] == [eve.started.peer_id]
            async with bob.incoming() as ringing, eve.call("Bob"):
                with trio.fail_after(60):
                    theirs = await ringing.receive()
                scope.cancel()
                await trio.sleep_forever()
    assert await ended(theirs, 5) in {EndReason.MISSED, EndReason.PEER_HUNG_UP}
    assert await bob._network.rendezvous.resolve(Identity(code.identity), code.secret) == ()


@pytest.mark.real
@pytest.mark.slow
async def test_the_caller_reads_that_the_node_it_rings_at_was_stopped(start: Start) -> None:
    """Told, and at once: found out by itself it would have another reason, when the ring ends."""
    bob, eve = await start("Bob"), await start("Eve")
    await befriend(eve, bob)
    with trio.fail_after(120):
        async with eve.incoming() as ringing, bob.call("Eve") as call:
            await ringing.receive()
            await start.stop("Eve")
            last = [event async for event in call.events][-1]
    assert isinstance(last, CallEnded)
    assert last.reason is EndReason.SHUTDOWN
    assert last.sentence.startswith("Their device was stopped before anybody answered.")
