"""``/healthz`` and ``/metrics`` over HTTP, on this machine alone."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from onmeet_bootstrap.config.model import MetricsConfig
from onmeet_bootstrap.errors import StartFailed
from onmeet_bootstrap.watching.metrics import CONTENT_TYPE, Measured, text_of
from onmeet_node.net.asgi.config import ServerLimits
from onmeet_node.net.asgi.server import open_server
from onmeet_node.net.libp2p.multiaddrs import system_speaks

_LIMITS = ServerLimits(
    message_bytes=0, ping_seconds=20, write_seconds=5, waiting=32, waiting_per_network=32
)
_NAMES = {"127.0.0.1", "localhost", "[::1]"}


class _LoopbackNames:
    """Answers to this machine's own names alone: no web page reads it by a name that leads here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if any(host.rpartition(":")[0] not in _NAMES and host not in _NAMES for host in hosts):
                await Response("Not a name of this machine.", 421)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _app(measure: Callable[[], Measured], troubles: Callable[[], Sequence[str]]) -> ASGIApp:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

    async def healthz(_request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        wrong = troubles()
        text = "".join(f"{each}\n" for each in wrong or ("ok",))
        return Response(text, 503 if wrong else 200, headers, "text/plain")

    async def metrics(_request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        return Response(text_of(measure), 200, {**headers, "content-type": CONTENT_TYPE})

    return _LoopbackNames(
        Starlette(
            routes=[
                Route("/healthz", healthz, methods=["GET"]),
                Route("/metrics", metrics, methods=["GET"]),
            ]
        )
    )


@asynccontextmanager
async def serve_metrics(
    config: MetricsConfig,
    measure: Callable[[], Measured],
    troubles: Callable[[], Sequence[str]],
) -> AsyncIterator[tuple[int, ...]]:
    """Serves both while the block runs, if so configured; gives the ports. Raises `StartFailed`.

    `troubles`: what is not well now, a line each.
    """
    if not config.serve:
        yield ()
        return
    sockets = [_listen(where) for where in _speakable(config.listen)]
    ports = tuple(each.getsockname()[1] for each in sockets)
    async with open_server(_app(measure, troubles), sockets, _LIMITS):
        yield ports


def _speakable(places: Sequence[str]) -> Sequence[str]:
    return [where for where in places if system_speaks(6 if "[" in where else 4)] or places


def _listen(where: str) -> socket.socket:
    host, _, port = where.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family)
    except OSError as error:
        raise StartFailed(
            f"[metrics] listen: cannot listen on {where}: {error.strerror}. Choose another port."
        ) from error
