"""Uses a bootstrap as nodes do, from any machine, and says of each service whether it works."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable, Sequence

import attrs
import trio
from nacl.signing import SigningKey

from onmeet_bootstrap.turn.allocate import Outcome, TurnUrl, allocate
from onmeet_node.findings import Finding, Tell, bad, good, poor
from onmeet_node.net.bootstraps.clock import TOLERATED, ahead_of, date_of, spoken
from onmeet_node.net.bootstraps.requests import ask, ask_description
from onmeet_node.net.errors import (
    BadMultiaddr,
    BootstrapRefused,
    NetError,
    RelayUnavailable,
    ReservationRefused,
    TokenRefused,
)
from onmeet_node.net.libp2p.multiaddrs import peer_of
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.relay.client import RelayClient
from onmeet_node.protocol.wire import record
from onmeet_node.protocol.wire.bootstrap_api import LendTurn, TurnCredentials, open_description
from onmeet_node.protocol.wire.errors import DescriptionError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
TURN_SECONDS = 5.0
_RECORD_SECONDS = 120
_RECORD_BYTES = 64

_FIREWALL = (
    "Allow {protocol} port {port} in every firewall on the way, and forward it if there is NAT."
)


@attrs.frozen(kw_only=True)
class View:
    """From where and with which clock is looked; nodes' own unless a test or `doctor` differs."""

    wall_clock: Callable[[], float] = time.time
    tls: ssl.SSLContext | None = None
    """What TLS certificates are trusted; None: those that this machine trusts."""
    same_machine: bool = False
    """Then both have one clock, and that they agree proves nothing."""
    turn_at: str | None = None
    """Go to this IP address for TURN, whatever its URL says: on the same machine."""


async def examine(addresses: Sequence[str], tell: Tell, view: View | None = None) -> None:
    """Tells what of the bootstrap at these multiaddrs works. Takes a minute at most."""
    view = view or View()
    try:
        peer = peer_of(addresses)
    except BadMultiaddr as error:
        tell(bad(str(error), "Copy an address from what `onmeet-bootstrap run` prints."))
        return
    reached = []
    for address in addresses:
        problem = await _unreachable(address)
        if problem is None:
            reached.append(address)
        else:
            tell(problem)
    if reached:
        async with open_host(HostConfig(listen=())) as host:
            await _as_node(host, peer, reached, tell, view)


async def _unreachable(address: str) -> Finding | None:
    """Why the TCP port of a multiaddr cannot be connected to; None if it can."""
    _, _, where, _, port, *_ = [*address.split("/"), "", "", "", ""]
    answer: Finding | None = bad(
        f"The announced address does not answer: TCP port {port} is silent.",
        _FIREWALL.format(protocol="TCP", port=port)
        + " If the address is wrong, correct announce in bootstrap.toml.",
    )
    with trio.move_on_after(CONNECT_SECONDS):
        try:
            stream = await trio.open_tcp_stream(where, int(port))
            await stream.aclose()
            answer = None
        except trio.socket.gaierror:
            answer = bad(
                "The announced address names a host that the DNS does not know.",
                "Correct announce in bootstrap.toml, or the DNS entry.",
            )
        except (OSError, ValueError):
            answer = bad(
                f"The announced address does not answer: nobody listens at TCP port {port}.",
                "Start the bootstrap. If it runs, correct announce in bootstrap.toml, or forward "
                "that port to it.",
            )
    return answer


async def _as_node(host: Host, peer: str, addresses: Sequence[str], tell: Tell, view: View) -> None:
    try:
        with trio.fail_after(ANSWER_SECONDS):
            await host.connect(addresses)
    except (NetError, trio.TooSlowError):
        tell(
            bad(
                "Something listens at that address, but not the bootstrap of this PeerId.",
                "If its key was replaced, its addresses changed: take the ones that "
                "`onmeet-bootstrap run` prints. Else another program has the port, or a proxy is "
                "in between.",
            )
        )
        return
    tell(good("It can be connected to, and has the key of its address."))
    issued = await _described(host, peer, tell, view)
    await _turn(host, peer, tell, view)
    await _relay(host, addresses, tell)
    await _dht(host, addresses, tell, issued or int(view.wall_clock()))


async def _described(host: Host, peer: str, tell: Tell, view: View) -> int | None:
    """When the bootstrap says it is, having told of its description and clock."""
    try:
        with trio.fail_after(ANSWER_SECONDS):
            signed, _ = await ask_description(host, peer)
        issued = date_of(signed, peer)
        description = open_description(signed, peer, now=issued)
    except DescriptionError as error:
        tell(bad(f"Its description is void: {error}", "Run the current version with its own key."))
        return None
    except BootstrapRefused:
        tell(bad("It is no On-Meet bootstrap.", "Take an address of a bootstrap, not of a node."))
        return None
    except (NetError, trio.TooSlowError):
        tell(bad("It does not describe itself.", "It may be overloaded: see its status."))
        return None
    where = description.region or "none"
    tell(good(f"Its signed description is right; region: {where}."))
    if view.same_machine:
        return issued
    off = ahead_of(issued, view.wall_clock())
    if abs(off) < TOLERATED:
        tell(good("Its clock and this machine's agree."))
    else:
        direction = "ahead of" if off > 0 else "behind"
        tell(
            bad(
                f"This machine's clock is {spoken(abs(off))} {direction} the bootstrap's.",
                "One of them is wrong: compare both with another clock, and set the wrong one "
                "right (timedatectl set-ntp true). Nodes refuse each other's records otherwise.",
            )
        )
    return issued


