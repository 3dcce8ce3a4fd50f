"""Whatever one peer sends below our own protocols ends its connection, and nobody else notices."""

from __future__ import annotations

import random
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from libp2p.identity.identify.pb.identify_pb2 import Identify

from onmeet_node.net.channels.handshake import SIGNAL_PROTOCOL
from onmeet_node.net.errors import NetError
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.libp2p.patches import KAD_PROTOCOL
from onmeet_node.net.relay.circuit import HOP, STOP
from onmeet_node.net.relay.client import RelayClient
from onmeet_node.process import faults
from onmeet_node.protocol.wire.bootstrap_api import PROTOCOL as BOOT
from tests.examples import FULL
from tests.fakes.hosts import ECHO, echo, until
from tests.fakes.raw_peer import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    MUXING,
    OPENING,
    PING,
    RST,
    SYN,
    WINDOW,
    WS_UPGRADE,
    asking,
    attack,
    frame,
    garbage,
    hostile_server,
    select,
    ws_frame,
)

pytestmark = pytest.mark.real
ID_PROTOCOL = "/ipfs/id/1.0.0"
PUSH = "/ipfs/id/push/1.0.0"
LISTEN = ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws")


class Scene:
    """A host under attack, and an honest peer whose exchange goes on meanwhile."""

    def __init__(self, host: Host, honest: Host) -> None:
        self.host = host
        self.honest = honest
        ports = {"/ws/" in address: int(address.split("/")[4]) for address in host.addresses}
        self.tcp, self.ws = ports[False], ports[True]

    async def attack(self, stage: str, said: bytes) -> None:
        port = self.ws if stage in {"http", "ws"} else self.tcp
        await attack(port, self.host.peer_id, "tcp" if stage == "http" else stage, said)

    async def exchange(self) -> None:
        stream = await self.honest.open_stream(self.host.peer_id, ECHO)
        await stream.send_all(b"still there?")
        assert await stream.receive_some() == b"still there?"
        await stream.aclose()


@asynccontextmanager
async def scene(**more: object) -> AsyncIterator[Scene]:
    config = HostConfig(listen=LISTEN, server=True, **more)  # type: ignore[arg-type]
    async with open_host(config) as host, open_host(HostConfig(listen=())) as honest:
        host.handle(ECHO, echo)
        host.handle(SIGNAL_PROTOCOL, echo)
        host.handle(BOOT, echo)
        RelayClient(host)
        await honest.connect(host.addresses[:1])
        yield Scene(host, honest)


def header(name: bytes, value: bytes) -> bytes:
    return WS_UPGRADE[:-2] + name + b": " + value + b"\r\n\r\n"


