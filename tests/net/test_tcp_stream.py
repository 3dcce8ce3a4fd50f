"""Our end of a TCP connection: read in large pieces, written without waiting where it may be."""

from __future__ import annotations

import socket

import trio

from onmeet_node.net.libp2p.tcp_stream import SocketStream

PIECE = bytes(range(256)) * 256


async def ends() -> tuple[SocketStream, trio.SocketStream]:
    """Two ends whose kernel holds little."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    near, far = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in (ours, theirs))
    await trio.lowlevel.checkpoint()
    return SocketStream(near), far


async def test_what_the_kernel_does_not_take_goes_before_what_is_written_next() -> None:
    near, far = await ends()
    async with far:
        assert near.free
        assert not near.write_now(PIECE)
        assert not near.free
        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.write, b"the end")
            while not received.endswith(b"the end"):
                received += await far.receive_some()
        assert received == PIECE + b"the end"
        assert near.free
        assert near.write_now(b"more")
        assert await far.receive_some() == b"more"
        await near.close()


async def test_bytes_are_asked_of_the_socket_once_for_many_reads() -> None:
    near, far = await ends()
    async with far:
        await far.send_all(b"\x00\x03abc\x00\x02de")
        got = [await near.read(n) for n in (2, 3, 2, 2)]
        assert got == [b"\x00\x03", b"abc", b"\x00\x02", b"de"]
        await far.send_all(b"fg")
        assert await near.read(10) == b"fg"
        await near.close()


async def test_a_closed_one_is_written_to_in_vain_and_harms_no_other() -> None:
    near, far = await ends()
    await near.close()
    assert not near.write_now(b"late")
    await near.write(b"")
    await far.aclose()
