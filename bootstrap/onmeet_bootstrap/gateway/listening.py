"""Where the gateway listens: sockets, TLS, and the one name it answers to."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from onmeet_bootstrap.config.model import GuestsConfig
from onmeet_bootstrap.errors import SettingsError, StartFailed
from onmeet_node.net.asgi.server import tls_context
from onmeet_node.net.libp2p.multiaddrs import system_speaks


class HostGuard:
    """Answers only to the gateway's own name: whatever else leads here is no guest's browser."""

    def __init__(self, app: ASGIApp, origin: Callable[[], str]) -> None:
        self._app = app
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] in {"http", "websocket"}:
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            expected = self._origin().partition("://")[2].encode()
            if hosts and hosts != [expected]:
                if scope["type"] == "http":
                    await Response("Not the name of this gateway.", 421)(scope, receive, send)
                else:
                    await send({"type": "websocket.close", "code": 1008})
                return
        await self._app(scope, receive, send)


def listen_all(places: Sequence[str], write_seconds: float) -> list[socket.socket]:
    """`listen` at each; a kernel without IPv6 (or IPv4) leaves the places of the other kind."""
    here = [where for where in places if system_speaks(6 if "[" in where else 4)]
    return [listen(where, write_seconds) for where in here or places]


def listen(where: str, write_seconds: float) -> socket.socket:
    """A listening socket; who takes nothing for so long is cut off by the kernel (RFC 5482)."""
    host, _, port = where.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=256)
    except (OSError, ValueError) as error:
        raise StartFailed(
            f"Cannot listen for guests on {where}: {error}. Choose another address for [guests] "
            "listen, or stop the program that uses it."
        ) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; inherited by accepted sockets
        milliseconds = int(write_seconds * 1_000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return listener


def open_certificate(config: GuestsConfig) -> ssl.SSLContext | None:
    """TLS as configured, if it is. Raises `SettingsError` for a certificate that cannot be used."""
    return open_tls(config.certificate, config.key, "[guests]")


def open_tls(certificate: str, key: str, whose: str) -> ssl.SSLContext | None:
    """TLS with these files; None without. Raises `SettingsError`, beginning with `whose`."""
    if not certificate:
        return None
    try:
        return tls_context(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{whose} certificate and key cannot be used: {error}. Name a PEM chain and its key."
        ) from error
