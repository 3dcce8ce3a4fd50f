"""Asking STUN servers how they see us, and TURN servers for relays."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from aioice import stun, turn
from aioice.candidate import Candidate, candidate_foundation, candidate_priority

from onmeet_node.media.engine import ice_sockets as sockets
from onmeet_node.media.engine.ice_servers import IceServerUrl
from onmeet_node.media.engine.ice_sockets import Socket, SocketAgent
from onmeet_node.media.engine.nat_mapping import SeenMapping

GATHER_SECONDS = 5.0
"""For servers to answer when there is no other candidate to go on with."""

GATHER_SECONDS_WITH_HOSTS = 2.0
"""For servers to answer when host candidates are there: a dead server must not delay a call on
the local network for long. Covers two retransmissions of STUN (RFC 8489: 0.5 s, then 1 s)."""

STRAGGLER_SECONDS = 0.1
"""For the other servers, once there is a relay that is reached over UDP."""

UDP_SECONDS = 0.65
"""That UDP has from the beginning when TCP or TLS was quicker: one retransmission of STUN. Media
over TCP waits for lost packets, so one lost request must not decide for it."""

ALLOCATION_SECONDS = 600
"""Lifetime that we ask for (RFC 8656, 7.1); refreshed after 5/6 of what the server grants."""

LEAST_LIFETIME_SECONDS = 2
"""A server that grants less, or nothing, is asked as if it were so long, and not without end."""

PERMISSION_SECONDS = 240.0
"""Between renewals of permissions, which last 300 s (RFC 8656, 9); a channel's bind renews both."""

RELAY_PREFERENCE = {"turn/udp": 65_535, "turn/tcp": 32_768, "turn/tls": 16_384}
"""Local preference (RFC 8445, 5.1.2.1) of a relay's candidate, by how its server is reached."""
_OVER_TCP = frozenset(RELAY_PREFERENCE.values()) - {RELAY_PREFERENCE["turn/udp"]}


@dataclass(frozen=True, slots=True)
class Question:
    """One server being asked. The job tells whether it helped, and never raises."""

    server: IceServerUrl
    job: Coroutine[Any, Any, bool]
    relay: bool


async def ask_all(questions: Sequence[Question], limit: float) -> list[Question]:
    """Asks all at once, for `limit` seconds at most; returns those that were not answered.

    A relay is enough to go on with: then the rest have little time left, so that a server that is
    dead does not delay the call.
    """
    loop = asyncio.get_running_loop()
    began, deadline = loop.time(), loop.time() + limit
    tasks = {asyncio.ensure_future(question.job): question for question in questions}
    left = set(tasks)
    try:
        while left and (wait := deadline - loop.time()) > 0:
            done, left = await asyncio.wait(left, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for question in (tasks[task] for task in done if task.result() and tasks[task].relay):
                enough = loop.time() + STRAGGLER_SECONDS
                if question.server.kind != "turn/udp":
                    enough = max(enough, began + UDP_SECONDS)
                deadline = min(deadline, enough)
        return [tasks[task] for task in left]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def open_host(agent: SocketAgent, address: str) -> Socket:
    """A UDP socket at one of this machine's addresses, with its candidate. Raises OSError."""
    transport, opened = await sockets.open_socket(agent, address)
    host, port = transport.get_extra_info("sockname")[:2]
    opened.local_candidate = Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=1,
        transport="udp",
        priority=candidate_priority(1, "host"),
        host=host,
        port=port,
        type="host",
    )
    return opened


async def see_self(server: IceServerUrl, ours: Sequence[Socket]) -> list[SeenMapping]:
    """How a server sees those of these sockets that can reach it.

    Raises OSError or `stun.TransactionError` when none of them got an answer.
    """
    host, port = server.address
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    addresses = {family: (str(address[0]), port) for family, *_, address in reversed(found)}
    jobs = [_see_one(one, addresses[family]) for one in ours if (family := one.family) in addresses]
    if not jobs:
        raise OSError("no address of ours is of the same kind")
    results = await asyncio.gather(*jobs, return_exceptions=True)
    seen = [result for result in results if isinstance(result, SeenMapping)]
    errors = [result for result in results if isinstance(result, BaseException)]
    if not seen:
        raise errors[0]
    return seen


async def _see_one(one: Socket, server: tuple[str, int]) -> SeenMapping:
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    response, _ = await one.ask(request, server)
    if "XOR-MAPPED-ADDRESS" not in response.attributes:
        raise ConnectionError("a STUN answer without an address")
    own = one.local_candidate
    return SeenMapping((own.host, own.port), server[0], response.attributes["XOR-MAPPED-ADDRESS"])


