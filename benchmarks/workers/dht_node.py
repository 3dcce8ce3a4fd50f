"""One DHT node, of bare py-libp2p or of On-Meet's own host, commanded by JSON lines on stdin.

    dht_node.py libp2p|onmeet server|client ADDRESS [ENTRY_MULTIADDR]

Requests `{"id", "do", …}`: `put` and `get` (numbers of records), `dial` (a multiaddr and how
often), `table`; each is answered with `{"event": "answer", "id", "ms": […], "failed": n}`. Record
number i is the same bytes in every process: a real presence record.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

import trio

ECHO = "/onmeet/bench-echo/1"
LIMIT = 30.0


class Node(Protocol):
    """What both kinds of node can do."""

    addresses: tuple[str, ...]

    async def put(self, key: str, value: bytes) -> None: ...  # noqa: D102
    async def get(self, key: str) -> bytes | None: ...  # noqa: D102
    async def connect(self, address: str) -> None: ...  # noqa: D102
    async def echo(self, address: str) -> None: ...  # noqa: D102
    async def disconnect(self, address: str) -> None: ...  # noqa: D102
    async def table(self) -> int: ...  # noqa: D102


def record(number: int) -> tuple[str, bytes]:
    """Key and value of record `number` of today's first epoch."""
    from onmeet_node.protocol.identity.blinding import EPOCH_SECONDS
    from onmeet_node.protocol.identity.keys import IdentityKey
    from onmeet_node.protocol.identity.record import Presence, seal_record

    seed = hashlib.sha256(f"bench {number}".encode()).digest()
    epoch = int(time.time()) // EPOCH_SECONDS
    begun = int(time.time()) // 60 * 60
    return seal_record(
        IdentityKey.from_seed(seed),
        seed[:16],
        epoch,
        [Presence("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN", seen_at=begun)],
        now=begun,
        not_after=begun + 7200,
        nonce24=seed[:24],
    )


def record_key_of(number: int) -> str:
    """The key alone."""
    return record(number)[0]


@asynccontextmanager
async def open_libp2p(mode: str, address: str, entry: str | None) -> AsyncIterator[Node]:
    """Py-libp2p as its documentation sets it up; nothing of On-Meet but the record's bytes."""
    from libp2p import new_host
    from libp2p.custom_types import TProtocol
    from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
    from libp2p.peer.id import ID
    from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
    from libp2p.records.validator import Validator
    from libp2p.tools.anyio_service import background_trio_service
    from multiaddr import Multiaddr

    class AnyRecord(Validator):
        def validate(self, key: str, value: bytes) -> None:
            """Everything goes."""

        def select(self, key: str, values: list[bytes]) -> int:  # noqa: ARG002
            return len(values) - 1

    class Bare:
        addresses: tuple[str, ...]

        async def put(self, key: str, value: bytes) -> None:
            await dht.put_value(key, value)

        async def get(self, key: str) -> bytes | None:
            return await dht.get_value(key)

        async def connect(self, address: str) -> None:
            await host.connect(info_from_p2p_addr(Multiaddr(address)))

        async def echo(self, address: str) -> None:
            stream = await host.new_stream(peer_of(address), [TProtocol(ECHO)])
            await stream.write(b"x")
            await stream.read(1)
            await stream.close()

        async def disconnect(self, address: str) -> None:
            await host.disconnect(peer_of(address))

        async def table(self) -> int:
            return len(dht.routing_table.get_peer_ids())

    def peer_of(address: str) -> ID:
        return info_from_p2p_addr(Multiaddr(address)).peer_id

    async def serve_echo(stream: Any) -> None:
        await stream.write(await stream.read(1))
        await stream.close()

    host = new_host()
    host.set_stream_handler(TProtocol(ECHO), serve_echo)
    async with host.run(listen_addrs=[Multiaddr(f"/ip4/{address}/tcp/0")]):
        dht = KadDHT(host, DHTMode.SERVER if mode == "server" else DHTMode.CLIENT)
        dht.register_validator("om", AnyRecord())
        async with background_trio_service(dht):
            if entry:
                info = info_from_p2p_addr(Multiaddr(entry))
                await host.connect(info)
                await dht.routing_table.add_peer(PeerInfo(info.peer_id, info.addrs))
                await dht.refresh_routing_table()
            node = Bare()
            node.addresses = tuple(
                str(found) if "/p2p/" in str(found) else f"{found}/p2p/{host.get_id()}"
                for found in host.get_addrs()
            )
            yield node


