"""Asks a TURN server for one relay as nodes do, and gives it back: does it work, and if not, why?

RFC 8656 over UDP, TCP and TLS with long-term credentials (RFC 8489, 9.2).
"""

from __future__ import annotations

import enum
import hashlib
import re
import ssl
from collections.abc import Awaitable, Callable

import attrs
import trio

from onmeet_bootstrap.turn import stun
from onmeet_node.net.libp2p.multiaddrs import system_speaks

_ALLOCATE, _ALLOCATED, _REFRESH = 0x0003, 0x0103, 0x0004
_USERNAME, _REALM, _NONCE, _LIFETIME, _REQUESTED_TRANSPORT = 0x0006, 0x0014, 0x0015, 0x000D, 0x0019
_VERSIONS = {trio.socket.AF_INET: 4, trio.socket.AF_INET6: 6}
_UDP = bytes([17, 0, 0, 0])
_UNAUTHORIZED, _STALE_NONCE, _QUOTA, _CAPACITY = 401, 438, 486, 508
RESEND_SECONDS = 0.5
"""Doubled with each datagram that was not answered (RFC 8489, 6.2.1)."""
_URL = re.compile(
    r"(turns?):(\[[0-9A-Fa-f:.]+\]|[^:?\[\]]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?"
)


class Outcome(enum.Enum):
    """What came of it."""

    GIVEN = "given"
    SILENT = "silent"
    """No answer: packets are dropped on the way, or the server hangs."""
    CLOSED = "closed"
    """The machine answers that nobody listens at that port."""
    UNKNOWN_HOST = "unknown host"
    EXPIRED = "certificate expired"
    OTHER_NAME = "certificate for another name"
    UNTRUSTED = "certificate not trusted"
    NO_TLS = "no TLS"
    UNAUTHORIZED = "unauthorized"
    """It does not take the credentials."""
    FULL = "full"
    REFUSED = "refused"
    """Another error."""


@attrs.frozen
class TurnUrl:
    """One TURN URL (RFC 7065), taken apart."""

    host: str
    port: int
    transport: str
    """``UDP``, ``TCP`` or ``TLS``, as people say."""

    @classmethod
    def parse(cls, url: str) -> TurnUrl:
        """Raises ValueError."""
        found = _URL.fullmatch(url)
        if found is None:
            raise ValueError("not a TURN URL")
        scheme, host, port, transport = found.groups()
        secure = scheme == "turns"
        return cls(
            host.strip("[]"),
            int(port or (5349 if secure else 3478)),
            "TLS" if secure else (transport or "udp").upper(),
        )


Ask = Callable[[bytes, bytes], Awaitable[stun.Message]]
"""Sends a request, by its transaction, and waits for the answer."""


