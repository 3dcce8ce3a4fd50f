"""Our ICE agent: aioice's, with faster set-up, consent that notices a dead path, and honest TURN.

What aioice 0.13 does otherwise: it sleeps 20 ms after each check, the successful one included;
never offers loopback, so that a machine without a network cannot call itself; takes 30 s to miss
the peer; uses the first STUN and TURN server alone, swallows their errors, and waits 31 s for a
dead TURN server when it closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections.abc import Callable, Sequence

import aioice
from aioice import ice, stun, turn
from aioice.candidate import Candidate
from aioice.mdns import is_mdns_hostname

from onmeet_node.media.endpoint import IceServer
from onmeet_node.media.engine import internals
from onmeet_node.media.engine.candidates import CandidateGathering
from onmeet_node.media.engine.consent import CLOSED_PORT, RETRANSMISSIONS
from onmeet_node.media.engine.consent_checks import ConsentChecks
from onmeet_node.media.engine.ice_gathering import says_tcp
from onmeet_node.media.engine.ice_sockets import Socket
from onmeet_node.media.engine.nat_mapping import nat_kind
from onmeet_node.media.ice_report import IceReport, PairReport, ServerReport, counted
from onmeet_node.process.faults import contained
from onmeet_node.protocol.media import MediaPath

CHECK_PACE = 0.005
"""Seconds between connectivity checks: the least RFC 8445, 14.2 allows."""

DIRECT_HEAD_START = 0.5
"""Seconds that direct paths have before a relayed one may be nominated: hole punching takes one
and a half round trips, a relay answers at once. Costs nothing while it rings."""

UDP_HEAD_START = 0.5
"""Seconds more before one whose relay is reached over TCP or TLS: media there waits for lost
packets, so one check that came late must not decide for it."""

MAX_REMOTE_CANDIDATES = 100
"""Of a peer, told and seen: RFC 8445, 6.1.2.5 lets an agent check 100 pairs. A browser has ten."""
MAX_NAMES = 8
"""Names of the local network (mDNS) among them: each is asked for, and waited for a second."""
MAX_EARLY_CHECKS = 64
"""Connectivity checks kept that came before the peer's description."""
MAX_DATAGRAM_BYTES = 2_048
"""Above what a path carries in one piece."""
MAX_WAITING_DATAGRAMS = 1_024
"""Media and DTLS that came and were not read yet: a second of more than a call has. Anybody can
send to an open port, so what is too much is lost, as on the way."""

CLOSE_SECONDS = 1.0
"""For TURN servers to confirm that the allocation is gone."""


