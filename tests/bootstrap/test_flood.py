"""A bootstrap under attack: honest nodes notice nothing, and it forgets all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from bootstrap.config import ephemeral_config
from bootstrap.config_file import create
from onmeet_node.net.bootstraps import ask_description
from onmeet_node.net.host import HostConfig, open_host
from onmeet_node.net.relay import RelayClient, through
from tests.bootstrap import hostile
from tests.fakes.relay_world import ECHO, echo, said_back

pytestmark = [pytest.mark.real, pytest.mark.slow]

FLOOD_SECONDS = 15.0
PAIRS = 3
RETURN_SECONDS = 40.0
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
        [sys.executable, "-m", "bootstrap", "run", "--json", "--home", str(home)],
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


async def honest_pair(addresses: Sequence[str]) -> None:
    """All that two nodes want of a bootstrap: each step works, within the usual limits."""
    async with (
        open_host(HostConfig(listen=())) as caller,
        open_host(HostConfig(listen=())) as callee,
    ):
        callee.handle(ECHO, echo)
        RelayClient(caller)
        for host in (caller, callee):
            peer = await host.connect(addresses)
            await ask_description(host, peer)
        await RelayClient(callee).reserve(addresses)
        await caller.connect([through(addresses[0], callee.peer_id)])
        stream = await caller.open_stream(callee.peer_id, ECHO)
        assert await said_back(stream, b"hello") == b"hello"
        stream.abort()


async def honest_round(addresses: Sequence[str]) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(PAIRS):
            nursery.start_soon(honest_pair, addresses)


async def test_honest_nodes_notice_no_flood_and_memory_returns(tmp_path: Path) -> None:
    with trio.fail_after(100):
        async with bootstrap_process(tmp_path / "home") as bootstrap:
            for _ in range(2):
                await honest_round(bootstrap.addresses)
            before = bootstrap.memory
            port = int(bootstrap.addresses[0].split("/")[4])
            rounds = 0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hostile.half_open, port)
                for attack in (
                    hostile.open_streams,
                    hostile.forge_reservations,
                    hostile.dht_garbage,
                    hostile.reads_nothing,
                ):
                    nursery.start_soon(attack, bootstrap.addresses)
                end = trio.current_time() + FLOOD_SECONDS
                while trio.current_time() < end:
                    await honest_round(bootstrap.addresses)
                    rounds += 1
                under = bootstrap.memory
                nursery.cancel_scope.cancel()
            assert rounds
            with trio.move_on_after(RETURN_SECONDS):
                while bootstrap.memory > GROWTH * before:  # noqa: ASYNC110
                    await trio.sleep(0.5)
            await honest_round(bootstrap.addresses)
            told = f"{before / 2**20:.0f} MB, {under / 2**20:.0f}, {bootstrap.memory / 2**20:.0f}"
            print(f"{rounds} rounds; memory before, under and after the flood: {told}")
            assert bootstrap.memory <= GROWTH * before, told
