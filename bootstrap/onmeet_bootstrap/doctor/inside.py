"""Looks at a bootstrap from its own machine: what is set, what is there, what answers."""

from __future__ import annotations

import resource
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import trio

from onmeet_bootstrap.config.file import load
from onmeet_bootstrap.config.model import BootstrapConfig, TurnConfig
from onmeet_bootstrap.doctor.outside import View, examine, examine_turn
from onmeet_bootstrap.doctor.pages import (
    examine_guests,
    examine_metrics,
    examine_site,
    of_certificate,
)
from onmeet_bootstrap.errors import BootstrapError, CertificateError, NotRunning, SettingsError
from onmeet_bootstrap.host import peer_id_of
from onmeet_bootstrap.preflight import check_turn, disagreements, turn_certificate
from onmeet_bootstrap.status import ask_status
from onmeet_bootstrap.turn import coturn
from onmeet_bootstrap.turn.lending import foreign_lender
from onmeet_bootstrap.turn.stun import answers_binding
from onmeet_node.findings import Finding, Tell, bad, good, of_error, poor
from onmeet_node.net.libp2p.multiaddrs import available, free, ip_of
from onmeet_node.process.suggestions import command
from onmeet_node.protocol.wire.weeks import epoch_of

SPARE_FILES = 128
"""File descriptors needed besides those of connections."""
_BINDING_SECONDS = 2.0


async def examine_inside(home: Path, tell: Tell, view: View | None = None) -> None:
    """Tells all that can be seen from this machine. Starts and changes nothing."""
    view = view or View()
    try:
        config = load(home)
    except BootstrapError as error:
        tell(of_error(error))
        return
    tell(good("The configuration can be read, and the key is its owner's alone."))
    running = await trio.to_thread.run_sync(_runs, home)
    tell(
        good("It is running.")
        if running
        else poor(
            "It is not running.", f"Start it: {command('onmeet-bootstrap', 'run', '--home', home)}"
        )
    )
    for finding in (*_settings(config), *_addresses(config), *_ports(config, running=running)):
        tell(finding)
    for finding in await trio.to_thread.run_sync(lambda: [*_clock()]):
        tell(finding)
    await _turn(config.turn, tell, view, running=running)
    for finding in await trio.to_thread.run_sync(
        lambda: [
            *map(of_error, disagreements(config)),
            *examine_guests(config, running=running, tls=view.tls),
            *examine_site(config),
            *examine_metrics(config, running=running),
        ]
    ):
        tell(finding)
    if config.tokens.serve:
        for finding in _tokens(config):
            tell(finding)
    if running:
        await _services(config, tell, view)


def _runs(home: Path) -> bool:
    try:
        ask_status(home)
    except NotRunning:
        return False
    return True


def _settings(config: BootstrapConfig) -> Iterator[Finding]:
    if config.region:
        yield good(f"The region is set: {config.region}.")
    else:
        yield poor(
            "No region is set.",
            'Nodes that pin a region pass this bootstrap by: set region = "ca" or "de" if it is '
            "there.",
        )
    wanted = config.max_connections + SPARE_FILES
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if resource.RLIM_INFINITY != allowed < wanted:
        yield poor(
            f"Only {allowed} files may be open, and max_connections needs {wanted}.",
            "Raise the limit (LimitNOFILE in the systemd unit, ulimit -n), or lower "
            "max_connections.",
        )


def _addresses(config: BootstrapConfig) -> Iterator[Finding]:
    """Whether this machine has the addresses that others are told."""
    here = coturn.addresses_here()
    told = {str(ip) for each in config.announce if (ip := ip_of(each)) is not None}
    listening = [ip for each in config.listen if (ip := ip_of(each)) is not None]
    if not config.announce and listening and all(ip.is_loopback for ip in listening):
        yield poor(
            "It listens on this machine alone.",
            'Nobody else can enter: set listen, as in ["/ip4/0.0.0.0/tcp/4001"].',
        )
    public = set(config.turn.public) if config.turn.serve else set()
    for public_ip in sorted(public | told):
        if public_ip in here:
            yield good(f"The public address {public_ip} is this machine's.")
        elif public_ip in public and public_ip in told:
            yield good(f"The public address {public_ip} is announced; something translates it.")
        else:
            yield poor(
                f"The address {public_ip} is not one of this machine's.",
                "If it is right, its ports must be forwarded here: check from another machine with "
                "onmeet-bootstrap doctor --outside MULTIADDR. Else correct it in bootstrap.toml.",
            )
    if config.turn.serve and config.turn.domain:
        yield _of_domain(config.turn.domain, here | public | told)


def _of_domain(domain: str, ours: set[str]) -> Finding:
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(domain, None)}
    except OSError:
        return bad(
            f"The DNS does not know {domain}.", "Add an entry for it, or correct [turn] domain."
        )
    if found & ours:
        return good(f"{domain} leads here.")
    return bad(
        f"{domain} leads to another machine.",
        "Correct its DNS entry (A, AAAA), or [turn] domain and public.",
    )


