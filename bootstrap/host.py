"""The bootstrap's libp2p host, and what of the library's inside only a bootstrap needs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bootstrap.config import BootstrapConfig
from bootstrap.errors import StartFailed
from bootstrap.limits import prefix_of
from onmeet_node.net.errors import BadAddress, LibraryMoved, ListenFailed
from onmeet_node.net.host import Host, HostConfig, open_host
from onmeet_node.net.streams import Stream

_LAYERS = ("secured_conn", "conn", "stream", "_ws_connection", "_stream", "socket")
"""How the library's objects hold each other, from a muxed connection down to a socket."""
_MAX_DEPTH = 10


def remote_address(stream: Stream) -> str | None:
    """The IP address that a stream's connection comes from; None if there is no socket to ask.

    NOTE: the library's own `get_remote_address` gives None for IPv6 and for WebSocket.
    """
    layers: list[Any] = [stream._raw.muxed_conn]
    for _ in range(_MAX_DEPTH):
        layers = [
            below
            for layer in layers
            for name in _LAYERS
            if (below := getattr(layer, name, None)) is not None
        ]
        for layer in layers:
            if hasattr(layer, "getpeername"):
                try:
                    return str(layer.getpeername()[0])
                except OSError:
                    return None
    return None


def network_of(stream: Stream) -> str:
    """The network prefix that a stream's connection is counted under."""
    return prefix_of(remote_address(stream))


def silence_libraries() -> None:
    """Keeps the logs free of addresses, PeerIds and names, which libraries put into theirs (P2).

    What is left is the logger ``bootstrap``, whose messages hold none.
    """
    for name in ("libp2p", "onmeet_node", "multiaddr", "hypercorn", "trio-websocket", "zeroconf"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False


@asynccontextmanager
async def open_bootstrap_host(config: BootstrapConfig) -> AsyncIterator[Host]:
    """A host that serves the DHT under the bootstrap's own PeerId. Raises `StartFailed`."""
    host_config = HostConfig(
        listen=config.listen,
        server=True,
        seed=config.seed,
        announce=config.announce,
        max_connections=config.max_connections,
    )
    started = False
    try:
        async with open_host(host_config) as host:
            started = True
            yield host
    except (ListenFailed, BadAddress, LibraryMoved) as error:
        if started:
            raise
        raise StartFailed(str(error)) from error
