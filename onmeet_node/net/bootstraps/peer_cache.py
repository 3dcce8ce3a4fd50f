"""DHT servers met before: the way back in while every bootstrap is down.

Nodes have a new PeerId at each start, so only servers that have run since are found again; a few
dozen of them, renewed while we run, are enough for one of them to be there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import trio

from onmeet_node.net.bootstraps.bootstraps import Bootstraps
from onmeet_node.net.errors import NetError
from onmeet_node.net.libp2p.multiaddrs import circuit, ip_of

log = logging.getLogger(__name__)

MOST = 64
"""Servers remembered; as much as the setting holds."""
PATIENCE = 3.0
"""Seconds the bootstraps have before servers of former days are tried."""
AT_ONCE = 8
"""Servers tried at the same time."""
TRY_AGAIN = 60.0
"""Seconds until all of them are tried anew, while nobody is known."""
FIRST_SAVE = 20.0
"""Seconds after the start; a node that runs shorter meets nobody new."""
SAVE_EVERY = 600.0


class Servers(Protocol):
    """The part of `net.libp2p.host.Host` that this needs; its tests have one who met a few."""

    def dht_peers(self) -> tuple[str, ...]:
        """The peers that a lookup starts from."""
        ...

    def dht_servers(self) -> tuple[str, ...]:
        """Multiaddrs of those peers, with ``/p2p``."""
        ...

    async def join(self, addresses: Sequence[str]) -> tuple[str, ...]:
        """Enter the DHT through these peers. Raises NetError."""
        ...


def worth_keeping(addresses: Iterable[str]) -> tuple[str, ...]:
    """One address of each server, the internet's first; none that leads only to ourselves."""
    best: dict[str, tuple[bool, str]] = {}
    for address in addresses:
        ip = ip_of(address)
        if (
            ip is None
            or ip.is_loopback
            or ip.is_link_local
            or ip.is_unspecified
            or circuit(address)
        ):
            continue
        peer = address.rpartition("/")[2]
        best[peer] = min(best.get(peer, (True, address)), (not ip.is_global, address))
    return tuple(address for _, address in sorted(best.values(), key=lambda each: each[0]))[:MOST]


async def keep_dht_servers(
    host: Servers,
    bootstraps: Bootstraps,
    load: Callable[[], Sequence[str]],
    save: Callable[[tuple[str, ...]], None],
    *,
    choose: Callable[[Iterable[str]], tuple[str, ...]] = worth_keeping,
) -> None:
    """Enters by servers met before when no bootstrap answers, and remembers those met now.

    Until cancelled. `load` and `save` are of the store.
    """
    before = tuple(load())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_enter, host, bootstraps, before)
        await trio.sleep(FIRST_SAVE)
        while True:
            now = choose(host.dht_servers())
            # Whom we have not met this time may yet be there the next time.
            kept = tuple(dict.fromkeys((*now, *before)))[:MOST]
            if now and set(kept) != set(before):
                before = kept
                save(kept)
            await trio.sleep(SAVE_EVERY)


async def _enter(host: Servers, bootstraps: Bootstraps, addresses: tuple[str, ...]) -> None:
    while addresses:
        with trio.move_on_after(PATIENCE):
            await bootstraps.wait_connected()
        for start in range(0, len(addresses), AT_ONCE):
            if host.dht_peers():
                break
            try:
                await host.join(addresses[start : start + AT_ONCE])
            except NetError as error:
                log.debug("servers of former days did not answer: %s", type(error).__name__)
        await trio.sleep(TRY_AGAIN)
