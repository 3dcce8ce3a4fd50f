"""Keeps a port of the router open for this node while that helps.

Only a node that bootstraps could not reach asks, and whether the port leads anywhere is for the
bootstraps to say again: behind two NATs it does not.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import attrs
import trio

from onmeet_node.net.bootstraps.reachability import (
    ListeningPort,
    Reachability,
    ReachabilityProbe,
    doors,
)
from onmeet_node.net.errors import PortMapFailed
from onmeet_node.net.exposure import Exposure
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.network_changes import gateway
from onmeet_node.net.portmap import natpmp
from onmeet_node.net.portmap.upnp import Igd
from onmeet_node.net.waiting import either
from onmeet_node.process.faults import contained

log = logging.getLogger(__name__)

TRY_AGAIN = 1800.0
"""Seconds until a router that opened nothing is asked again."""
GOODBYE_SECONDS = 1.0


@attrs.frozen
class Opened:
    """A port that a router opened."""

    mapping: natpmp.PortMapping
    how: str
    """``NAT-PMP`` or ``UPnP``."""
    close: Callable[[], Awaitable[None]]


Open = Callable[[int], Awaitable[Opened]]
"""Has a router lead some port of its to this one of ours. Raises PortMapFailed."""


async def open_by_natpmp(inside: int) -> Opened:
    """By NAT-PMP, from the default gateway."""
    router = gateway()
    if router is None:
        raise PortMapFailed("the router is not known")
    mapping = await natpmp.map_port(router, inside, inside)

    async def close() -> None:
        await natpmp.unmap_port(router, inside)

    return Opened(mapping, "NAT-PMP", close)


async def open_by_upnp(inside: int) -> Opened:
    """By UPnP, from whatever router answers."""
    igd = await Igd.find()
    mapping = await igd.map_port(inside, inside)

    async def close() -> None:
        await igd.unmap_port(mapping.port)

    return Opened(mapping, "UPnP", close)


class PortMapper:
    """Opens a port while this node is not reached otherwise. Live in `run`."""

    def __init__(
        self,
        host: Host,
        outside: ReachabilityProbe,
        *,
        ways: tuple[Open, ...] = (open_by_natpmp, open_by_upnp),
        exposure: Exposure | None = None,
    ) -> None:
        self.opened: Opened | None = None
        self.problem = ""
        """Why no port is open, if that was tried."""
        self._host = host
        self._outside = outside
        self._ways = ways
        self._exposure = exposure or Exposure()
        self._again = trio.Event()

    def refresh(self) -> None:
        """The network, or the rule, changed: there may be another router, or nothing to ask for."""
        self._again.set()

    async def run(self) -> None:
        """Asks routers for a port whenever one is needed, until cancelled; then closes it."""
        try:
            while True:
                changed, self._again = self._outside.changed, trio.Event()
                pause = TRY_AGAIN
                if self._exposure.relay_only():
                    await self._close()
                elif self._needed():
                    with contained("router"):
                        await self._open()
                    if self.opened is not None:
                        pause = self.opened.mapping.lifetime / 2
                with trio.move_on_after(pause):
                    # While a port is open that nobody reaches, changes are its own doing.
                    causes = (self._again,) if self.opened else (self._again, changed)
                    await either(*(event.wait() for event in causes))
        finally:
            await self._close()

    async def _close(self) -> None:
        """Has the router close what it opened."""
        opened, self.opened = self.opened, None
        self._outside.mapped = ()
        if opened is not None:
            with trio.CancelScope(deadline=trio.current_time() + GOODBYE_SECONDS, shield=True):
                await opened.close()

    def _needed(self) -> bool:
        return self.opened is not None or (
            self._outside.reachability is Reachability.PRIVATE and bool(self._inside())
        )

    def _inside(self) -> tuple[ListeningPort, ...]:
        return doors(self._host.listening, "/ip4/192.0.2.1")

    async def _open(self) -> None:
        """Make the mapping, or renew it."""
        inside = self._inside()[0]
        for way in self._ways:
            try:
                opened = await way(inside.port)
            except PortMapFailed as error:
                self.problem = str(error)
                log.info("no port was opened: %s", error.reason)
                continue
            self.problem = ""
            before, self.opened = self.opened, opened
            if before is None or before.mapping.port != opened.mapping.port:
                self._outside.mapped = (ListeningPort(opened.mapping.port, inside.transport),)
                self._outside.refresh()
            return
        if self.opened is not None:
            self.opened, self._outside.mapped = None, ()
            self._outside.refresh()
