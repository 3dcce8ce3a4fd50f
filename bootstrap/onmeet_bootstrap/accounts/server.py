"""The accounts service over HTTPS: the directory of keys, and purchases of seats.

Nothing about who asks is kept or logged but a bucket for each network, in memory.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from onmeet_bootstrap.accounts.config import AccountsConfig
from onmeet_bootstrap.accounts.errors import (
    AccountsError,
    AskedTooOften,
    BadPurchase,
    LedgerUnavailable,
    NoSeat,
    PurchaseRefused,
)
from onmeet_bootstrap.accounts.issuer import Issuer
from onmeet_bootstrap.accounts.ledger import open_ledger
from onmeet_bootstrap.gateway.listening import listen_all, open_tls
from onmeet_node.net.asgi.config import ServerLimits
from onmeet_node.net.asgi.server import open_server
from onmeet_node.net.libp2p.remote_address import prefix_of
from onmeet_node.net.rates import AllowedRate, RateLimit
from onmeet_node.process.faults import contained
from onmeet_node.protocol.wire import token_directory
from onmeet_node.protocol.wire.seat import BadSeat, decode_code, hash_of
from onmeet_node.protocol.wire.tokens import MAX_BATCH, REQUEST_BYTES

log = logging.getLogger("bootstrap")

CHUNK = 4
"""Signatures between two looks at who else waits: about 6 ms."""
TURN_OVER_SECONDS = 600.0
"""Between looks whether a week has ended."""
AGAIN_SECONDS = 30.0
"""After one that failed."""
WRITE_SECONDS = 15.0
HEARD_OUT = 4
"""Times the longest batch."""
_NOTHING_KEPT = {"Cache-Control": "no-store"}
_DIRECTORY_KEPT = {"Cache-Control": "public, max-age=600"}


class AccountsServer:
    """The routes."""

    def __init__(
        self,
        issuer: Issuer,
        config: AccountsConfig,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._clock = clock
        rate = AllowedRate(config.requests_per_minute, config.requests_burst)
        self._networks = RateLimit(rate, trio.current_time)
        self.signed = 0
        """Tokens since the start: a count, for the operator."""
        self.addresses: tuple[str, ...] = ()
        self.app = Starlette(
            routes=[
                Route(token_directory.PATH, self._directory, methods=["GET"]),
                Route(
                    token_directory.REQUEST_PATH,
                    partial(self._for_seat, self._buy),
                    methods=["POST"],
                ),
                Route("/v1/me", partial(self._for_seat, self._me), methods=["GET"]),
            ]
        )

    async def keep_keys(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Turns over to the keys of the next week, until cancelled; ready when there are keys.

        Raises `AccountsError` and `StartFailed` if they cannot be made the first time.
        """
        await self._turn_over()
        task_status.started()
        pause = TURN_OVER_SECONDS
        while True:
            await trio.sleep(pause)
            pause = AGAIN_SECONDS
            with contained("token keys"):
                try:
                    await self._turn_over()
                    pause = TURN_OVER_SECONDS
                except AccountsError as error:
                    log.warning("the token keys were not looked after: %s", error)

    async def _turn_over(self) -> None:
        await trio.to_thread.run_sync(self._issuer.turn_over, self._clock())

    async def _directory(self, _request: Request) -> Response:
        return Response(
            self._issuer.directory(),
            media_type=token_directory.MEDIA_TYPE,
            headers=_DIRECTORY_KEPT,
        )

    async def _for_seat(
        self, answer: Callable[[bytes, bytes], Awaitable[Response]], request: Request
    ) -> Response:
        """Answers a seat. Who is refused is heard out first, or would not hear why."""
        try:
            body = await _body(request)
            if not self._networks.allow(prefix_of(request.client.host if request.client else None)):
                raise AskedTooOften("Too many questions of this network: ask again in a minute.")
            return await answer(_code_of(request), body)
        except PurchaseRefused as error:
            return _refusal(error.status, error.reason, str(error))
        except LedgerUnavailable as error:
            log.warning("%s", error)
            return _refusal(503, "unavailable", "Not just now: ask again in a minute.")

    async def _me(self, code_hash: bytes, _body: bytes) -> Response:
        state = await trio.to_thread.run_sync(self._issuer.state_of, code_hash, self._clock())
        return JSONResponse(attrs.asdict(state), headers=_NOTHING_KEPT)

    async def _buy(self, code_hash: bytes, body: bytes) -> Response:
        order = await trio.to_thread.run_sync(self._issuer.order, code_hash, body, self._clock())
        answers = []
        for number, blinded in enumerate(order.blinded, 1):
            answers.append(order.signer.sign(blinded))
            if not number % CHUNK:
                await trio.lowlevel.checkpoint()
        self.signed += len(answers)
        return Response(
            b"".join(answers), media_type="application/octet-stream", headers=_NOTHING_KEPT
        )


async def _body(request: Request) -> bytes:
    """A whole body of a batch. One that is longer is heard out, so that its sender hears why; but
    not for ever.
    """
    most = MAX_BATCH * REQUEST_BYTES
    kept, length = b"", 0
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            length += len(piece)
            kept = kept + piece if length <= most else b""
            if length > HEARD_OUT * most:
                break
    if length > most:
        raise BadPurchase(f"A batch is at most {MAX_BATCH} requests.")
    return kept


def _code_of(request: Request) -> bytes:
    scheme, _, code = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise NoSeat("Name a seat: Authorization: Bearer seat-…")
        return hash_of(decode_code(code))
    except BadSeat as error:
        raise NoSeat(str(error)) from error


def _refusal(status: int, reason: str, text: str) -> Response:
    body = json.dumps({"reason": reason, "text": text}).encode()
    return Response(body, status, media_type="application/json", headers=_NOTHING_KEPT)


@asynccontextmanager
async def open_accounts(
    home: Path, config: AccountsConfig, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[AccountsServer]:
    """Serves while the block runs. Raises `SettingsError`, `AccountsError` and `StartFailed`."""
    with open_ledger(home) as ledger:
        server = AccountsServer(Issuer(ledger, config, home), config, clock=clock)
        context = open_tls(config.certificate, config.key, "accounts")
        sockets = listen_all(config.listen, WRITE_SECONDS)
        limits = ServerLimits(message_bytes=0, ping_seconds=60, write_seconds=WRITE_SECONDS)
        server.addresses = tuple(
            f"{'https' if context else 'http'}://{listener.getsockname()[0]}:"
            f"{listener.getsockname()[1]}"
            for listener in sockets
        )
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(server.keep_keys))
                async with open_server(
                    server.app, sockets, limits, context=context, proxies=config.behind_proxy
                ):
                    yield server
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            if len(group.exceptions) == 1:  # the block's own, or why it did not start
                raise group.exceptions[0] from None
            raise