# ── TURN ─────────────────────────────────────────────────────────────────────────────────────────
async def _turn(host: Host, peer: str, tell: Tell, view: View) -> None:
    try:
        with trio.fail_after(ANSWER_SECONDS):
            lent = await ask(host, peer, LendTurn(), TurnCredentials)
    except TokenRefused:
        tell(good("It lends TURN for tokens, and none was free to try it with."))
        return
    except (NetError, trio.TooSlowError) as error:
        why = f" ({error})" if isinstance(error, RelayUnavailable) else ""
        tell(
            poor(
                f"It lends no TURN{why}.",
                "Without it, calls between strict NATs fail. See TURN in docs/OPERATIONS.md.",
            )
        )
        return
    await examine_turn(lent, tell, view)


async def examine_turn(lent: TurnCredentials, tell: Tell, view: View) -> None:
    """Asks for a relay at each URL, and tells what came of it."""
    for text in lent.urls:
        try:
            url = TurnUrl.parse(text)
        except ValueError:
            tell(bad("It lends a TURN URL that nobody understands.", "Correct [turn] urls."))
            continue
        outcome = await allocate(
            url, lent.username, lent.credential, seconds=TURN_SECONDS, at=view.turn_at, tls=view.tls
        )
        tell(_turn_finding(url, outcome))
    if not any(url.startswith("turns:") for url in lent.urls):
        tell(
            poor(
                "No TURN over TLS is offered.",
                "Networks that allow web pages alone need it: set domain, certificate and key in "
                "[turn], and tls_port = 443 if that is free.",
            )
        )


def _turn_finding(url: TurnUrl, outcome: Outcome) -> Finding:
    name = f"TURN over {url.transport}"
    protocol = "UDP" if url.transport == "UDP" else "TCP"
    match outcome:
        case Outcome.GIVEN:
            return good(f"{name} gives relays.")
        case Outcome.SILENT:
            return bad(
                f"{name} is blocked or dead: {protocol} port {url.port} is silent.",
                f"{_FIREWALL.format(protocol=protocol, port=url.port)} If that is done, see "
                "whether turnserver runs and answers.",
            )
        case Outcome.CLOSED:
            return bad(
                f"{name} is dead: nobody listens at {protocol} port {url.port}.",
                "Start the TURN server; coturn of ours is up if status says so. If it runs, the "
                "port or the address in [turn] is wrong.",
            )
        case Outcome.UNKNOWN_HOST:
            return bad(
                f"{name}: the DNS does not know the TURN server's name.",
                "Correct [turn] domain or urls, or the DNS entry.",
            )
        case Outcome.EXPIRED:
            return bad(f"{name}: its certificate has expired.", "Renew it, then send SIGHUP.")
        case Outcome.OTHER_NAME:
            return bad(
                f"{name}: its certificate is for another name.",
                "Set [turn] domain to a name in the certificate, or get one for that domain.",
            )
        case Outcome.UNTRUSTED:
            return bad(
                f"{name}: its certificate is not trusted.",
                "Give the whole chain (fullchain.pem), of an authority that machines know.",
            )
        case Outcome.NO_TLS:
            return bad(
                f"{name}: something at TCP port {url.port} speaks no TLS, or ended the handshake.",
                "Check tls_port, and what else listens there.",
            )
        case Outcome.UNAUTHORIZED:
            return bad(
                f"{name} refuses our credentials: the shared secret is wrong or that server's "
                "clock is off.",
                "Compare secret_file with its static-auth-secret (and use-auth-secret), then both "
                "clocks.",
            )
        case Outcome.FULL:
            return poor(f"{name} is full now.", "Raise max_allocations if this happens often.")
        case Outcome.REFUSED:
            return bad(f"{name} refuses to relay.", "See the TURN server's own log for why.")


# ── signaling ────────────────────────────────────────────────────────────────────────────────────
async def _relay(host: Host, addresses: Sequence[str], tell: Tell) -> None:
    try:
        await RelayClient(host).reserve(addresses)
    except ReservationRefused:
        tell(
            bad(
                "The circuit relay gives no place: all are taken, or this network's share is.",
                "Raise max_reservations or reservations_per_network.",
            )
        )
    except NetError:
        tell(bad("The circuit relay does not answer.", "Restart the bootstrap; see its status."))
    else:
        tell(good("The circuit relay gives a place."))


async def _dht(host: Host, addresses: Sequence[str], tell: Tell, now: int) -> None:
    """Stores a record of random bytes under a key that nobody else knows, and reads it."""
    key = SigningKey.generate()
    public = bytes(key.verify_key)
    made = record.sign_record(
        public,
        secrets.token_bytes(_RECORD_BYTES),
        seq=now,
        not_after=now + _RECORD_SECONDS,
        sign=lambda message: key.sign(message).signature,
    )
    where, value = record.dht_key(public), record.encode(made)
    try:
        with trio.fail_after(2 * ANSWER_SECONDS):
            await host.join(addresses)
            await host.put(where, value)
            found = await host.get(where)
    except (NetError, trio.TooSlowError):
        tell(bad("The DHT takes no record.", "Restart the bootstrap; see its status."))
        return
    if found == value:
        tell(good("The DHT keeps a record and finds it again."))
    else:
        tell(bad("The DHT loses records.", "Restart the bootstrap; see its status."))
