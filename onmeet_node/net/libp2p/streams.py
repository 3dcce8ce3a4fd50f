"""libp2p streams as trio streams that survive their callers' cancellation."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import trio
from libp2p.abc import INetStream
from libp2p.network.stream.exceptions import StreamEOF

from onmeet_node.net.errors import HostClosed
from onmeet_node.net.libp2p.muxing import LeanStream
from onmeet_node.net.libp2p.quick_lock import QuickLock
from onmeet_node.net.libp2p.remote_address import network_of

if TYPE_CHECKING:
    from onmeet_node.net.libp2p.library_calls import LibraryCalls  # which knows streams

_CLOSE_LIMIT = 3.0
"""Seconds a FIN may take; a connection that cannot send one by then is dead."""
_LINGER = 10.0
"""Seconds a stream closed here waits for the peer's end before it is reset: a
reset at once could overtake data that the peer has not read yet."""
_CHUNK = 65536


class Stream(trio.abc.HalfCloseableStream):
    """One libp2p stream to `peer_id`.

    Cancelling any method leaves the connection, and the other streams on it,
    whole: what the library began it finishes in the background. Bytes that a
    cancelled `receive_some` would have returned come from the next one. After a
    cancelled `send_all` the data may or may not arrive, in order.

    Every failure of the stream or the connection is trio.BrokenResourceError. A
    peer that does not read for five seconds while its window is full breaks it.
    """

    def __init__(
        self, raw: INetStream, peer_id: str, calls: LibraryCalls, *, tell_resets: bool = True
    ) -> None:
        self.peer_id = peer_id
        raw._state_lock = QuickLock()  # type: ignore[attr-defined]
        self._raw = raw
        self._calls = calls
        self._tell_resets = tell_resets
        self._sending = trio.Lock()
        self._unsent = 0
        self._send_error: Exception | None = None
        self._sent_eof = False
        self._reading = trio.Lock()
        self._waiting = False
        self._received = bytearray()
        self._arrived = trio.Event()
        self._ended: Exception | None = None
        self._closed = False

    @property
    def network(self) -> str:
        """The network it comes from, as limits count it."""
        return network_of(self._raw.muxed_conn)

    def __repr__(self) -> str:
        return f"<Stream {self._raw.get_protocol()} with {self.peer_id}>"

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`. Raises trio.BrokenResourceError or trio.ClosedResourceError."""
        if self._closed or self._sent_eof:
            raise trio.ClosedResourceError
        if self._send_error is not None:
            raise trio.BrokenResourceError from self._send_error
        if not data:
            await trio.lowlevel.checkpoint()
            return
        self._unsent += 1
        try:
            await self._calls.call(self._send, bytes(data))
        except HostClosed as error:
            raise trio.BrokenResourceError from error

    def free(self, size: int) -> bool:
        """Whether so many bytes can be sent by `send_now`: nobody sends, and nothing waits."""
        muxed = self._raw.muxed_stream  # type: ignore[attr-defined]
        return (
            isinstance(muxed, LeanStream)
            and not (self._closed or self._sent_eof or self._unsent or self._send_error)
            and not self._calls.closed
            and muxed.free(size)
        )

    def send_now(self, data: bytes) -> None:
        """Sends without waiting and without another task, while `free`."""
        muxed = self._raw.muxed_stream  # type: ignore[attr-defined]
        if (left := muxed.write_now(data)) is not None:
            self._calls.spawn(left.write, b"")

    async def _send(self, data: bytes) -> None:
        try:
            async with self._sending:
                await self._raw.write(data)
        except Exception as error:
            self._send_error = error
            raise trio.BrokenResourceError(f"the stream to {self.peer_id} broke") from error
        finally:
            self._unsent -= 1

    async def wait_send_all_might_not_block(self) -> None:
        """Return once earlier sends are done."""
        async with self._sending:
            pass

    async def send_eof(self) -> None:
        """End our side; the peer may go on sending."""
        if self._closed:
            raise trio.ClosedResourceError
        if self._sent_eof:
            await trio.lowlevel.checkpoint()
            return
        self._sent_eof = True
        try:
            await self._calls.call(self._send_eof)
        except HostClosed as error:
            raise trio.BrokenResourceError from error

    async def _send_eof(self) -> None:
        try:
            async with self._sending:
                await self._raw.close_write()  # type: ignore[attr-defined]
        except Exception as error:
            raise trio.BrokenResourceError(f"the stream to {self.peer_id} broke") from error

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Up to `max_bytes`; b"" once the peer has ended its side."""
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._waiting:
            raise trio.BusyResourceError("another task is receiving from this stream")
        await trio.lowlevel.checkpoint()
        self._waiting = True
        try:
            while not self._received:
                if self._closed:
                    raise trio.ClosedResourceError
                if isinstance(self._ended, StreamEOF):
                    return b""
                if self._ended is not None:
                    raise trio.BrokenResourceError(
                        f"the stream from {self.peer_id} broke"
                    ) from self._ended
                self._arrived = trio.Event()
                if not self._reading.locked():
                    self._calls.spawn(self._read)
                await self._arrived.wait()
            taken = bytes(self._received[:max_bytes])
            del self._received[: len(taken)]
            return taken
        finally:
            self._waiting = False

    async def _read(self) -> None:
        # Not cancelled with its caller: a read of bulk data sends a window
        # update after taking the bytes, so cancelling there would lose them.
        async with self._reading:
            try:
                data = await self._raw.read(_CHUNK)
                if not data:
                    raise StreamEOF
                if not self._closed:
                    self._received += data
            except Exception as error:  # noqa: BLE001 - told to whoever receives next
                self._ended = self._told_apart(error)
            finally:
                self._arrived.set()

    def _told_apart(self, error: Exception) -> Exception:
        """The library reports resets and lost connections as ends of stream: say which it was."""
        if isinstance(error, StreamEOF) and self._tell_resets:
            muxed = self._raw.muxed_stream  # type: ignore[attr-defined]
            if muxed.reset_received:
                return ConnectionResetError("the peer reset the stream")
            if muxed.muxed_conn.event_shutting_down.is_set():
                return ConnectionResetError("the connection is gone")
        return error

    def abort(self) -> None:
        """Reset the stream at once, both ways; unsent data is dropped."""
        if not self._closed:
            self._closed = True
            self._arrived.set()
            self._calls.spawn(self._reset)

    async def aclose(self) -> None:
        """End the stream; raises nothing but Cancelled, and never waits for the peer."""
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        self._received.clear()
        self._arrived.set()
        broken = self._unsent or self._send_error is not None
        with contextlib.suppress(HostClosed):
            await self._calls.call(self._reset if broken else self._finish)

    async def _finish(self) -> None:
        with trio.move_on_after(_CLOSE_LIMIT) as limit, contextlib.suppress(Exception):
            await self._raw.close()
        if limit.cancelled_caught:
            await self._reset()
        elif self._ended is None:
            self._calls.spawn(self._linger)

    async def _linger(self) -> None:
        with trio.move_on_after(_LINGER) as limit:
            while self._ended is None:
                await self._read()
        if limit.cancelled_caught:
            await self._reset()

    async def _reset(self) -> None:
        # NOTE: the library forgets the event that a read waits for without setting it. Such a
        # read would wait for ever, and keep the connection with its keys and PeerId in memory.
        muxed: Any = getattr(self._raw, "muxed_stream", None)
        events = getattr(getattr(muxed, "conn", None), "stream_events", {})
        before = events.get(getattr(muxed, "stream_id", None))
        with trio.move_on_after(_CLOSE_LIMIT), contextlib.suppress(Exception):
            await self._raw.reset()
        for event in (before, events.get(getattr(muxed, "stream_id", None))):
            if event is not None:
                event.set()