NOISE = b"\0\x20" + bytes(32)
ODD_IDENTITY = Identify(
    public_key=b"\xff" * 9, listen_addrs=[b"\xff" * 5, b""], observed_addr=b"\xfe"
).SerializeToString()
INPUTS: dict[str, tuple[str, bytes]] = {
    "TLS": ("tcp", bytes.fromhex("16030100a5010000a10303") + bytes(160)),
    "a length without end": ("tcp", b"\xff" * 300),
    "half a greeting": ("tcp", HEADER[:7]),
    "a greeting that is no text": ("tcp", HEADER + b"\x05\xff\xfe\xfd\xfc\n"),
    "three thousand protocols": ("tcp", HEADER + select("/a") * 3000),
    "an extension that is no ASCII": ("http", header(b"Sec-WebSocket-Extensions", b"\xff\xfe")),
    "compression": ("http", header(b"Sec-WebSocket-Extensions", b"permessage-deflate")),
    "a subprotocol that is no ASCII": ("http", header(b"Sec-WebSocket-Protocol", b"\xe4,,;")),
    "an old version": ("http", WS_UPGRADE.replace(b"Version: 13", b"Version: 8")),
    "a key that is none": ("http", WS_UPGRADE.replace(b"Key: ", b"Key: \xff")),
    "h2c": ("http", WS_UPGRADE.replace(b"Upgrade: websocket", b"Upgrade: h2c")),
    "the HTTP/2 preface": ("http", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(200)),
    "a head without end": ("http", WS_UPGRADE[:-2] + b"A: " + b"a" * 60_000),
    "a chunked body": ("http", WS_UPGRADE[:-2] + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "two lengths": ("http", WS_UPGRADE[:-2] + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
    "a WebSocket's text": ("ws", ws_frame(b"hello", 1)),
    "text that is no UTF-8": ("ws", ws_frame(b"\xff\xfe", 1)),
    "reserved bits": ("ws", ws_frame(OPENING, head=0xF0)),
    "an unknown opcode": ("ws", ws_frame(b"x", 11)),
    "no mask": ("ws", ws_frame(OPENING, mask=False)),
    "a long ping": ("ws", ws_frame(b"x" * 200, 9)),
    "a ping in pieces": ("ws", ws_frame(b"x", 9, head=0)),
    "a thousand pings": ("ws", ws_frame(b"x", 9) * 1000),
    "pieces without a beginning": ("ws", ws_frame(OPENING, 0)),
    "empty pieces": ("ws", ws_frame(b"", 2, head=0) + ws_frame(b"", 0, head=0) * 2000),
    "a close with half a code": ("ws", ws_frame(b"\x03", 8)),
    "a close with a code that is none": ("ws", ws_frame(b"\x00\x05", 8)),
    "a close whose reason is no UTF-8": ("ws", ws_frame(b"\x03\xe8\xff\xff", 8)),
    "a message of 2^63 bytes": ("ws", b"\x82\xff" + b"\x7f" + b"\xff" * 7 + bytes(5000)),
    "a key of zeros": ("noise", NOISE),
    "one byte of Noise": ("noise", b"\0\x01A"),
    "65,535 bytes of Noise": ("noise", b"\xff\xff" + bytes(65_535)),
    "an end in the middle of Noise": ("noise", b"\0\x20" + b"\1" * 7),
    "garbage for a muxer": ("muxer", garbage()),
    "a muxer that nobody has": ("muxer", HEADER + select("/mplex/6.7.0")),
    "an unknown version": ("yamux", b"\x09" + bytes(11)),
    "an unknown type": ("yamux", frame(77, 0xFFFF, 9)),
    "data for a stream that is none": ("yamux", frame(DATA, 0, 9, b"x" * 100)),
    "a frame of 4 GB": ("yamux", frame(DATA, 0, 9, length=0xFFFFFFFF)),
    "a frame of 16 MB": ("yamux", frame(DATA, SYN, 1, length=16 * 2**20)),
    "a window of 4 GB, often": ("yamux", frame(WINDOW, SYN, 1, length=0xFFFFFFFF) * 50),
    "an end of what never began": ("yamux", frame(WINDOW, FIN, 7) + frame(WINDOW, RST, 7)),
    "a stream that begins and is reset": ("yamux", frame(WINDOW, SYN | RST, 1) * 300),
    "a stream that begins and ends": ("yamux", frame(DATA, SYN | FIN | ACK, 1, b"x") * 300),
    "all flags": ("yamux", frame(DATA, 0xFFFF, 1, b"x") + frame(WINDOW, 0xFFFF, 3)),
    "our own stream numbers": ("yamux", b"".join(frame(WINDOW, SYN, n) for n in range(0, 60, 2))),
    "going away": ("yamux", frame(GO_AWAY, length=77)),
    "two thousand pings": ("yamux", frame(PING, SYN, 0, length=9) * 2000),
    "pongs that nobody asked for": ("yamux", frame(PING, ACK, 0, length=9) * 200),
    "a thousand streams": (
        "yamux",
        b"".join(frame(WINDOW, SYN, n) for n in range(1, 2001, 2)),
    ),
    "a list of protocols": ("yamux", asking("ls", b"\x03ls\n")),
    "a protocol that nobody has": ("yamux", asking("/nothing/1", garbage())),
    "identify asked with garbage": ("yamux", asking(ID_PROTOCOL, garbage())),
    "identify pushed as garbage": ("yamux", asking(PUSH, garbage())),
    "identify pushed with odd parts": (
        "yamux",
        asking(
            PUSH,
            bytes([len(ODD_IDENTITY)]) + ODD_IDENTITY,
        ),
    ),
    "kad garbage": ("yamux", asking(str(KAD_PROTOCOL), b"\xc8\x01" + garbage(200))),
    "kad of 1 GB": ("yamux", asking(str(KAD_PROTOCOL), b"\x80\x80\x80\x80\x04" + garbage())),
    "hop garbage": ("yamux", asking(HOP, b"\xc8\x01" + garbage(200))),
    "stop garbage": ("yamux", asking(STOP, b"\xc8\x01" + garbage(200))),
    "bootstrap garbage": ("yamux", asking(BOOT, garbage())),
    "signal garbage": ("yamux", asking(SIGNAL_PROTOCOL, garbage())),
}


@pytest.mark.parametrize("name", INPUTS)
async def test_what_a_peer_sends_to_a_listener_harms_no_other(name: str) -> None:
    stage, said = INPUTS[name]
    with trio.fail_after(60):
        async with scene() as s:
            await s.attack(stage, said)
            await s.exchange()
            await until(lambda: s.host.stats().connections == 1, 30)


DIALLED = {
    **{name: value for name, value in INPUTS.items() if value[0] in {"tcp", "noise", "muxer"}},
    **{name: value for name, value in INPUTS.items() if value[0] == "yamux"},
    "no WebSocket": ("ws", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    "a refusal with a body": ("ws", b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nxyz"),
    "a refusal that is no ASCII": ("ws", b"HTTP/1.1 101 \xff\r\nUpgrade: \xff\r\n\r\n"),
    "a wrong key": (
        "ws",
        b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: \xffnone\r\n\r\n",
    ),
    "an extension nobody asked for": ("ws", header(b"Sec-WebSocket-Extensions", b"\xff")),
    "a head of an answer without end": ("ws", b"HTTP/1.1 101 S\r\nA: " + b"a" * 60_000),
    "silence": ("ws", b""),
    "masked frames of a server": ("ws open", ws_frame(OPENING)),
    "a server's text that is no UTF-8": ("ws open", ws_frame(b"\xff", 1, mask=False)),
    "a server's odd close": ("ws open", ws_frame(b"\x00\x01\xff", 8, mask=False)),
}


@pytest.mark.parametrize("name", DIALLED)
async def test_what_an_address_answers_harms_no_other(name: str) -> None:
    stage, said = DIALLED[name]
    with trio.fail_after(60):
        async with scene() as s, hostile_server(stage, said) as address:
            with suppress(NetError):
                await s.host.connect([address])
            await s.exchange()


async def _say(said: bytes, stream) -> None:
    await stream.write(said)
    await stream.close()


@pytest.mark.parametrize("protocol", [ID_PROTOCOL, PUSH, str(KAD_PROTOCOL), HOP, STOP, BOOT])
async def test_a_peer_that_answers_garbage_harms_no_other(protocol: str) -> None:
    """Full peers, whose own handlers lie: what we ask on connecting is answered with garbage."""

    async def lie(stream) -> None:
        await stream.write(b"\xc8\x01" + garbage(200))
        await stream.close()

    with trio.fail_after(60):
        async with scene() as s, open_host(HostConfig(listen=LISTEN[:1], server=True)) as liar:
            liar.raw.set_stream_handler(protocol, lie)
            for address in liar.addresses[:1]:
                await s.host.connect([address])
                with suppress(NetError):
                    await s.host.join([address])
                with suppress(NetError):
                    await s.host.get("/om/" + "A" * 43)
            await s.exchange()


async def test_what_the_library_raises_in_a_connections_own_task_ends_that_connection() -> None:
    with trio.fail_after(60):
        async with scene() as s, open_host(HostConfig(listen=())) as other:
            await other.connect(s.host.addresses[:1])
            await until(lambda: s.host.stats().connections == 2)
            before = faults.counts().get("libp2p connection", 0)
            conns = s.host.raw.get_network().get_connections()
            broken = next(c for c in conns if str(c.muxed_conn.peer_id) == other.peer_id)

            async def fail(*_: object) -> None:
                raise ZeroDivisionError

            broken.muxed_conn.accept_stream = broken._add_stream = fail
            broken.muxed_conn._cleanup_on_error = fail
            await other.disconnect(s.host.peer_id)
            await until(lambda: s.host.stats().connections == 1, 30)
            assert faults.counts().get("libp2p connection", 0) > before
            await s.exchange()


async def test_a_fault_while_a_peer_is_identified_ends_nothing() -> None:
    with trio.fail_after(60):
        async with scene() as s:
            before = faults.counts().get("identify exchange", 0)

            async def fail(*_: object, **__: object) -> None:
                raise RecursionError

            s.host.raw._identify_peer = fail
            async with open_host(HostConfig(listen=LISTEN[:1])) as other:
                await s.host.connect(other.addresses)
                await until(lambda: faults.counts().get("identify exchange", 0) > before, 30)
            await s.exchange()


async def test_a_websocket_that_says_nothing_has_its_place_for_seconds() -> None:
    with trio.fail_after(60):
        async with scene(upgrade_limit=0.5) as s:
            for opening in (b"", WS_UPGRADE[:30], WS_UPGRADE):
                stream = await trio.open_tcp_stream("127.0.0.1", s.ws)
                async with stream:
                    await stream.send_all(opening)
                    with suppress(trio.BrokenResourceError):
                        while await stream.receive_some():
                            pass
            await s.exchange()


async def test_no_compression_is_agreed_on() -> None:
    with trio.fail_after(60):
        async with scene() as s, await trio.open_tcp_stream("127.0.0.1", s.ws) as stream:
            await stream.send_all(header(b"Sec-WebSocket-Extensions", b"permessage-deflate"))
            answer = b""
            while b"\r\n\r\n" not in answer:
                more = await stream.receive_some()
                assert more, answer
                answer += more
            assert b"101" in answer
            assert b"extensions" not in answer.lower()


async def test_without_a_descriptor_to_spare_a_listener_waits_and_goes_on(caplog) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with trio.fail_after(60):
        async with scene() as s:
            try:
                with ExitStack() as held:
                    waiting = held.enter_context(socket.socket())
                    resource.setrlimit(resource.RLIMIT_NOFILE, (_highest_open() + 20, hard))
                    with pytest.raises(OSError, match="Too many open files"):
                        while True:
                            held.enter_context(socket.socket())
                    waiting.connect(("127.0.0.1", s.tcp))
                    await until(lambda: "no connection can be accepted" in caplog.text)
                    await s.exchange()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            async with open_host(HostConfig(listen=())) as newcomer:
                await newcomer.connect(s.host.addresses[:1])
                assert newcomer.connected(s.host.peer_id)


def _highest_open() -> int:
    return max(int(each.name) for each in Path("/proc/self/fd").iterdir())


def mutated(chance: random.Random, said: bytes) -> bytes:
    data = bytearray(said[:4096])
    changes: list[Callable[[], object]] = [
        lambda: data.__setitem__(chance.randrange(len(data)), chance.randrange(256)),
        lambda: data.insert(chance.randrange(len(data) + 1), chance.choice([0, 1, 127, 128, 255])),
        lambda: data.__delitem__(slice(chance.randrange(len(data)), None)),
        lambda: data.__iadd__(data[: chance.randrange(len(data) + 1)]),
        lambda: data.__iadd__(chance.randbytes(chance.randrange(1, 200))),
    ]
    for _ in range(chance.randrange(1, 5)):
        if data:
            chance.choice(changes)()
    return bytes(data)


SEEDS: list[tuple[str, bytes]] = [
    *INPUTS.values(),
    ("http", WS_UPGRADE + ws_frame(OPENING)),
    ("tcp", OPENING + NOISE),
    ("muxer", MUXING + frame(WINDOW, SYN, 1)),
    ("yamux", asking(ECHO, b"hello")),
]


@pytest.mark.slow
@pytest.mark.timeout(7200 if FULL else 300)
async def test_mutated_inputs_end_nothing() -> None:
    chance = random.Random(15)
    limit = trio.CapacityLimiter(8)
    async with scene() as s:

        async def one(stage: str, said: bytes) -> None:
            async with limit:
                await s.attack(stage, said)

        for _ in range(1000 if FULL else 10):
            async with trio.open_nursery() as nursery:
                for _ in range(40):
                    stage, said = chance.choice(SEEDS)
                    nursery.start_soon(one, stage, mutated(chance, said))
            with trio.fail_after(30):
                await s.exchange()
        await until(lambda: s.host.stats().connections == 1, 60)