class IceAgent(aioice.Connection):
    """The ICE agent of one transport, taking the place of `replaced` (same credentials and role).

    `on_path` is called with False when the path is lost, with True when it came back.
    """

    def __init__(
        self,
        replaced: aioice.Connection,
        servers: tuple[IceServer, ...],
        *,
        relay_only: bool,
        on_path: Callable[[bool], None],
    ) -> None:
        policy = aioice.TransportPolicy.RELAY if relay_only else aioice.TransportPolicy.ALL
        super().__init__(
            ice_controlling=replaced.ice_controlling,
            local_username=replaced.local_username,
            local_password=replaced.local_password,
            transport_policy=policy,
        )
        self._relay_only = relay_only
        self._on_path = on_path
        self._gathering = CandidateGathering(servers, relay_only=relay_only)
        self._consent: ConsentChecks[ice.CandidatePair] | None = None
        self._relays_from = 0.0
        self._final: IceReport | None = None
        self._names: set[str] = set()
        self._resolving: set[asyncio.Task[None]] = set()

    # ── gathering ────────────────────────────────────────────────────────────────────────────────
    async def gather_candidates(self) -> None:
        """Gathers host, server-reflexive and relayed candidates, all at the same time."""
        if self._local_candidates_start:
            return
        self._local_candidates_start = True
        await self._gathering.aio_gather(self, self._add_local)
        self._local_candidates_end = True

    def _add_local(self, candidate: Candidate, protocol: Socket | None) -> None:
        if protocol is not None:
            self._protocols.append(protocol)
        self._local_candidates.append(candidate)

    @property
    def asked(self) -> list[ServerReport]:
        """What came of asking STUN and TURN servers."""
        return self._gathering.asked

    # ── what the peer tells and shows ────────────────────────────────────────────────────────────
    async def add_remote_candidate(self, remote_candidate: Candidate | None) -> None:
        """aioice's, with a bound, and without waiting for names to be resolved."""
        if remote_candidate is None:
            await super().add_remote_candidate(None)
            return
        if len(self._remote_candidates) + len(self._resolving) >= MAX_REMOTE_CANDIDATES:
            return
        if not is_mdns_hostname(remote_candidate.host):
            await super().add_remote_candidate(remote_candidate)
            return
        if len(self._names) < MAX_NAMES and remote_candidate.host not in self._names:
            self._names.add(remote_candidate.host)
            task = asyncio.ensure_future(self._aio_resolve(remote_candidate))
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)
            await asyncio.sleep(0)  # it counts itself as under way, for an end that follows

    async def _aio_resolve(self, candidate: Candidate) -> None:
        with contained("media session"), contextlib.suppress(OSError):
            await super().add_remote_candidate(candidate)

    async def take_candidates(self, candidates: Sequence[str], *, end: bool) -> None:
        """Trickled candidates, as `sdp.check_candidates` leaves them; late ones are passed over."""
        for text in candidates:
            if self._remote_candidates_end:
                return
            await self.add_remote_candidate(Candidate.from_sdp(text))
        if end and not self._remote_candidates_end:
            await self.add_remote_candidate(None)

    def request_received(
        self, message: stun.Message, addr: tuple[str, int], protocol: ice.StunProtocol
    ) -> None:
        """A connectivity check of the peer, or of anybody."""
        if "PRIORITY" not in message.attributes:
            return  # RFC 8445, 7.1.1 demands it, and aioice takes it for granted
        super().request_received(message, addr, protocol)
        while len(self._early_checks) > MAX_EARLY_CHECKS:
            self._early_checks.pop()

    # ── connecting ───────────────────────────────────────────────────────────────────────────────
    async def connect(self) -> None:
        """Checks candidate pairs until one is nominated; raises ConnectionError if none works."""
        # NOTE: aiortc waits for ever for a connect that ends in anything but this.
        failed = ConnectionError("ICE failed in a way that nobody foresaw")
        with contained("media session"):
            try:
                await self._aio_connect()
            except ConnectionError as error:
                failed = error
            else:
                return
        raise failed

    async def _aio_connect(self) -> None:
        if self.remote_username is None or self.remote_password is None:
            raise ConnectionError("Remote username or password is missing")
        for remote in self._remote_candidates:
            self._pair_remote_candidate(remote)
        self.sort_check_list()
        self._unfreeze_initial()
        for early in self._early_checks:
            self.check_incoming(*early)
        self._early_checks.clear()
        self._early_checks_done = True

        self._relays_from = time.monotonic() + DIRECT_HEAD_START
        outcome = asyncio.ensure_future(self._check_list_state.get())
        try:
            while not outcome.done() and self._check_periodic():
                await asyncio.wait({outcome}, timeout=CHECK_PACE)
            result = await outcome if self._check_list or outcome.done() else ice.ICE_FAILED
        finally:
            outcome.cancel()
            for pair in self._check_list:
                if pair.task:
                    pair.task.cancel()
        if result != ice.ICE_COMPLETED:
            raise ConnectionError("ICE negotiation failed")
        self._query_consent_task = asyncio.create_task(self.query_consent())

    async def check_start(self, pair: ice.CandidatePair) -> None:
        """Checks one pair; whoever nominates gives the better paths a head start.

        NOTE: aioice nominates with each check (aggressive nomination), so the first to answer wins.
        """
        cost = self._cost(pair)
        if self.ice_controlling and cost is not _Cost.DIRECT:
            self.check_state(pair, ice.CandidatePair.State.IN_PROGRESS)
            start = self._relays_from + (UDP_HEAD_START if cost is _Cost.TCP_RELAY else 0.0)
            # NOTE: pairs come and fail one by one, and half a second of looking costs little.
            while time.monotonic() < start and self._better_is_possible(cost):  # noqa: ASYNC110
                await asyncio.sleep(CHECK_PACE)
        await super().check_start(pair)

    def check_incoming(
        self, message: stun.Message, addr: tuple[str, int], protocol: ice.StunProtocol
    ) -> None:
        """The peer's check came: its side is open now, so ours that was lost is sent again.

        RFC 8445, 7.3.1.4; aioice lets the first retransmission wait its 500 ms.
        """
        told = any(addr == (c._network_host, c.port) for c in self._remote_candidates)
        if not told and len(self._remote_candidates) >= MAX_REMOTE_CANDIDATES:
            return
        super().check_incoming(message, addr, protocol)
        for pair in self._check_list:
            if (
                pair.state is ice.CandidatePair.State.IN_PROGRESS
                and pair.protocol is protocol
                and pair.remote_addr == addr
            ):
                internals.retransmit(protocol, addr)

    def _better_is_possible(self, cost: _Cost) -> bool:
        """Whether a pair of less cost has neither failed nor been left out."""
        return any(
            self._cost(pair) < cost and pair.state is not ice.CandidatePair.State.FAILED
            for pair in self._check_list
        )

    def _cost(self, pair: ice.CandidatePair) -> _Cost:
        """What media pays on this path, as far as candidates tell."""
        if not _relayed(pair):
            return _Cost.DIRECT
        tcp = any(map(says_tcp, (pair.local_candidate, pair.remote_candidate)))
        return _Cost.TCP_RELAY if tcp else _Cost.UDP_RELAY

    # ── staying connected ────────────────────────────────────────────────────────────────────────
    async def query_consent(self) -> None:
        """Asks the peer again and again whether it is still there, and tells `on_path`."""
        self._consent = ConsentChecks(self._nominated.values, self._aio_ask_consent, self._on_path)
        await self._consent.aio_run()
        self._query_consent_task = None
        await self.close()

    async def _aio_ask_consent(self, pair: ice.CandidatePair) -> None:
        assert self.remote_password is not None
        await pair.protocol.request(
            self.build_request(pair, nominate=False),
            pair.remote_addr,
            self.remote_password.encode(),
            retransmissions=RETRANSMISSIONS,
        )

    def hint(self, why: str) -> None:
        """Something says that the peer may be gone: check at once, and often."""
        if self._consent is not None:
            self._consent.hint(why)

    def port_closed(self, protocol: ice.StunProtocol, address: tuple[str, int]) -> None:
        """Nobody listens any more at this address of the peer, says an ICMP message."""
        pair = self._nominated.get(1)
        if pair is not None and pair.protocol is protocol and pair.remote_addr == address:
            self.hint(CLOSED_PORT)

    def server_refused(self, protocol: ice.StunProtocol) -> None:
        """Nobody listens any more at the port of our TURN server, says an ICMP message."""
        pair = self._nominated.get(1)
        if pair is not None and pair.protocol is protocol:
            self.hint(CLOSED_PORT)

    def protocol_lost(self, protocol: ice.StunProtocol) -> None:
        """A socket or allocation is gone: the TURN server hung up, or did not refresh it.

        The path counts as lost from now on, and the session stays as after any lost path.
        """
        pair = self._nominated.get(1)
        if pair is not None and pair.protocol is protocol and self._consent is not None:
            self._consent.broke()

    def data_received(self, data: bytes, component: int) -> None:
        """Media or DTLS came in, or what anybody sent to this port."""
        if not 1 <= len(data) <= MAX_DATAGRAM_BYTES:
            return  # NOTE: an empty one would end the connection in aiortc
        if self._queue.qsize() >= MAX_WAITING_DATAGRAMS:
            return
        if self._consent is not None:
            self._consent.heard()
        super().data_received(data, component)

    # ── closing ──────────────────────────────────────────────────────────────────────────────────
    async def close(self) -> None:
        """Closes sockets and allocations; a TURN server that does not answer is left to expire."""
        relays = [
            protocol.transport
            for protocol in self._protocols
            if isinstance(protocol.transport, turn.TurnTransport)
        ]
        self._final = self._final or self.report()
        for task in self._resolving:
            task.cancel()
        for relay in relays:
            relay.close()
        closing = asyncio.ensure_future(super().close())
        try:
            await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        finally:
            if not closing.done():
                for relay in relays:
                    internals.abandon_relay(relay)
        await closing

    # ── what it found ────────────────────────────────────────────────────────────────────────────
    @property
    def path(self) -> MediaPath | None:
        """How data travels; None while no pair is nominated."""
        pair = self._nominated.get(1)
        if pair is None:
            return None
        if _relayed(pair):
            return MediaPath.RELAY
        assert isinstance(pair.protocol, Socket)
        seen_as = pair.protocol.seen_as.get(pair.remote_addr, pair.local_addr)
        if pair.remote_candidate.type == "srflx" or tuple(seen_as) != pair.local_addr:
            return MediaPath.SRFLX
        return MediaPath.HOST

    @property
    def round_trip(self) -> float:
        """Seconds to the peer and back, as consent checks found it; 0 while unknown."""
        return self._consent.round_trip if self._consent is not None else 0.0

    @property
    def relay(self) -> str | None:
        """URL of the TURN server that data goes through on our side."""
        pair = self._nominated.get(1)
        server = self._gathering.relay_of(pair.protocol) if pair is not None else None
        return server.url if server is not None else None

    def report(self) -> IceReport:
        """What was gathered and tried, and how it ended."""
        if self._final is not None:
            return self._final
        used = self._nominated.get(1)
        pairs = counted(
            PairReport(
                local=self._gathering.label(pair.local_candidate),
                remote=pair.remote_candidate.type,
                state="nominated" if pair is used else _STATES[pair.state],
            )
            for pair in self._check_list
        )
        return IceReport(
            local=tuple(sorted({self._gathering.label(c) for c in self._local_candidates})),
            remote=tuple(sorted({c.type for c in self._remote_candidates})),
            pairs=pairs,
            servers=tuple(self.asked),
            relay_only=self._relay_only,
            nat=nat_kind(self._gathering.mappings),
        )


_STATES = {
    ice.CandidatePair.State.FROZEN: "waiting",
    ice.CandidatePair.State.WAITING: "waiting",
    ice.CandidatePair.State.IN_PROGRESS: "in-progress",
    ice.CandidatePair.State.SUCCEEDED: "succeeded",
    ice.CandidatePair.State.FAILED: "failed",
}


class _Cost(enum.IntEnum):
    """Of a pair's path, the least first."""

    DIRECT = 0
    UDP_RELAY = 1
    TCP_RELAY = 2


def _relayed(pair: ice.CandidatePair) -> bool:
    return "relay" in (pair.local_candidate.type, pair.remote_candidate.type)
