"""Server or client of the DHT: decided by how others reach this node, and decided anew."""

from __future__ import annotations

import trio

from onmeet_node.net.bootstraps.bootstraps import Bootstraps
from onmeet_node.net.bootstraps.reachability import Reachability, ReachabilityProbe
from onmeet_node.net.exposure import Exposure
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.waiting import either

ALONE_AFTER = 8.0
"""Seconds without any bootstrap after which a node counts as on its own: a bootstrap that starts
anew is back sooner."""


def starts_as_server(*, listens: bool, bootstraps: bool, hidden: bool = False) -> bool:
    """Whether a node serves the DHT from its first moment on.

    With a bootstrap it waits for the dial-back; without one, those it meets on its own network
    must be able to ask it. `hidden`: relay-only is on.
    """
    return listens and not bootstraps and not hidden


async def keep_dht_mode(
    host: Host, bootstraps: Bootstraps, outside: ReachabilityProbe, exposure: Exposure | None = None
) -> None:
    """Serves while this node is PUBLIC, or listens and has no bootstrap, until cancelled.

    A node behind a NAT must not serve: each lookup that tries it would wait for a dial that
    fails. Without any bootstrap there is nobody but the nodes met on the local network and in
    former days, and somebody of them must serve. With relay-only on it never serves: whoever asks
    a server sees its address.
    """
    exposure = exposure or Exposure()
    while True:
        changed = (bootstraps.changed, outside.changed, exposure.changed)
        if exposure.relay_only():
            await host.set_role(server=False)
        elif outside.reachability is Reachability.PUBLIC:
            proven = tuple(a.partition("/p2p/")[0] for a in outside.addresses)
            await host.set_role(server=True, proven=proven)
        elif bootstraps.connected or not host.listening:
            await host.set_role(server=False)
        elif not host.server:
            with trio.move_on_after(ALONE_AFTER) as patience:
                while not bootstraps.connected and not exposure.relay_only():
                    await either(bootstraps.changed.wait(), exposure.changed.wait())
            if patience.cancelled_caught:
                await host.set_role(server=True)
        await either(*(event.wait() for event in changed))
