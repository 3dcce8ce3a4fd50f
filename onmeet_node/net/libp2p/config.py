"""What a host is told at its start."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from onmeet_node.net.exposure import Exposure
from onmeet_node.net.libp2p.patches import Remedies
from onmeet_node.process.work import WORK
from onmeet_node.protocol.wire import record


class RecordRules(Protocol):
    """What makes a record of one namespace valid, and which of several is the newest.

    `PresenceRules` are ours; tests of the DHT have rules that take any key, or none.
    """

    def verify(self, key: str, value: bytes, now: int) -> object:
        """Raise if `value` may not be stored under `key` at Unix second `now`."""

    def select(self, values: Sequence[bytes]) -> int:
        """Index of the newest of some verified values; of equals, the last."""


class PresenceRules:
    """The rules of `onmeet_node.protocol.wire.record`, for the namespace `om`."""

    def verify(self, key: str, value: bytes, now: int) -> None:
        """Raise RecordError unless the signature, the key, the size and the expiry are right."""
        WORK.records_verified += 1
        record.verify(key, value, now)

    def select(self, values: Sequence[bytes]) -> int:
        """Index of the highest sequence number; of equals, the last."""
        return record.select(values)


@dataclass(frozen=True)
class HostConfig:
    """How a host listens, whom it lets in, and whether it serves the DHT.

    `listen`: multiaddrs, TCP or WebSocket (`/ip4/0.0.0.0/tcp/0`, `…/ws`); empty: dial only.
    `server`: store records for others and answer lookups; for publicly reachable hosts.
    `seed`: 32 bytes that fix the PeerId (bootstraps); None: a fresh PeerId (nodes).
    `announce`: addresses told to others in place of the listening ones (behind port forwarding).
    `max_connections`: in and out together.
    """

    listen: tuple[str, ...] = ("/ip4/0.0.0.0/tcp/0",)
    server: bool = False
    seed: bytes | None = field(default=None, repr=False)
    announce: tuple[str, ...] = ()
    max_connections: int = 300
    connections_per_network: int = 0
    """Incoming ones of one IPv4 address or IPv6 /56; 0: three quarters, so that some are left."""
    deny: tuple[str, ...] = ()
    """CIDR ranges whose connections are refused and never dialed."""
    ping_interval: float = 15.0
    """Seconds between pings on each connection; holds for all hosts of the process."""
    pong_limit: float = 8.0
    """Seconds a ping may go unanswered before the connection counts as dead."""
    upgrade_limit: float = 8.0
    """Seconds an incoming connection may take to agree on encryption: six slow round trips, through
    a circuit between machines that have no time. Who never goes on holds only their own network's
    places for so long (`accepting`)."""
    rules: RecordRules = field(default_factory=PresenceRules)
    namespace: str = "om"
    exposure: Exposure | None = None
    """The rule of what is dialled and told. None: whatever it is asked to, for tools and tests."""
    remedies: Remedies = Remedies()
