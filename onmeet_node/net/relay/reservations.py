"""Places at relays: two of them, at the nearest bootstraps that lend any, as long as needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from onmeet_node.net.bootstraps.bootstraps import Bootstraps, BootstrapState, KnownBootstrap
from onmeet_node.net.relay.client import RelayClient
from onmeet_node.protocol.wire.vocabulary import BootstrapService

PLACES = 2
"""Relays that hold a place for this node, so that one may fail."""
LOOK_AGAIN = 20.0
"""Seconds between looks whether places are wanted; nothing tells when they no longer are."""


async def keep_reservations(
    bootstraps: Bootstraps, relays: RelayClient, *, wanted: Callable[[], bool] = lambda: True
) -> None:
    """Holds reservations at the nearest relays until cancelled.

    One that is gone gives way to the next, and all are given back while none is `wanted`, which
    is asked every LOOK_AGAIN seconds and whenever the bootstraps change.
    """
    keepers: dict[str, trio.CancelScope] = {}

    async def keep(addresses: Sequence[str], scope: trio.CancelScope) -> None:
        with scope:
            await relays.keep(addresses)

    async with trio.open_nursery() as nursery:
        while True:
            changed = bootstraps.changed
            lending = [known for known in bootstraps.known if _lends(known)] if wanted() else []
            for peer in keepers.keys() - {known.peer for known in lending}:
                keepers.pop(peer).cancel()
            for known in lending:
                if len(keepers) < PLACES and known.peer not in keepers:
                    scope = keepers[known.peer] = trio.CancelScope()
                    nursery.start_soon(keep, known.addresses, scope)
            with trio.move_on_after(LOOK_AGAIN):
                await changed.wait()


def _lends(known: KnownBootstrap) -> bool:
    return (
        known.standing is BootstrapState.CONNECTED
        and known.description is not None
        and BootstrapService.RELAY in known.description.services
    )