def reflexive_candidate(mapping: SeenMapping) -> Candidate:
    """The candidate that a server's answer gives us."""
    return Candidate(
        foundation=candidate_foundation("srflx", "udp", mapping.own[0]),
        component=1,
        transport="udp",
        priority=candidate_priority(1, "srflx"),
        host=mapping.seen[0],
        port=mapping.seen[1],
        type="srflx",
        related_address=mapping.own[0],
        related_port=mapping.own[1],
    )


def says_tcp(candidate: Candidate) -> bool:
    """Whether a node's candidate is of a relay that the node reaches over TCP or TLS: its priority
    says so. Browsers have other priorities, and count as on UDP.
    """
    return candidate.type == "relay" and candidate.priority >> 8 in _OVER_TCP  # type preference 0


class _Client(turn.TurnClientMixin):
    """aioice's, that no lifetime makes ask without a pause."""

    async def request_with_retry(self, request: stun.Message) -> tuple[stun.Message, Any]:
        response, address = await super().request_with_retry(request)
        if "LIFETIME" in response.attributes:
            lifetime = response.attributes["LIFETIME"]
            response.attributes["LIFETIME"] = max(lifetime, LEAST_LIFETIME_SECONDS)
        return response, address


class _TcpClient(_Client, turn.TurnClientTcpProtocol):
    pass


class _UdpClient(_Client, turn.TurnClientUdpProtocol):
    """aioice's, that hears of closed ports; the socket is connected, so any ICMP is the server's.

    `refused` gets done when there was one.
    """

    def __init__(
        self, agent: SocketAgent, relay: Socket, refused: asyncio.Future[None], **options: Any
    ) -> None:
        super().__init__(**options)
        self._agent = agent
        self._relay = relay
        self._refused = refused

    def error_received(self, exc: Exception) -> None:
        if not isinstance(exc, ConnectionRefusedError):
            return
        if not self._refused.done():
            self._refused.set_result(None)
        self._agent.server_refused(self._relay)


async def allocate(
    agent: SocketAgent,
    server: IceServerUrl,
    *,
    hide_related: bool,
    permission_seconds: float = PERMISSION_SECONDS,
) -> Socket:
    """A relay at this TURN server, as a socket with its candidate.

    `hide_related`: leave our own address out of the candidate (RFC 8839, 5.1). Raises OSError
    (`ssl.SSLError` among them) or `stun.TransactionError`.
    """
    loop = asyncio.get_running_loop()
    relay = Socket(agent)
    options: dict[str, Any] = {
        "server": server.address,
        "username": server.username,
        "password": server.credential,
        "lifetime": ALLOCATION_SECONDS,
        "channel_refresh_time": permission_seconds,
    }
    refused: asyncio.Future[None] = loop.create_future()
    client: _TcpClient | _UdpClient
    inner: asyncio.BaseTransport
    if server.transport == "tcp":
        inner, client = await loop.create_connection(
            lambda: _TcpClient(**options),
            *server.address,
            # NOTE: trusts the system's authorities, and those of SSL_CERT_FILE if that is set.
            ssl=ssl.create_default_context() if server.tls else None,
            happy_eyeballs_delay=0.25,
        )
    else:
        inner, client = await loop.create_datagram_endpoint(
            lambda: _UdpClient(agent, relay, refused, **options), remote_addr=server.address
        )
        inner.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, turn.UDP_SOCKET_BUFFER_SIZE
        )
    transport = turn.TurnTransport(client)
    try:
        await sockets.unless_refused(transport._connect(relay), refused)
        relay.local_candidate = _relay_candidate(transport, server, hide_related=hide_related)
    except BaseException:
        inner.close()
        raise
    return relay


def _relay_candidate(
    transport: turn.TurnTransport, server: IceServerUrl, *, hide_related: bool
) -> Candidate:
    host, port = transport.get_extra_info("sockname")
    related = transport.get_extra_info("related_address")
    if hide_related:
        related = ("0.0.0.0" if ipaddress.ip_address(host).version == 4 else "::", 9)  # noqa: S104
    return Candidate(
        foundation=candidate_foundation("relay", "udp", host),
        component=1,
        transport="udp",
        priority=candidate_priority(1, "relay", RELAY_PREFERENCE[server.kind]),
        host=host,
        port=port,
        type="relay",
        related_address=related[0],
        related_port=related[1],
    )