def _ports(config: BootstrapConfig, *, running: bool) -> Iterator[Finding]:
    """Whether the ports are free, if they must be."""
    if running:
        return  # they are ours; whether they answer is seen below
    for address in config.listen:
        ip = ip_of(address)
        port = int(address.split("/")[4]) if ip is not None else 0
        if port and (why := free(str(ip), port)) is not None:
            yield bad(
                f"TCP port {port} cannot be listened on ({why}).",
                "Stop the program that has it (ss -ltnp shows which), or change listen.",
            )
        elif port:
            yield good(f"TCP port {port} is free.")


def _clock() -> Iterator[Finding]:
    """Whether somebody keeps this machine's clock right; what it shows proves nothing alone."""
    remedy = (
        "Keep it by NTP (timedatectl set-ntp true), or compare it with another bootstrap's: "
        "onmeet-bootstrap doctor --outside MULTIADDR."
    )
    program = shutil.which("timedatectl")
    kept = ""
    if program is not None:
        command = [program, "show", "--property=NTPSynchronized", "--value"]
        asked = subprocess.run(  # noqa: S603 - found in the PATH, arguments are ours
            command, capture_output=True, timeout=10, check=False
        )
        kept = asked.stdout.decode().strip()
    if kept == "yes":
        yield good("The clock is kept right by NTP.")
    elif kept == "no":
        yield poor("The clock is not kept by NTP.", remedy)
    else:
        yield poor("The clock was not checked: nothing here tells whether it is right.", remedy)


# ── TURN ─────────────────────────────────────────────────────────────────────────────────────────
async def _turn(config: TurnConfig, tell: Tell, view: View, *, running: bool) -> None:
    if config.serve:
        for finding in _own_turn(config, view.tls, running=running):
            tell(finding)
        if running:
            await _binding(config, tell)
    elif config.urls:
        try:
            lender = foreign_lender(config)
        except BootstrapError as error:
            tell(of_error(error))
            return
        await examine_turn(lender.lend(), tell, view)
    else:
        tell(
            poor(
                "No TURN is offered.",
                "Calls between strict NATs fail without: see TURN in docs/OPERATIONS.md.",
            )
        )


def _tokens(config: BootstrapConfig) -> Iterator[Finding]:
    from onmeet_bootstrap.tokens.issuer_keys import IssuerKeys  # noqa: PLC0415 - if it is used

    try:
        keys = IssuerKeys(Path(config.tokens.keys)).current()
    except SettingsError as error:
        yield of_error(error)
        return
    week = epoch_of(time.time())
    if week in keys and week + 1 in keys:
        yield good(f"TURN is lent for tokens of {config.tokens.issuer}; its keys are here.")
    else:
        yield bad(
            f"{config.tokens.keys} lacks the keys of this week or the next.",
            "Tokens are refused: see that onmeet-bootstrap accounts run writes it, or copy it.",
        )
    if not config.turn.serve:
        yield poor(
            "Sessions at somebody else's TURN server are not ended when a token is used up.",
            "Run coturn here ([turn] serve), or let that server end them.",
        )


def _own_turn(
    config: TurnConfig, tls: ssl.SSLContext | None, *, running: bool
) -> Iterator[Finding]:
    try:
        coturn.find_program()
        yield good("coturn is installed.")
        if not running:
            coturn.require_free_ports(config)
            yield good("The ports of TURN are free.")
    except BootstrapError as error:
        yield of_error(error)
    try:
        check_turn(config)
    except BootstrapError as error:
        yield of_error(error)
    if config.tls:
        yield from _of_certificate(config, tls)


def _of_certificate(config: TurnConfig, tls: ssl.SSLContext | None) -> Iterator[Finding]:
    try:
        ends = turn_certificate(config)
    except CertificateError as error:
        yield of_error(error)
        return
    assert ends is not None  # config.tls
    yield from of_certificate("turn", config.certificate, config.key, config.domain, ends, tls)


async def _binding(config: TurnConfig, tell: Tell) -> None:
    where = coturn.own_address(config)
    if await answers_binding(where, config.port, seconds=_BINDING_SECONDS):
        tell(good(f"STUN answers at UDP port {config.port}."))
    else:
        tell(
            bad(
                f"STUN does not answer at UDP port {config.port}.",
                "coturn is down or hangs: see turn and turn restarts in the status, and restart.",
            )
        )


# ── what nodes use ───────────────────────────────────────────────────────────────────────────────
async def _services(config: BootstrapConfig, tell: Tell, view: View) -> None:
    """Uses the running bootstrap as a node would, from here."""
    peer = peer_id_of(config.seed)
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound
    addresses = []
    for address in available(config.listen):
        parts = address.split("/")
        parts[2] = loopback.get(parts[2], parts[2])
        if parts[4] == "0":
            tell(
                poor("It listens at any port.", "Name one in listen, so that nodes find it again.")
            )
            continue
        addresses.append(f"{'/'.join(parts)}/p2p/{peer}")
    at = coturn.own_address(config.turn) if config.turn.serve else None
    inner = View(wall_clock=time.time, tls=view.tls, turn_at=at, same_machine=True)
    if addresses:
        await examine(addresses, tell, inner)
