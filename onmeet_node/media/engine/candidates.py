"""The candidates of one ICE agent: gathered side by side, and what came of asking servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aioice import ice
from aioice.candidate import Candidate

from onmeet_node.media.endpoint import IceServer
from onmeet_node.media.engine import ice_gathering as gathering
from onmeet_node.media.engine import ice_servers
from onmeet_node.media.engine.ice_gathering import Question
from onmeet_node.media.engine.ice_servers import IceServerUrl
from onmeet_node.media.engine.ice_sockets import Socket
from onmeet_node.media.engine.nat_mapping import SeenMapping
from onmeet_node.media.ice_report import ServerReport

if TYPE_CHECKING:
    from onmeet_node.media.engine.ice import IceAgent

MAX_SERVERS = 4
"""STUN and TURN servers asked at the same time."""

LOOPBACK = "127.0.0.1"

Add = Callable[[Candidate, Socket | None], None]
"""Takes a local candidate, and the socket behind it if that is new."""


def host_addresses() -> list[str]:
    """Addresses of this machine to offer; loopback only if there is no other.

    Loopback is useless to anybody elsewhere, and is offered so that two nodes on a machine without
    a network reach each other.
    """
    return ice.get_host_addresses(use_ipv4=True, use_ipv6=True) or [LOOPBACK]


class CandidateGathering:
    """Gathers for one agent, once; hands each candidate to `add` as soon as it is there."""

    def __init__(self, servers: tuple[IceServer, ...], *, relay_only: bool) -> None:
        parsed = [(server.url, ice_servers.parse(server)) for server in servers[:MAX_SERVERS]]
        self.servers = tuple(server for _, server in parsed if server is not None)
        self._relay_only = relay_only
        self.mappings: list[SeenMapping] = []
        """How servers see our sockets."""
        self._relays: dict[ice.StunProtocol, IceServerUrl] = {}
        self.asked: list[ServerReport] = [
            ServerReport("?", worked=False, error="its address is malformed")
            for _, server in parsed
            if server is None
        ]
        """What came of asking STUN and TURN servers."""

    async def aio_gather(self, agent: IceAgent, add: Add) -> None:
        """Host, server-reflexive and relayed candidates, all at the same time."""
        ours: list[Socket] = []
        if not self._relay_only:
            for address in host_addresses():
                ours += await self._aio_open(agent, address, add)
        asked = [
            Question(server, self._aio_allocate(agent, server, add), relay=True)
            for server in self.servers
            if server.is_turn
        ]
        # A TURN server answers STUN at its UDP port as well.
        asked += [
            Question(server, self._aio_see_self(agent, server, ours, add), relay=False)
            for server in self.servers
            if server.transport == "udp" and ours
        ]
        limit = gathering.GATHER_SECONDS_WITH_HOSTS if ours else gathering.GATHER_SECONDS
        for silent in await gathering.ask_all(asked, limit):
            if silent.relay == silent.server.is_turn:
                self.asked.append(silent.server.failed("no answer in time"))

    async def _aio_open(self, agent: IceAgent, address: str, add: Add) -> list[Socket]:
        try:
            opened = await gathering.open_host(agent, address)
        except OSError:  # an address that just went away, or IPv6 still being checked
            return []
        add(opened.local_candidate, opened)
        return [opened]

    async def _aio_see_self(
        self, agent: IceAgent, server: IceServerUrl, ours: list[Socket], add: Add
    ) -> bool:
        try:
            mappings = await gathering.see_self(server, ours)
        except Exception as error:  # noqa: BLE001 - a server answers what it likes
            if not server.is_turn:
                self.asked.append(server.failed(error))
            return False
        if not server.is_turn:
            self.asked.append(server.worked())
        self.mappings += mappings
        for mapping in mappings:
            shown = {(c.host, c.port) for c in agent.local_candidates}
            if mapping.seen[0] != mapping.own[0] and mapping.seen not in shown:
                add(gathering.reflexive_candidate(mapping), None)
        return True

    async def _aio_allocate(self, agent: IceAgent, server: IceServerUrl, add: Add) -> bool:
        try:
            relay = await gathering.allocate(agent, server, hide_related=self._relay_only)
        except Exception as error:  # noqa: BLE001 - a server answers what it likes
            self.asked.append(server.failed(error))
            return False
        self.asked.append(server.worked())
        self._relays[relay] = server
        add(relay.local_candidate, relay)
        return True

    def relay_of(self, protocol: ice.StunProtocol) -> IceServerUrl | None:
        """The server whose allocation this is."""
        return self._relays.get(protocol)

    def label(self, candidate: Candidate) -> str:
        """What a report calls a candidate of ours."""
        for protocol, server in self._relays.items():
            if protocol.local_candidate is candidate:
                return f"relay/{server.kind.partition('/')[2]}"
        return f"{candidate.type}/{candidate.transport}"
