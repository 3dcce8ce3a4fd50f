"""One connection: its bytes in and out, its end, and whose turn it is to go when many wait."""

from __future__ import annotations

import contextlib
import itertools
import ssl
from collections.abc import Iterator

import trio

from onmeet_node.net.asgi.config import PIECE_BYTES, ServerLimits
from onmeet_node.net.asgi.errors import LineGone
from onmeet_node.net.libp2p.remote_address import prefix_of

LINGER_SECONDS = 1.0
"""For the other side to read our last words: TCP closed with something unread is reset, and takes
them along."""
_BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError, OSError)


class ServerConnection:
    """A TCP connection, with TLS or without."""

    def __init__(
        self, tcp: trio.SocketStream, context: ssl.SSLContext | None, limits: ServerLimits
    ) -> None:
        self.limits = limits
        self.scope = trio.CancelScope()
        """What serves it runs in here."""
        self.idle = True
        """Whether nothing was asked that is not answered."""
        self._tcp = tcp
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = tcp
        if context is not None:
            self._stream = trio.SSLStream(tcp, context, server_side=True, https_compatible=True)
        self._writing = trio.Lock()

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken here."""
        return isinstance(self._stream, trio.SSLStream)

    async def shake_hands(self) -> None:
        """TLS, if it is to be spoken. Raises `LineGone`."""
        if isinstance(self._stream, trio.SSLStream):
            with self._translated():
                await self._stream.do_handshake()

    async def read(self) -> bytes:
        """Up to `PIECE_BYTES`; nothing at their end. Raises `LineGone`."""
        with self._translated():
            return bytes(await self._stream.receive_some(PIECE_BYTES))
        raise AssertionError  # for mypy: the block above raises or returns

    async def write(self, data: bytes) -> None:
        """Writes all, whoever is cancelled meanwhile: half a frame would spoil the next.

        Raises `LineGone`, also when they take nothing for `write_seconds`.
        """
        with trio.CancelScope(shield=True):
            async with self._writing:
                for at in range(0, len(data), PIECE_BYTES):
                    piece = data[at : at + PIECE_BYTES]
                    with trio.move_on_after(self.limits.write_seconds) as patience:
                        with self._translated():
                            await self._stream.send_all(piece)
                    if patience.cancelled_caught:
                        self.abort()
                        raise LineGone("they take nothing")
        await trio.lowlevel.checkpoint_if_cancelled()

    async def linger(self) -> None:
        """Says that no more comes, and lets them read what came. Never raises but for cancellation.

        What they still send is passed over.
        """
        with contextlib.suppress(*_BROKEN), trio.move_on_after(LINGER_SECONDS):
            if isinstance(self._stream, trio.SocketStream):
                await self._stream.send_eof()
            while await self._stream.receive_some(PIECE_BYTES):
                pass

    async def close(self) -> None:
        """Ends it in order where they let us, and at once where they don't."""
        with trio.CancelScope(shield=True):
            with contextlib.suppress(*_BROKEN), trio.move_on_after(LINGER_SECONDS):
                await self._stream.aclose()
            self.abort()

    def abort(self) -> None:
        """Ends it at once: whoever reads or writes here finds it gone."""
        self._tcp.socket.close()

    def end(self) -> None:
        """Ends it and what serves it at once."""
        self.scope.cancel()
        self.abort()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            raise LineGone("the connection has gone") from error


class WaitingConnections:
    """The lines that give way when too many wait: all but WebSockets that are in use.

    Counted by network prefix, for as long as they wait.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._turns = itertools.count()
        # Lines by network, each with its turn: the lowest has said nothing new for the longest.
        self._lines: dict[str, dict[ServerConnection, int]] = {}
        self._network_of: dict[ServerConnection, str] = {}

    def __len__(self) -> int:
        return len(self._network_of)

    def enter(self, line: ServerConnection, address: str | None, *, shared: bool = False) -> None:
        """Counts a line, whose turn to go is now the last; others may have to go for it.

        `shared`: many people's lines come from this address, a proxy's: no cap of its own.
        """
        self.leave(line)
        network = "" if shared else prefix_of(address)
        lines = self._lines.setdefault(network, {})
        lines[line] = next(self._turns)
        self._network_of[line] = network
        if network and len(lines) > self._limits.waiting_per_network:
            self._end_oldest(network)
        elif len(self) > self._limits.waiting:
            self.give_way()

    def leave(self, line: ServerConnection) -> None:
        """It waits no longer, or has ended."""
        network = self._network_of.pop(line, None)
        if network is not None:
            del self._lines[network][line]
            if not self._lines[network]:
                del self._lines[network]

    def give_way(self) -> None:
        """Ends a line of the network that has most of them; of equals, the oldest."""
        if self._lines:
            self._end_oldest(
                max(self._lines, key=lambda name: (len(self._lines[name]), -self._oldest(name)[0]))
            )

    def _oldest(self, network: str) -> tuple[int, ServerConnection]:
        # The order of a dict is that of entering: `enter` takes a line out before it comes again.
        line, turn = next(iter(self._lines[network].items()))
        return turn, line

    def _end_oldest(self, network: str) -> None:
        _, line = self._oldest(network)
        self.leave(line)
        line.end()
