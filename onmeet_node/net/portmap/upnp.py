"""UPnP IGD: asking a router to let a port through, where it knows no NAT-PMP.

miniupnpc does the talking, in a thread: it blocks for seconds. It harms nothing when it ends after
we have left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import trio

from onmeet_node.net.errors import PortMapFailed
from onmeet_node.net.portmap.natpmp import PortMapping

T = TypeVar("T")

DISCOVER_MS = 2000
"""For routers to answer the search."""
RENEW_AFTER = 3600.0
"""Seconds until the mapping is asked for again; it lasts until then or until the router starts
anew: many routers refuse mappings that end by themselves."""
NAME = "On-Meet"
"""As the router's list of mappings shows it."""
_TRIES = 3
"""Outside ports tried, where another machine has the first."""


class Igd:
    """The router of this network. Found by `find`."""

    def __init__(self, device: Any) -> None:
        self._device = device

    @classmethod
    async def find(cls, url: str | None = None) -> Igd:
        """The router that answers a search, or the one described at `url`. Raises PortMapFailed."""
        return await _in_thread(cls._find, url)

    @classmethod
    def _find(cls, url: str | None) -> Igd:
        import miniupnpc  # type: ignore[import-not-found]  # noqa: PLC0415 - few nodes need it

        device = miniupnpc.UPnP()
        device.discoverdelay = DISCOVER_MS
        try:
            if url is None:
                if not device.discover():
                    raise PortMapFailed("no router answers")
                device.selectigd()
            else:
                device.selectigd(url)
        except PortMapFailed:
            raise
        except Exception as error:
            raise PortMapFailed(str(error) or "no router answers") from error
        return cls(device)

    async def map_port(self, inside: int, outside: int) -> PortMapping:
        """Let TCP `outside`, or one near it, lead to our `inside`. Raises PortMapFailed."""
        return await _in_thread(self._map_port, inside, outside)

    def _map_port(self, inside: int, outside: int) -> PortMapping:
        reason = "it refuses"
        for port in range(outside, min(outside + _TRIES, 65_536)):
            try:
                if self._device.addportmapping(port, "TCP", self._device.lanaddr, inside, NAME, ""):
                    return PortMapping(port, 2 * RENEW_AFTER)
            except Exception as error:  # noqa: BLE001 - the library raises plain Exception
                reason = str(error)
        raise PortMapFailed(reason)

    async def unmap_port(self, outside: int) -> None:
        """Close what was opened. Never fails."""
        await _in_thread(self._unmap_port, outside)

    def _unmap_port(self, outside: int) -> None:
        try:
            self._device.deleteportmapping(outside, "TCP")
        except Exception:  # noqa: BLE001 - it is gone already, or the router is
            return


async def _in_thread(fn: Callable[..., T], *args: object) -> T:
    run: Any = trio.to_thread.run_sync  # trio-typing, which libp2p installs, knows older names
    result: T = await run(fn, *args, abandon_on_cancel=True)
    return result
