"""What a host is to the DHT now, and which of its addresses it tells strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multiaddr import Multiaddr

from onmeet_node.net.libp2p.multiaddrs import advertised, parse


@dataclass
class DhtRole:
    """Shared by the parts of one host; changed by `Host.set_role` alone.

    `server`: store records for others and answer lookups.
    `proven`: addresses at which others reach us for sure, without ``/p2p``; told in place of those
    we listen on, which may be of networks that strangers are not on.
    """

    server: bool
    proven: tuple[str, ...] = ()

    def told(self, listening: Sequence[Multiaddr], *, hide: bool = True) -> list[Multiaddr]:
        """What identify and the DHT tell others about our addresses.

        A client's are nobody's business but those of the audiences that may see them in its
        presence record: the DHT would hand them to whoever knows the PeerId.
        """
        if not self.server and hide:
            return []
        # NOTE: the library would tell 0.0.0.0 as it is.
        return [parse(address) for address in self.proven or advertised(listening)]
