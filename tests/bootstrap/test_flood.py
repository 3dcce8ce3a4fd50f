"""A bootstrap under attack: honest nodes notice nothing, and it forgets all of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.net.bootstraps.bootstraps import ask_description
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.relay.client import RelayClient, through
from tests.fakes.relay_world import ECHO, echo, said_back

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(660)]

PATIENCE_SECONDS = 600.0
"""For all of it, on a machine that does much else; about a minute on one that does not. What is
done is counted, so that the attack lasts as long as honest nodes need under it."""
PAIRS = 10
NEWCOMERS = 5
"""Pairs that enter, one after the other, during the attack."""
CALLS = 5 * PAIRS
"""Made during the attack by those who came before it, at least."""
BETWEEN_CALLS = 1.0
CALL_SECONDS = 60.0
"""A call that takes longer did not succeed."""
RETURN_SECONDS = 120.0
GROWTH = 1.2
"""What the process may have grown by, once it is over."""


@attrs.frozen
class Running:
    """A bootstrap in a process of its own."""

    pid: int
    addresses: tuple[str, ...]

    @property
    def memory(self) -> int:
        """Resident bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def bootstrap_process(home: Path) -> AsyncIterator[Running]:
    # All pairs of this test come from one address and ask without a pause.
    config = attrs.evolve(ephemeral_config(), requests_per_minute=600.0, requests_burst=100)
    create(home, config)
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "onmeet_bootstrap", "run", "--json", "--home", str(home)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = b""
        while not line.endswith(b"\n"):
            line += await process.stdout.receive_some()
        yield Running(process.pid, tuple(json.loads(line)["addresses"]))
        assert process.poll() is None, "it did not survive"
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


class Honest:
    """Pairs of nodes that call each other through the relay, again and again."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses
        self.calls = 0
        self._over = trio.Event()
        self._called = trio.Event()

    async def pair(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Two nodes, from entering to leaving; a call that does not succeed fails the test."""
        async with (
            open_host(HostConfig(listen=())) as caller,
            open_host(HostConfig(listen=())) as callee,
        ):
            callee.handle(ECHO, echo)
            RelayClient(caller)
            for host in (caller, callee):
                await ask_description(host, await host.connect(self.addresses))
            await RelayClient(callee).reserve(self.addresses)
            await self._call(caller, callee)
            task_status.started()
            while not self._over.is_set():
                await self._call(caller, callee)
                with trio.move_on_after(BETWEEN_CALLS):
                    await self._over.wait()

    async def _call(self, caller: Host, callee: Host) -> None:
        with trio.fail_after(CALL_SECONDS):
            await caller.connect([through(self.addresses[0], callee.peer_id)])
            stream = await caller.open_stream(callee.peer_id, ECHO)
            assert await said_back(stream, b"hello") == b"hello"
            stream.abort()
            await caller.disconnect(callee.peer_id)
        self.calls += 1
        self._called.set()
        self._called = trio.Event()

    async def made(self, calls: int) -> None:
        """Returns when so many calls were made."""
        while self.calls < calls:
            await self._called.wait()

    def go_home(self) -> None:
        """The pairs end after the call they are in."""
        self._over.set()


@asynccontextmanager
async def attackers(addresses: Sequence[str]) -> AsyncIterator[None]:
    """Everything in `hostile`, in a process that is killed in the end."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.bootstrap.hostile", *addresses],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        said = b""
        while not said.endswith(b"\n") and (piece := await process.stdout.receive_some()):
            said += piece  # a pipe gives what is there
        assert said == b"attacking\n"
        yield
        assert process.poll() is None, "the attackers gave up"
    finally:
        # With its own child, which stands still; and it may be too busy to end by itself.
        os.killpg(process.pid, signal.SIGKILL)
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


async def visit(addresses: Sequence[str]) -> None:
    """Twenty nodes come, call, and go."""
    honest = Honest(addresses)
    async with trio.open_nursery() as nursery:
        for _ in range(PAIRS):
            await nursery.start(honest.pair)
        honest.go_home()


async def test_twenty_honest_nodes_notice_no_flood_and_memory_returns(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with bootstrap_process(tmp_path / "home") as bootstrap:
            await visit(bootstrap.addresses)
            before = bootstrap.memory
            honest = Honest(bootstrap.addresses)
            async with trio.open_nursery() as nursery:
                for _ in range(PAIRS):
                    await nursery.start(honest.pair)
                async with attackers(bootstrap.addresses):
                    quiet = honest.calls
                    for _ in range(NEWCOMERS):
                        newcomer = Honest(bootstrap.addresses)
                        newcomer.go_home()
                        await newcomer.pair()
                    await honest.made(quiet + CALLS)
                    under, made = bootstrap.memory, honest.calls - quiet
                honest.go_home()
            with trio.move_on_after(RETURN_SECONDS):
                while bootstrap.memory > GROWTH * before:  # noqa: ASYNC110
                    await trio.sleep(0.5)
            told = f"{before / 2**20:.0f} MB, {under / 2**20:.0f}, {bootstrap.memory / 2**20:.0f}"
            print(f"{made} calls, {NEWCOMERS} newcomers; memory before, under and after: {told}")
            assert bootstrap.memory <= GROWTH * before, told
            await visit(bootstrap.addresses)
