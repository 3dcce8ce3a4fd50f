"""An issuer, asked by HTTPS; by a SOCKS proxy, if its user does not want to show where they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import httpx2
import trio

from onmeet_node.accounts.errors import AccountsMissing, IssuerRefused, IssuerUnreachable
from onmeet_node.protocol.wire.seat import SeatLink, encode_code, issuer_url
from onmeet_node.protocol.wire.token_directory import (
    MAX_DIRECTORY_BYTES,
    PATH,
    REQUEST_PATH,
    IssuerDirectory,
)
from onmeet_node.protocol.wire.tokens import MAX_BATCH, SIGNATURE_BYTES, BadToken

SECONDS = 30.0
"""For the next piece."""
WHOLE_SECONDS = 90.0
"""For all of an answer: 512 signatures take a second or two."""
MAX_STATE_BYTES = 4_096
_OK = 200


@attrs.frozen
class SeatAllowance:
    """What the issuer says of a seat."""

    tokens_per_week: int
    last_day: int
    left: dict[int, int]


class IssuerClient:
    """Asks one issuer for one seat. Made by `open_issuer`."""

    def __init__(self, client: httpx2.AsyncClient, seat: SeatLink) -> None:
        self._client = client
        self._issuer = seat.issuer
        self._bearer = {"Authorization": f"Bearer {encode_code(seat.code)}"}

    async def directory(self) -> IssuerDirectory:
        """Its keys. Asked without the seat. Raises `AccountError`."""
        data = await self._ask("GET", PATH, most=MAX_DIRECTORY_BYTES, seat=False)
        try:
            return IssuerDirectory.decode(data)
        except BadToken as error:
            raise IssuerUnreachable(self._issuer, str(error)) from error

    async def allowance(self) -> SeatAllowance:
        """What the seat has. Raises `AccountError`."""
        data = await self._ask("GET", "/v1/me", most=MAX_STATE_BYTES)
        try:
            found = json.loads(data)
            left = {int(epoch): _count(count) for epoch, count in found["left"].items()}
            return SeatAllowance(_count(found["tokens_per_week"]), _count(found["last_day"]), left)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise IssuerUnreachable(self._issuer, "it says nothing that is understood") from None

    async def sign(self, body: bytes) -> list[bytes]:
        """Blind signatures of a batch. Raises `AccountError`."""
        data = await self._ask("POST", REQUEST_PATH, most=MAX_BATCH * SIGNATURE_BYTES, content=body)
        return [data[n : n + SIGNATURE_BYTES] for n in range(0, len(data), SIGNATURE_BYTES)]

    async def _ask(
        self, method: str, path: str, *, most: int, seat: bool = True, content: bytes | None = None
    ) -> bytes:
        headers = self._bearer if seat else {}
        data, length = b"", 0
        try:
            with trio.fail_after(WHOLE_SECONDS):
                async with self._client.stream(
                    method, path, headers=headers, content=content
                ) as response:
                    async for piece in response.aiter_bytes():
                        # NOTE: heard to its end, or to that of the time; kept as far as it may be.
                        length += len(piece)
                        data = data + piece if length <= most else b""
        except (
            httpx2.HTTPError,
            httpx2.InvalidURL,
            OSError,
            ValueError,
            trio.TooSlowError,
        ) as error:
            # NOTE: the class alone: messages of libraries name addresses.
            raise IssuerUnreachable(self._issuer, type(error).__name__) from error
        if length > most:
            raise IssuerUnreachable(self._issuer, "its answer is too long")
        if response.status_code == _OK:
            return data
        raise IssuerRefused(self._issuer, _reason_of(data))


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError("no count")
    return value


def _reason_of(data: bytes) -> str:
    try:
        reason = json.loads(data)["reason"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "unavailable"
    return reason if isinstance(reason, str) else "unavailable"


@asynccontextmanager
async def open_issuer(seat: SeatLink, via: str = "") -> AsyncIterator[IssuerClient]:
    """A client while the block runs. Proxies of the environment are not used: `via` says which."""
    try:
        client = httpx2.AsyncClient(
            base_url=issuer_url(seat.issuer),
            proxy=via or None,
            timeout=SECONDS,
            trust_env=False,
        )
    except ImportError as error:  # its part for SOCKS
        raise AccountsMissing from error
    async with client:
        yield IssuerClient(client, seat)
