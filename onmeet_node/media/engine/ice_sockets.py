"""The sockets that ICE sends and receives with."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import sys
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from aioice import ice, stun, turn

log = logging.getLogger(__name__)

T = TypeVar("T")


async def unless_refused(job: Coroutine[Any, Any, T], refused: asyncio.Future[None]) -> T:
    """What `job` returns; raises ConnectionRefusedError once `refused` is done.

    An ICMP error ends a transaction with a server (RFC 8489, 6.2.1), not one with a peer: it may
    not have opened its side of the NAT yet.
    """
    task = asyncio.ensure_future(job)
    try:
        both: set[asyncio.Future[Any]] = {task, refused}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens there")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class SocketAgent(Protocol):
    """The part of `ice.IceAgent` that its sockets and relays speak to, besides aioice's own.

    tests/media/test_turn_trouble.py has its own in place of it, which counts what a relay receives.
    """

    def port_closed(self, protocol: ice.StunProtocol, address: tuple[str, int]) -> None:
        """Nobody listens at this address, says an ICMP message."""
        ...

    def server_refused(self, protocol: ice.StunProtocol) -> None:
        """Nobody listens any more at the port of the TURN server of this allocation."""
        ...


class Socket(ice.StunProtocol):
    """A UDP socket or TURN allocation that knows how peers see it and hears of closed ports."""

    def __init__(self, receiver: SocketAgent, raw: socket.socket | None = None) -> None:
        super().__init__(receiver)  # type: ignore[arg-type]
        self.seen_as: dict[tuple[str, int], tuple[str, int]] = {}
        self._agent = receiver
        self._raw = raw
        self._asked: dict[tuple[str, int], asyncio.Future[None]] = {}

    @property
    def family(self) -> socket.AddressFamily:
        """Of a socket with its candidate."""
        return socket.AF_INET6 if ":" in self.local_candidate.host else socket.AF_INET

    async def ask(
        self, request: stun.Message, server: tuple[str, int]
    ) -> tuple[stun.Message, tuple[str, int]]:
        """A STUN transaction with a server; raises ConnectionRefusedError if nobody is there."""
        refused = self._asked.get(server)
        if refused is None or refused.done():
            # NOTE: several URLs may name one server, so what one of them meets is for all.
            refused = self._asked[server] = asyncio.get_running_loop().create_future()
        return await unless_refused(self.request(request, server), refused)

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """A packet came. Anybody can send one, so what aioice cannot read is lost without a word:
        not even a log that grows by it.
        """
        try:
            super().datagram_received(data, addr)
        except Exception as error:  # noqa: BLE001 - of STUN that nobody could have written
            log.debug("a packet could not be read: %s", type(error).__name__)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error came for something that we sent (Linux, IP_RECVERR)."""
        super().error_received(exc)
        if self._raw is None:
            return
        # NOTE: the queue must be emptied, or epoll reports it for ever.
        with contextlib.suppress(OSError):
            while True:
                _, _, _, address = self._raw.recvmsg(1, 512, socket.MSG_ERRQUEUE)
                if isinstance(exc, ConnectionRefusedError):
                    self._refused((address[0], address[1]))

    def _refused(self, address: tuple[str, int]) -> None:
        asked = self._asked.get(address)
        if asked is not None and not asked.done():
            asked.set_result(None)
        self._agent.port_closed(self, address)

    async def request(
        self,
        request: stun.Message,
        addr: tuple[str, int],
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[stun.Message, tuple[str, int]]:
        """A STUN transaction; keeps where the other end saw it come from."""
        response, source = await super().request(request, addr, integrity_key, retransmissions)
        if "XOR-MAPPED-ADDRESS" in response.attributes:
            self.seen_as[addr] = response.attributes["XOR-MAPPED-ADDRESS"]
        return response, source


async def open_socket(agent: SocketAgent, address: str) -> tuple[asyncio.DatagramTransport, Socket]:
    """A UDP socket at any port of one of this machine's addresses. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.socket(family, socket.SOCK_DGRAM)
    try:
        raw.setblocking(False)
        raw.bind((address, 0))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, turn.UDP_SOCKET_BUFFER_SIZE)
        hears_errors = _ask_for_errors(raw)
        return await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Socket(agent, raw if hears_errors else None), sock=raw
        )
    except BaseException:
        raw.close()
        raise


def _ask_for_errors(raw: socket.socket) -> bool:
    """Makes the kernel report ICMP errors for this socket; False where it cannot."""
    if not sys.platform.startswith("linux"):
        return False
    ipv6 = raw.family is socket.AF_INET6
    level = socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP
    raw.setsockopt(level, _IPV6_RECVERR if ipv6 else _IP_RECVERR, 1)
    return True


_IP_RECVERR, _IPV6_RECVERR = 11, 25
"""linux/in.h and linux/in6.h; Python has names for neither."""
