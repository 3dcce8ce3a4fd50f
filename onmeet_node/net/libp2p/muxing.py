"""Yamux, bounded: a peer that breaks its rules loses its connection at once."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import trio
from libp2p.abc import IMuxedConn, ISecureConn
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.noise.io import SIZE_NOISE_MESSAGE_LEN, NoiseTransportReadWriter
from libp2p.security.secure_session import SecureSession
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from libp2p.stream_muxer.yamux.yamux import (
    GO_AWAY_NORMAL,
    TYPE_DATA,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
    Yamux,
    YamuxStream,
)

from onmeet_node.net.libp2p.quick_lock import QuickLock
from onmeet_node.net.libp2p.tcp_stream import SocketStream
from onmeet_node.process.faults import contained
from onmeet_node.process.work import WORK

BUFFER_LIMIT = 32 * 2**20
"""Bytes one connection may have waiting unread. The library notices a peer that ignores its
receive window, but goes on buffering; honest peers reach 16 MiB on one fast stream."""
MAX_FRAME_BYTES = 2**20
"""Of one DATA frame. All implementations send at most 64 KiB; the library would wait for 16 MiB."""
DROP_SECONDS = 2.0
"""For the orderly end of a connection that failed."""

MAX_NOW = 16_384
"""Bytes of data that are written without waiting; Noise takes four times as many."""

_WINDOW_UPDATE = bytes([0, TYPE_WINDOW_UPDATE, 0, 0])
"""How a frame begins that is a window update and nothing else: version, type, no flags."""


def use_own_muxer(muxers: MuxerMultistream) -> None:
    """Makes connections of the class that was agreed on.

    Whatever class it is given for Yamux's protocol, the library makes its own.
    """

    async def new_conn(conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        protocol, muxer = await muxers._selector.select(
            conn, conn.is_initiator, muxers.negotiate_timeout
        )
        return muxers._annotate_connection(muxer(conn, peer_id), conn, protocol)

    muxers.new_conn = new_conn  # type: ignore[method-assign]


class BoundedYamux(Yamux):
    """The library's Yamux, which ends with whatever it did not expect."""

    _spoke = False
    """Whether data of ours went out after the last that came in: for `WORK`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """See the library."""
        super().__init__(*args, **options)
        self.streams_lock: Any = QuickLock()
        self._write_lock: Any = QuickLock()

    async def start(self) -> None:
        """Serves the connection until it is closed; then it is closed for sure."""
        failed = False

        def fail() -> None:
            nonlocal failed
            failed = True

        try:
            with contained("libp2p connection", then=fail):
                await super().start()
        finally:
            # NOTE: the library waits for this without a limit, and never sets it when the first
            # bytes of a peer end the connection while it starts.
            self.event_started.set()
            if failed or not self.event_shutting_down.is_set():
                with (
                    trio.CancelScope(shield=True),
                    trio.move_on_after(DROP_SECONDS),
                    contained("libp2p connection"),
                ):
                    await self.close()

    async def close(self, error_code: int = GO_AWAY_NORMAL) -> None:
        """See the library, which forgets the streams without a word to those who serve them."""
        streams = list(self.streams.values())
        await super().close(error_code)
        for stream in streams:
            if isinstance(stream, LeanStream) and stream.when_lost is not None:
                stream.when_lost()

    async def open_stream(self) -> YamuxStream:
        """See the library; counted."""
        WORK.streams += 1
        return await super().open_stream()

    async def _write_frame(self, data: bytes) -> None:
        WORK.frames += 1
        WORK.window_updates += data.startswith(_WINDOW_UPDATE)
        self._spoke = True
        # NOTE: the library also describes each frame for a log that nobody keeps, and passes
        # through the scheduler once more.
        async with self._write_lock:
            await self.secured_conn.write(data)

    async def _read_data_body(self, length: int) -> bytes:
        if self._spoke and self.is_initiator:
            WORK.turns += 1
        self._spoke = False
        unread = sum(map(len, self.stream_buffers.values()))
        if length > MAX_FRAME_BYTES or unread + length > BUFFER_LIMIT:
            # NOTE: of all exceptions, this one alone the library takes as the connection's end.
            raise trio.TooSlowError("a peer sends what nobody can read")
        body: Any = await super()._read_data_body(length)
        return bytes(body)


class LeanStream(YamuxStream):
    """The library's stream, which tells the peer to go on sending only when that helps it.

    The library answers each piece that was read with a window update, however small: half of all
    frames of a call.
    """

    def __init__(self, stream_id: int, conn: Yamux, is_initiator: bool) -> None:
        """See the library."""
        self._lost = False
        self.when_lost: Callable[[], None] | None = None
        """Called once the peer resets it, or its connection is gone."""
        super().__init__(stream_id, conn, is_initiator)
        self.window_lock: Any = QuickLock()
        self.close_lock: Any = QuickLock()

    @property
    def reset_received(self) -> bool:
        """See the library, which sets it in each case that is no orderly end."""
        return self._lost

    @reset_received.setter
    def reset_received(self, lost: bool) -> None:
        if lost and not self._lost and self.when_lost is not None:
            self.when_lost()
        self._lost = lost

    async def _auto_tune_and_send_window_update(self, *, bytes_read: int = 0) -> None:
        """Opens the window again once half of it was read, as Yamux's specification wants it."""
        del bytes_read
        unread = len(self.conn.stream_buffers.get(self.stream_id, b""))
        if 2 * (self.target_recv_window - self.recv_window - unread) >= self.target_recv_window:
            await super()._auto_tune_and_send_window_update()

    def _socket(self, size: int) -> SocketStream | None:
        """Where `size` bytes of data may be written at once; None if somebody or something waits.

        That is a connection over TCP: others wait for their carrier.
        """
        conn = self.conn
        session = conn.secured_conn
        noise = session.conn if isinstance(session, SecureSession) else None
        if (
            size > self.send_window
            or self.send_closed
            or self.closed
            or conn.event_shutting_down.is_set()
            or conn._write_lock.locked()
            or not isinstance(conn, BoundedYamux)
            or not isinstance(noise, NoiseTransportReadWriter)
        ):
            return None
        raw = noise.read_writer.read_write_closer
        socket = raw.stream if isinstance(raw, RawConnection) else None
        return socket if isinstance(socket, SocketStream) and socket.free else None

    def free(self, size: int) -> bool:
        """Whether so many bytes may be written by `write_now`."""
        return size <= MAX_NOW and self._socket(size) is not None

    def write_now(self, data: bytes) -> SocketStream | None:
        """Writes without waiting, while `free`. What is returned must be written to once more."""
        socket = self._socket(len(data))
        assert socket is not None, "only while it is free"
        self.send_window -= len(data)
        head = struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_DATA, 0, self.stream_id, len(data))
        packet = self.conn.secured_conn.conn.encrypt(head + data)  # type: ignore[attr-defined]
        WORK.frames += 1
        self.conn._spoke = True  # type: ignore[attr-defined]
        whole = socket.write_now(len(packet).to_bytes(SIZE_NOISE_MESSAGE_LEN, "big") + packet)
        return None if whole else socket
