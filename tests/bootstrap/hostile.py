"""What a bootstrap meets on the internet, each in its own task: floods, garbage, silence."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress

import trio
import trio.lowlevel
from libp2p.peer.id import ID
from libp2p.stream_muxer.yamux.yamux import FLAG_SYN, TYPE_WINDOW_UPDATE, YAMUX_HEADER_FORMAT

from onmeet_node.net.errors import NetError
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.libp2p.patches import KAD_PROTOCOL
from onmeet_node.net.relay import circuit
from onmeet_node.net.relay.circuit import HOP, HopMessage
from onmeet_node.protocol.wire.bootstrap_api import PROTOCOL, Describe, encode_request
from onmeet_node.protocol.wire.frames import encode_frame

HALF_OPEN = 500
STREAMS = 5_000
FROM = "127.0.0.9"
"""Of the half-open connections: a machine of their own, as loopback goes."""


async def half_open(port: int, host: str = "127.0.0.1", source: str = FROM) -> None:
    """Holds 500 connections that say nothing, anew as they are cut off, until cancelled."""
    with ExitStack() as sockets:
        while True:
            for _ in range(HALF_OPEN):
                silent = sockets.enter_context(socket.socket())
                silent.bind((source, 0))
                silent.setblocking(False)
                silent.connect_ex((host, port))
            await trio.sleep(9)  # longer than the bootstrap waits for them
            sockets.close()


async def open_streams(addresses: Sequence[str]) -> None:
    """5,000 streams over one connection, as fast as it takes them, and nothing on any of them."""
    async with open_host(HostConfig(listen=())) as host:
        peer = await host.connect(addresses)
        (connection,) = host.raw.get_network().get_connections(ID.from_string(peer))
        for number in range(STREAMS):
            header = struct.pack(
                YAMUX_HEADER_FORMAT, 0, TYPE_WINDOW_UPDATE, FLAG_SYN, 1_000_001 + 2 * number, 0
            )
            await connection.muxed_conn._write_frame(header)  # type: ignore[attr-defined]
        await trio.sleep_forever()


async def forge_reservations(addresses: Sequence[str]) -> None:
    """Asks for places in the names of others, and says nonsense to the relay."""
    async with open_host(HostConfig(listen=())) as host:
        peer = await host.connect(addresses)
        for number in range(300):
            other = ID(b"\x00\x24\x08\x01\x12\x20" + os.urandom(32))
            message = HopMessage(type=HopMessage.RESERVE, peer=circuit.peer_field(str(other)))
            said = os.urandom(200) if number % 3 == 0 else None
            await _say(host, peer, HOP, said, message)
        await trio.sleep_forever()


async def dht_garbage(addresses: Sequence[str]) -> None:
    """Bytes that are no message, messages that are no record, and a length of 1 GB."""
    async with open_host(HostConfig(listen=())) as host:
        peer = await host.connect(addresses)
        for number in range(300):
            length = b"\x80\x80\x80\x80\x04" if number % 2 else b"\xc8\x01"
            await _say(host, peer, KAD_PROTOCOL, length + os.urandom(200))
        await trio.sleep_forever()


async def _say(
    host: Host, peer: str, protocol: str, said: bytes | None, message: HopMessage | None = None
) -> None:
    with suppress(NetError, trio.BrokenResourceError, trio.ClosedResourceError):
        stream = await host.open_stream(peer, protocol)
        if message is not None and said is None:
            await circuit.send_message(stream, message)
        else:
            await stream.send_all(said or b"")
        await trio.lowlevel.checkpoint()


_SILENT = """
import sys, trio
from tests.bootstrap.hostile import ask_and_stop
trio.run(ask_and_stop, sys.argv[1:])
"""


async def ask_and_stop(addresses: Sequence[str]) -> None:
    """Asks a great deal, then reads nothing any more: the whole process stands still."""
    async with open_host(HostConfig(listen=())) as host:
        peer = await host.connect(addresses)
        for _ in range(64):
            with suppress(NetError, trio.BrokenResourceError):
                stream = await host.open_stream(peer, PROTOCOL)
                await stream.send_all(encode_frame(encode_request(Describe())) * 8)
        os.kill(os.getpid(), signal.SIGSTOP)


async def reads_nothing(addresses: Sequence[str]) -> None:
    """`ask_and_stop` in a process of its own, until cancelled."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", _SILENT, *addresses],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        stopped = os.WSTOPPED | os.WEXITED | os.WNOWAIT
        told = await trio.to_thread.run_sync(
            os.waitid, os.P_PID, process.pid, stopped, abandon_on_cancel=True
        )
        assert told is not None
        assert told.si_code == os.CLD_STOPPED, "it ended instead of standing still"
        await trio.sleep_forever()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def everything(addresses: Sequence[str]) -> None:
    """All of it at once, until killed. Says so on stdout when each attack has begun."""
    port = int(addresses[0].split("/")[4])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(half_open, port)
        for attack in (open_streams, forge_reservations, dht_garbage, reads_nothing):
            nursery.start_soon(attack, addresses)
        print("attacking", flush=True)


if __name__ == "__main__":
    trio.run(everything, sys.argv[1:])
