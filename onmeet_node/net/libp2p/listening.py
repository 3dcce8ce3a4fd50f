"""Accepting TCP connections for libp2p, in place of the library's listeners.

The library's run in trio's system tasks, where an exception of one connection is an internal error
of trio and ends the process. Here each connection is served in a scope of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio
from libp2p.abc import IListener, IRawConnection
from libp2p.custom_types import THandler
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.exceptions import OpenConnectionError
from libp2p.transport.tcp.tcp import TCP
from multiaddr import Multiaddr

from onmeet_node.net.libp2p.tcp_stream import SocketStream
from onmeet_node.process.faults import alone

log = logging.getLogger(__name__)

BACKLOG = 512
ACCEPT_AGAIN = 0.1
"""Seconds until the next try when the machine or this process has no socket to spare."""

RESOLVE_SECONDS = 5.0
MAX_HOSTS = 8
"""Addresses of one name that are tried, one after the other."""
_NAMES = {"dns": 0, "dns4": trio.socket.AF_INET, "dns6": trio.socket.AF_INET6}

Wrap = Callable[[trio.SocketStream], ReadWriteCloser]


class Listener(IListener):
    """One address listened on. `wrap` makes of a socket what libp2p reads; `suffix` names that."""

    background_nursery: trio.Nursery
    """Set by the library before it calls `listen`."""

    def __init__(self, handler: THandler, wrap: Wrap, suffix: str = "") -> None:
        self._handler = handler
        self._wrap = wrap
        self._suffix = suffix
        self._socket: trio.SocketListener | None = None
        self._scope = trio.CancelScope()
        self._over = trio.Event()

    async def listen(self, maddr: Multiaddr) -> None:
        """Returns once connections are taken in. Raises OpenConnectionError."""
        try:
            self._socket = await _bound(maddr)
        except (OSError, ValueError) as error:
            raise OpenConnectionError(f"cannot listen on {maddr}: {error}") from error
        self.background_nursery.start_soon(self._run, self._socket)

    async def _run(self, listener: trio.SocketListener) -> None:
        try:
            with self._scope:
                async with listener, trio.open_nursery() as nursery:
                    await self._accept(listener, nursery)
        finally:
            self._over.set()

    async def _accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        told = False
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                # EMFILE and its like pass, when others have closed theirs; nothing else is known.
                if not told:
                    log.warning("no connection can be accepted just now: %s", error.strerror)
                told = True
                await trio.sleep(ACCEPT_AGAIN)
            except trio.ClosedResourceError:
                return
            else:
                told = False
                nursery.start_soon(alone, "libp2p connection", self._serve, stream)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            await self._handler(self._wrap(stream))
        finally:
            await trio.aclose_forcefully(stream)

    def get_addrs(self) -> tuple[Multiaddr, ...]:
        """Where it listens, with the real port."""
        if self._socket is None or self._over.is_set():
            return ()
        try:
            host, port, *_ = self._socket.socket.getsockname()
        except OSError:  # it is just being closed, and somebody identifies us meanwhile
            return ()
        version = 6 if ":" in host else 4
        return (Multiaddr(f"/ip{version}/{host}/tcp/{port}{self._suffix}"),)

    async def close(self) -> None:
        """Ends it with all its connections."""
        self._scope.cancel()
        if self._socket is not None:
            await self._over.wait()


async def _bound(maddr: Multiaddr) -> trio.SocketListener:
    names = {protocol.name for protocol in maddr.protocols()}
    version = "ip6" if "ip6" in names else "ip4"
    where = (str(maddr.value_for_protocol(version)), int(str(maddr.value_for_protocol("tcp"))))
    family = trio.socket.AF_INET6 if version == "ip6" else trio.socket.AF_INET
    sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
    try:
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)
        if version == "ip6":
            sock.setsockopt(trio.socket.IPPROTO_IPV6, trio.socket.IPV6_V6ONLY, 1)
        await sock.bind(where)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return trio.SocketListener(sock)


class TcpTransport(TCP):
    """The library's TCP, with our listener, and names found as other programs here find them.

    The library asks name servers by itself: it knows nothing of /etc/hosts, of ``.local`` names,
    nor of what else this system resolves names by.
    """

    async def dial(self, maddr: Multiaddr) -> IRawConnection:
        """A connection, by a name to its first address that answers. OpenConnectionError."""
        kind = maddr.protocols()[0].name
        if kind not in _NAMES:
            return await self._dial(maddr)
        name, port = str(maddr.value_for_protocol(kind)), maddr.value_for_protocol("tcp")
        try:
            with trio.fail_after(RESOLVE_SECONDS):
                found = await trio.socket.getaddrinfo(
                    name, None, family=_NAMES[kind], type=trio.socket.SOCK_STREAM
                )
        except (OSError, UnicodeError, trio.TooSlowError) as error:
            raise OpenConnectionError(f"the name {name} was not found ({error})") from error
        hosts = dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found)
        failure: OpenConnectionError | None = None
        for host in list(hosts)[:MAX_HOSTS]:
            version = 6 if ":" in host else 4
            try:
                return await self._dial(Multiaddr(f"/ip{version}/{host}/tcp/{port}"))
            except OpenConnectionError as error:
                failure = failure or error
        raise failure or OpenConnectionError(f"the name {name} has no address")

    async def _dial(self, maddr: Multiaddr) -> IRawConnection:
        raw = await super().dial(maddr)
        if isinstance(raw, RawConnection) and isinstance(raw.stream, TrioTCPStream):
            raw.stream = SocketStream(raw.stream.stream)
        return raw

    def create_listener(  # type: ignore[override]
        self, handler_function: THandler
    ) -> IListener:
        """A listener that gives `handler_function` a stream for each connection."""
        return Listener(handler_function, SocketStream)
