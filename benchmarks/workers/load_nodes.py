"""Many light nodes in one process: what a bootstrap sees of nodes, and nothing of what they cost.

    load_nodes.py FIRST COUNT BOOTSTRAP_MULTIADDR

Node number i has the same identity in every process. Each is a host of its own that never listens,
keeps in touch with the bootstrap, holds a place at its relay and a record in the DHT, all by the
code of real nodes; it has no store, no media and no contacts. `{"event": "ready", "reachable": n}`
is told when they are all in, or LIMIT_SECONDS are over.

The request `{"id", "do": "calls", "per_minute", "length", "callees"}` sets calls up for `length`
seconds: a lookup by identity, a circuit through the relay, and a message of an offer's size there
and back. It is answered with `{"event": "answer", "id", "ms": […], "failed": n}`.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from onmeet_node.errors import OnMeetError
from onmeet_node.net.bootstraps.bootstraps import Bootstraps
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.presence.rendezvous import Rendezvous
from onmeet_node.net.relay.client import RelayClient
from onmeet_node.net.relay.reservations import keep_reservations
from onmeet_node.protocol.identity.audience import Audience
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.person_keys import HeldKeys
from onmeet_node.protocol.identity.record import Presence

ECHO = "/onmeet/load-echo/1"
OFFER_BYTES = 6_000
"""An offer with its candidates, sealed."""
STARTS_AT_ONCE = 4
LIMIT_SECONDS = 240.0
CALL_SECONDS = 30.0


@dataclass
class Node:
    """A light node that is up."""

    host: Host
    rendezvous: Rendezvous


def identity_of(number: int) -> tuple[IdentityKey, bytes]:
    """The key of node `number`, and the secret of its one audience."""
    seed = hashlib.sha256(f"load {number}".encode()).digest()
    return IdentityKey.from_seed(seed), seed[:16]


async def serve_echo(stream: trio.abc.Stream) -> None:
    """Gives an offer back."""
    await stream.send_all(await _exactly(stream, OFFER_BYTES))


async def _exactly(stream: trio.abc.Stream, size: int) -> bytes:
    got = b""
    while len(got) < size:
        part = await stream.receive_some(size - len(got))
        if not part:
            raise EOFError
        got += part
    return got


async def live(
    number: int, bootstrap: str, up: list[Node], task_status: trio.TaskStatus[None]
) -> None:
    """One node, until cancelled; started once it can be found."""
    key, secret = identity_of(number)
    audience = Audience("load", secret)
    async with open_host(HostConfig(listen=())) as host:
        host.handle(ECHO, serve_echo)
        relays, bootstraps = RelayClient(host), Bootstraps(host, [bootstrap])
        rendezvous = Rendezvous(host, HeldKeys(key))
        relays.on_change(rendezvous.refresh)

        def presence(_audience: Audience) -> Presence | None:
            if not relays.addresses:
                return None
            return Presence(peer_id=host.peer_id, relays=relays.addresses)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bootstraps.run)
            nursery.start_soon(keep_reservations, bootstraps, relays)
            nursery.start_soon(rendezvous.run, lambda: [audience], presence)
            await rendezvous.published.wait()
            up.append(Node(host, rendezvous))
            task_status.started()


async def call(caller: Node, callee: int) -> float:
    """Seconds to find and reach a node and have an offer answered."""
    begun = time.perf_counter()
    key, secret = identity_of(callee)
    found = await caller.rendezvous.resolve(key.public, secret)
    peer = await caller.host.connect([way for presence in found for way in presence.relays])
    stream = await caller.host.open_stream(peer, ECHO)
    try:
        await stream.send_all(bytes(OFFER_BYTES))
        await _exactly(stream, OFFER_BYTES)
    finally:
        stream.abort()
        await caller.host.disconnect(peer)
    return time.perf_counter() - begun


async def make_calls(up: list[Node], request: dict[str, Any]) -> dict[str, Any]:
    """So many calls a minute, evenly, from this process's nodes to any of `callees`."""
    times: list[float] = []
    failed: list[str] = []

    async def one() -> None:
        try:
            with trio.fail_after(CALL_SECONDS):
                callee = random.choice(request["callees"])
                times.append(await call(random.choice(up), callee))
        except (OnMeetError, OSError, EOFError, trio.TooSlowError, trio.BrokenResourceError) as e:
            failed.append(type(e).__name__)
            print(f"a call failed: {e!r}", file=sys.stderr, flush=True)

    async with trio.open_nursery() as nursery:
        for _ in range(round(request["per_minute"] * request["length"] / 60)):
            nursery.start_soon(one)
            await trio.sleep(60 / request["per_minute"])
    return {"ms": [seconds * 1000 for seconds in times], "failed": len(failed)}


async def main(first: str, count: str, bootstrap: str) -> None:
    """Runs the nodes until stdin ends."""
    up: list[Node] = []
    room = trio.CapacityLimiter(STARTS_AT_ONCE)
    async with trio.open_nursery() as nodes:

        async def start(number: int) -> None:
            async with room:
                await nodes.start(partial(live, number, bootstrap, up))

        with trio.move_on_after(LIMIT_SECONDS):
            async with trio.open_nursery() as starting:
                for number in range(int(first), int(first) + int(count)):
                    starting.start_soon(start, number)
        print(json.dumps({"event": "ready", "reachable": len(up)}), flush=True)
        buffer = b""
        stdin = trio.lowlevel.FdStream(0)
        while part := await stdin.receive_some():
            *lines, buffer = (buffer + part).split(b"\n")
            for line in lines:
                request = json.loads(line)
                answer = await make_calls(up, request)
                print(json.dumps({"event": "answer", "id": request["id"], **answer}), flush=True)
        nodes.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