async def allocate(
    url: TurnUrl,
    username: str,
    credential: str,
    *,
    seconds: float,
    at: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Outcome:
    """Asks for a relay, and gives it back. Takes at most `seconds`; never raises.

    `at`: an IP address to go to in place of the URL's host, whose name TLS still checks.
    """
    outcome = Outcome.SILENT
    with trio.move_on_after(seconds):
        try:
            outcome = await _attempt(url, username, credential, at or url.host, tls)
        except ssl.SSLCertVerificationError as error:
            outcome = _of_certificate(error)
        except ssl.SSLError:
            outcome = Outcome.NO_TLS
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            if isinstance(cause, ssl.SSLCertVerificationError):
                outcome = _of_certificate(cause)
            elif url.transport == "TLS":
                outcome = Outcome.NO_TLS
            else:
                outcome = Outcome.CLOSED
        except trio.socket.gaierror:
            outcome = Outcome.UNKNOWN_HOST
        except OSError as error:
            outcome = Outcome.CLOSED if _refused(error) else Outcome.SILENT
    return outcome


def _refused(error: BaseException) -> bool:
    # NOTE: trio's open_tcp_stream raises an OSError from what each address said, in a group
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        return cause.subgroup(ConnectionRefusedError) is not None
    return isinstance(cause or error, ConnectionRefusedError)


def _of_certificate(error: ssl.SSLCertVerificationError) -> Outcome:
    # X509_V_ERR_CERT_HAS_EXPIRED, …_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH (x509_vfy.h)
    known = {10: Outcome.EXPIRED, 62: Outcome.OTHER_NAME, 64: Outcome.OTHER_NAME}
    return known.get(error.verify_code, Outcome.UNTRUSTED)


async def _attempt(
    url: TurnUrl, username: str, credential: str, host: str, tls: ssl.SSLContext | None
) -> Outcome:
    if url.transport == "UDP":
        found = await trio.socket.getaddrinfo(host, url.port, type=trio.socket.SOCK_DGRAM)
        usable = (each for each in found if system_speaks(_VERSIONS[each[0]]))
        family, kind, protocol, _, address = next(usable, found[0])
        with trio.socket.socket(family, kind, protocol) as sender:
            await sender.connect(address)
            return await _converse(_over_datagrams(sender), username, credential)
    raw = await trio.open_tcp_stream(host, url.port)
    if url.transport == "TCP":
        async with raw:
            return await _converse(_over_stream(raw), username, credential)
    context = tls or ssl.create_default_context()
    secured = trio.SSLStream(raw, context, server_hostname=url.host, https_compatible=True)
    async with raw:  # no goodbye in TLS: a server that hangs would hold it up
        await secured.do_handshake()
        return await _converse(_over_stream(secured), username, credential)


async def _converse(ask: Ask, username: str, credential: str) -> Outcome:
    wanted = (_REQUESTED_TRANSPORT, _UDP)
    transaction = stun.new_transaction()
    answer = await ask(stun.encode(_ALLOCATE, transaction, [wanted]), transaction)
    for _ in range(2):  # the first nonce may be stale already
        realm, nonce = (answer.attributes.get(name, b"") for name in (_REALM, _NONCE))
        signed = [(_USERNAME, username.encode()), (_REALM, realm), (_NONCE, nonce)]
        key = hashlib.md5(  # noqa: S324 - RFC 8489, 9.2.2
            b":".join((username.encode(), realm, credential.encode()))
        ).digest()
        transaction = stun.new_transaction()
        request = stun.encode(_ALLOCATE, transaction, [wanted, *signed], key=key)
        answer = await ask(request, transaction)
        if answer.error != _STALE_NONCE:
            break
    if answer.kind == _ALLOCATED:
        transaction = stun.new_transaction()
        ended = [(_LIFETIME, bytes(4)), *signed]
        await ask(stun.encode(_REFRESH, transaction, ended, key=key), transaction)
        return Outcome.GIVEN
    if answer.error == _UNAUTHORIZED:
        return Outcome.UNAUTHORIZED
    return Outcome.FULL if answer.error in {_QUOTA, _CAPACITY} else Outcome.REFUSED


def _over_datagrams(sender: trio.socket.SocketType) -> Ask:
    async def ask(request: bytes, transaction: bytes) -> stun.Message:
        pause = RESEND_SECONDS
        while True:
            await sender.send(request)
            with trio.move_on_after(pause):
                while True:
                    answer = stun.decode(await sender.recv(stun.MAX_BYTES))
                    if answer is not None and answer.transaction == transaction:
                        return answer
            pause *= 2

    return ask


def _over_stream(stream: trio.abc.Stream) -> Ask:
    async def exactly(count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = await stream.receive_some(count - len(data))
            if not part:
                raise trio.BrokenResourceError
            data += part
        return bytes(data)

    async def ask(request: bytes, transaction: bytes) -> stun.Message:
        await stream.send_all(request)
        while True:
            head = await exactly(stun.HEAD_BYTES)
            answer = stun.decode(head + await exactly(stun.body_bytes(head)))
            if answer is None:
                raise trio.BrokenResourceError  # not TURN
            if answer.transaction == transaction:
                return answer

    return ask