@asynccontextmanager
async def open_onmeet(mode: str, address: str, entry: str | None) -> AsyncIterator[Node]:
    """On-Meet's host, as nodes and bootstraps use it."""
    from onmeet_node.net.libp2p.open_host import HostConfig, open_host

    class Ours:
        addresses: tuple[str, ...]

        async def put(self, key: str, value: bytes) -> None:
            await host.put(key, value)

        async def get(self, key: str) -> bytes | None:
            return await host.get(key)

        async def connect(self, address: str) -> None:
            await host.connect([address])

        async def echo(self, address: str) -> None:
            stream = await host.open_stream(address.rpartition("/")[2], ECHO)
            await stream.send_all(b"x")
            await stream.receive_some(1)
            await stream.aclose()

        async def disconnect(self, address: str) -> None:
            await host.disconnect(address.rpartition("/")[2])

        async def table(self) -> int:
            return len(host.dht_peers())

    async def serve_echo(stream: trio.abc.Stream) -> None:
        await stream.send_all(await stream.receive_some(1))

    config = HostConfig(listen=(f"/ip4/{address}/tcp/0",), server=mode == "server")
    async with open_host(config) as host:
        host.handle(ECHO, serve_echo)
        if entry:
            await host.join([entry])
        node = Ours()
        node.addresses = host.addresses
        yield node


async def timed(work: Callable[[], Awaitable[object]]) -> float | None:
    """Milliseconds, or None when it failed or found nothing."""
    begun = time.perf_counter()
    try:
        with trio.fail_after(LIMIT):
            if await work() is False:
                return None
    except Exception as error:  # noqa: BLE001 - whatever it was, it gave no measurement
        print(f"failed: {error!r}", file=sys.stderr, flush=True)
        return None
    return (time.perf_counter() - begun) * 1000


async def obey(node: Node, request: dict[str, Any]) -> dict[str, Any]:
    """Carries out one request."""
    results: list[float | None] = []
    match request["do"]:
        case "put":
            for number in request["numbers"]:
                key, value = record(number)
                results.append(await timed(partial(node.put, key, value)))
        case "get":
            for number in request["numbers"]:
                key = record_key_of(number)

                async def get(key: str = key) -> bool:
                    return await node.get(key) is not None

                results.append(await timed(get))
        case "dial":
            streams: list[float | None] = []
            address = request["address"]
            for _ in range(request["times"]):
                results.append(await timed(partial(node.connect, address)))
                streams.append(await timed(partial(node.echo, address)))
                await timed(partial(node.disconnect, address))
                await trio.sleep(0.05)
            return {**tally(results), "stream_ms": tally(streams)["ms"]}
        case "table":
            return {"size": await node.table()}
    return tally(results)


def tally(results: list[float | None]) -> dict[str, Any]:
    """Times of what worked, and how many did not."""
    worked = [result for result in results if result is not None]
    return {"ms": worked, "failed": len(results) - len(worked)}


async def main(stack: str, mode: str, address: str, entry: str | None = None) -> None:
    """Runs the node until stdin ends."""
    opener = open_libp2p if stack == "libp2p" else open_onmeet
    async with opener(mode, address, entry) as node:
        print(json.dumps({"event": "ready", "addresses": node.addresses}), flush=True)
        buffer = b""
        stdin = trio.lowlevel.FdStream(0)
        while part := await stdin.receive_some():
            *lines, buffer = (buffer + part).split(b"\n")
            for line in lines:
                request = json.loads(line)
                answer = await obey(node, request)
                print(json.dumps({"event": "answer", "id": request["id"], **answer}), flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
