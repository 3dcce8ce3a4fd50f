"""STUN and TURN servers: their URLs taken apart, asked, and what came of it."""

from __future__ import annotations

import os
import re
import socket
import ssl
from dataclasses import dataclass, field

from aioice import stun
from aiortc.rtcicetransport import parse_stun_turn_uri

from onmeet_node.media.endpoint import IceServer
from onmeet_node.media.ice_report import ServerReport

_BRACKETS = re.compile(r"^(turns?|stuns?):\[([0-9a-fA-F:.]+)\](.*)$")
_V6_STAND_IN = "v6.invalid"

_CERTIFICATE = {10: "it has expired", 62: "it is for another name", 64: "it is for another address"}
"""OpenSSL's X509_V_ERR codes."""


@dataclass(frozen=True, slots=True)
class IceServerUrl:
    """A STUN or TURN URL (RFC 7064, RFC 7065), taken apart."""

    url: str
    is_turn: bool
    address: tuple[str, int]
    tls: bool
    transport: str
    username: str | None
    credential: str | None = field(repr=False)

    @property
    def kind(self) -> str:
        """As in `ServerReport`."""
        if not self.is_turn:
            return "stun"
        return "turn/tls" if self.tls else f"turn/{self.transport}"

    def worked(self) -> ServerReport:
        """It gave us a candidate."""
        return ServerReport(self.kind, worked=True)

    def failed(self, error: Exception | str) -> ServerReport:
        """It did not; the report says why, and not where it is."""
        why = error if isinstance(error, str) else _why(error)
        return ServerReport(self.kind, worked=False, error=why)


def parse(server: IceServer) -> IceServerUrl | None:
    """Takes a URL apart; None for one that is no STUN or TURN URL.

    NOTE: aiortc's parser knows no IPv6 addresses in brackets.
    """
    url, address = server.url, None
    if bracketed := _BRACKETS.match(url):
        scheme, address, rest = bracketed.groups()
        url = f"{scheme}:{_V6_STAND_IN}{rest}"
    try:
        parts = parse_stun_turn_uri(url)
    except ValueError:
        return None
    return IceServerUrl(
        url=server.url,
        is_turn=parts["scheme"] in ("turn", "turns"),
        address=(address or parts["host"], parts["port"]),
        tls=parts["scheme"] == "turns",
        transport=parts.get("transport") or "udp",
        username=server.username,
        credential=server.credential,
    )


def _why(error: Exception) -> str:
    match error:
        case stun.TransactionFailed():
            code, phrase = error.response.attributes.get("ERROR-CODE", (0, "no reason"))
            return _refused(int(code), str(phrase))
        case stun.TransactionTimeout():
            return "no answer"
        case ssl.SSLCertVerificationError():
            what = _CERTIFICATE.get(error.verify_code, "nobody we trust signed it")
            return f"its certificate was refused: {what}"
        case ssl.SSLError():
            return "TLS with it failed"
        case socket.gaierror():
            return "its name was not found in the DNS"
        case OSError() if error.errno:
            return os.strerror(error.errno)  # NOTE: asyncio puts the address into `strerror`
        case _:
            return type(error).__name__


def _refused(code: int, phrase: str) -> str:
    """RFC 8656, 18: the codes whose cause is known."""
    match code:
        case 401 | 438:
            return f"it refused our credentials ({code}): one of the clocks may be wrong"
        case 486:
            return "it has no room for another of our calls (486)"
        case 508:
            return "all its ports are in use (508)"
        case _:
            clean = "".join(c for c in phrase if c.isascii() and (c.isalnum() or c == " "))[:40]
            return f"it refused ({code} {clean})"
