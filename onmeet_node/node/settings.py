"""What the person chose for this node, and how it is changed while the node runs."""

from __future__ import annotations

from onmeet_node.calls.book import CallBook
from onmeet_node.net.libp2p.multiaddrs import peer_of
from onmeet_node.node.network import Network
from onmeet_node.node.views import NodeSettings
from onmeet_node.rooms.rooms import Rooms
from onmeet_node.store import Store
from onmeet_node.store.settings import BOOTSTRAPS, REGION


class Preferences:
    """The settings of a node, as commands and the app show and change them."""

    def __init__(self, store: Store, network: Network, calls: CallBook, rooms: Rooms) -> None:
        self._chosen = store.settings
        self._network = network
        self._calls = calls
        self._rooms = rooms

    def all(self) -> NodeSettings:
        """All of them."""
        return NodeSettings(
            relay_only=self._network.exposure.relay_only(),
            region=self._chosen.get(REGION),
            bootstraps=self._chosen.get(BOOTSTRAPS),
        )

    def change(
        self,
        *,
        relay_only: bool | None = None,
        region: str | None = None,
        add_bootstrap: str | None = None,
        remove_bootstrap: str | None = None,
    ) -> NodeSettings:
        """Changes what is given and returns all of it. `region`: ``ca``, ``de`` or ``any``.

        Relay-only and an added bootstrap hold at once, the rest from the next start. Raises
        `BadAddress` for what is no bootstrap's address.
        """
        if relay_only is not None:
            before = self._network.exposure.relay_only()
            self._network.set_relay_only(on=relay_only)
            if self._network.exposure.relay_only() and not before:
                self._hide_media()
        if region is not None:
            self._chosen.put(REGION, None if region == "any" else region)
        if add_bootstrap is not None:
            peer_of([add_bootstrap])
            known: tuple[str, ...] = self._chosen.get(BOOTSTRAPS)
            self._chosen.put(BOOTSTRAPS, tuple(dict.fromkeys((*known, add_bootstrap))))
            self._network.bootstraps.add([add_bootstrap])
        if remove_bootstrap is not None:
            known = self._chosen.get(BOOTSTRAPS)
            self._chosen.put(BOOTSTRAPS, tuple(a for a in known if a != remove_bootstrap))
        return self.all()

    def _hide_media(self) -> None:
        """Gives the calls that are on another path, through a relay: relay-only was turned on."""
        of_rooms = (call for room in self._rooms.on for call in room.calls)
        for call in (*self._calls, *of_rooms):
            if call.has_media:
                call.restart_media()
