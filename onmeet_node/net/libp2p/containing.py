"""What one connection raises inside py-libp2p ends that connection, and nothing else.

The library starts tasks for each connection in nurseries that hold all of them, and for identify in
trio's system tasks, where an exception is an internal error and ends the process. Both are wrapped
here; listeners and dialing have their own (`listening`, `websocket`), stream handlers `library`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio
from libp2p.abc import IHost
from libp2p.kad_dht.kad_dht import KadDHT
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.swarm import Swarm

from onmeet_node.net.libp2p.muxing import DROP_SECONDS
from onmeet_node.process.faults import alone, contained

CONNECTION = "libp2p connection"
IDENTIFY = "identify exchange"
DHT = "DHT upkeep"
AGAIN = 60.0
"""Seconds until the DHT's own upkeep begins anew after a fault."""

Run = Callable[..., Awaitable[object]]


def contain_network(raw: IHost, network: Swarm) -> None:
    """Wraps the tasks that `network` will run, and the exchanges of identify."""
    unwrapped = network.run

    async def run() -> None:
        _wrap_tasks(network.manager)
        await unwrapped()

    network.run = run  # type: ignore[method-assign]
    host: Any = raw
    host._identify_task_entry = partial(alone, IDENTIFY, host._identify_task_entry)


def contain_dht(kad: KadDHT) -> None:
    """Wraps the DHT's upkeep, which asks many peers: it goes on after a fault of one."""
    unwrapped = kad.run

    async def run() -> None:
        while True:
            with contained(DHT):
                await unwrapped()
            await trio.sleep(AGAIN)

    kad.run = run  # type: ignore[method-assign]


def _wrap_tasks(manager: Any) -> None:
    start: Callable[..., None] = manager.run_task

    def run_task(fn: Run, *args: Any, **options: Any) -> None:
        start(partial(_serve, fn), *args, **options)

    manager.run_task = run_task


async def _serve(fn: Run, *args: Any) -> None:
    failed = False

    def then() -> None:
        nonlocal failed
        failed = True

    with contained(CONNECTION, then=then):
        await fn(*args)
    owner = getattr(fn, "__self__", None)
    if failed and isinstance(owner, SwarmConn):
        # Without its task it would take nothing more, and look alive.
        with (
            trio.CancelScope(shield=True),
            trio.move_on_after(DROP_SECONDS),
            contained(CONNECTION),
        ):
            await owner.close()
            if owner in owner.swarm.get_connections(owner.muxed_conn.peer_id):
                # NOTE: a close that the fault cut short counts as done to the library.
                await owner._cleanup()
