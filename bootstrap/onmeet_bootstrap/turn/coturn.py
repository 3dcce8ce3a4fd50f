"""Runs coturn, the TURN server, beside the bootstrap: configured in memory, restarted when it dies.

Nothing of it touches a disk: the configuration is an anonymous file in memory, users and logs are
nowhere (P2). It ends with this process, however that ends.
"""

from __future__ import annotations

import datetime
import errno
import ipaddress
import logging
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from onmeet_bootstrap import certificate
from onmeet_bootstrap.config.model import TurnConfig
from onmeet_bootstrap.errors import StartFailed
from onmeet_bootstrap.turn.denied_peers import denied_peers
from onmeet_bootstrap.turn.stun import answers_binding
from onmeet_node.net.backoff import Backoff

if TYPE_CHECKING:
    from onmeet_bootstrap.turn.sessions import TurnCli

log = logging.getLogger("bootstrap")

PROGRAM = "turnserver"
READY_SECONDS = 15.0
"""From start to the first answer; coturn takes 0.1 s on an idle machine."""
POLL_SECONDS = 0.05
STOP_SECONDS = 3.0
REALM = "onmeet"
NONCE_SECONDS = 600
RESERVE = 4
"""The part of all allocations that is kept, beyond them, for those who have credentials already."""
COUNT_SECONDS = 2.0
"""How old a count of allocations may be; to count 2,000 takes about 20 ms."""
ALLOCATION_SECONDS = 600
"""A browser that was killed leaves its allocation for so long (media.md, 4)."""


def configuration(config: TurnConfig, secret: str, cli: TurnCli | None = None) -> str:
    """Coturn's own configuration file for ours (turnserver(1)).

    `cli`: its command line, where sessions are to be ended (`sessions`).
    """
    here = addresses_here()
    local = [ip for ip in config.public if ip in here]
    lines = [
        f"listening-port={config.port}",
        f"min-port={config.relay_port_min}",
        f"max-port={config.relay_port_max}",
        f"realm={REALM}",
        "use-auth-secret",
        f"static-auth-secret={secret}",
        "fingerprint",
        f"stale-nonce={NONCE_SECONDS}",
        f"max-allocate-lifetime={ALLOCATION_SECONDS}",
        f"user-quota={config.allocations_per_node}",
        # What the lender holds back from at `max_allocations`, it has lent already.
        f"total-quota={config.max_allocations + config.max_allocations // RESERVE}",
        f"max-bps={config.bytes_per_second}",
        # no state, no logs; NOTE: userdb=/dev/null makes coturn refuse everybody
        "userdb=:memory:",
        "no-stdout-log",
        "log-file=/dev/null",
        "simple-log",
        "pidfile=/dev/null",
        *_cli(cli, config),
        "no-dynamic-ip-list",
        "no-dynamic-realms",
        # nothing that a call does not need
        "no-tcp-relay",
        "no-multicast-peers",
        "no-rfc5780",
        "no-software-attribute",
        "no-dtls",
    ]
    lines += [f"{what}={ip}" for ip in local for what in ("listening-ip", "relay-ip")]
    if not local:
        # Behind one-to-one NAT, as at most cloud providers: told, but not ours to listen on.
        lines += [f"external-ip={ip}" for ip in config.public]
    if config.tls:
        lines += [
            f"tls-listening-port={config.tls_port}",
            f"cert={config.certificate}",
            f"pkey={config.key}",
            "no-tlsv1",
            "no-tlsv1_1",
        ]
    else:
        lines.append("no-tls")
    if config.allow_private_peers:
        lines.append("allow-loopback-peers")
    else:
        lines += [f"denied-peer-ip={range_}" for range_ in denied_peers(config.public)]
    return "\n".join(lines) + "\n"


def _cli(cli: TurnCli | None, config: TurnConfig) -> tuple[str, ...]:
    if cli is None:
        return ("no-cli",)
    return (
        "cli-ip=127.0.0.1",
        f"cli-port={cli.port}",
        f"cli-password={cli.password}",
        f"cli-max-output-sessions={2 * config.max_allocations}",
    )


def addresses_here() -> set[str]:
    """The IP addresses of this machine's interfaces, loopback among them."""
    import ifaddr  # noqa: PLC0415 - only where coturn is run

    return {
        str(ipaddress.ip_address(ip.ip[0] if isinstance(ip.ip, tuple) else ip.ip))
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    }


def own_address(config: TurnConfig) -> str:
    """Where coturn is reached from this machine itself."""
    here = addresses_here()
    return next((ip for ip in config.public if ip in here), "127.0.0.1")


def find_program() -> str:
    """Where coturn is installed. Raises `StartFailed`."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/bin"
    program = shutil.which(PROGRAM, path=path)
    if program is None:
        raise StartFailed(
            "coturn is not installed. Install it (as root: apt-get install coturn), or set "
            "[turn] serve = false and use somebody else's TURN server, or none."
        )
    return program


def require_free_ports(config: TurnConfig, *, at: str | None = None) -> None:
    """Raises `StartFailed` where a port is taken, or the address to listen at (`at`, else
    `own_address`) is not this machine's: coturn itself says nothing that helps.
    """
    kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
    ports = [(kind, config.port, "port") for kind in kinds]
    if config.tls:
        ports.append((socket.SOCK_STREAM, config.tls_port, "tls_port"))
    where = at or own_address(config)
    family = socket.AF_INET6 if ":" in where else socket.AF_INET
    for kind, port, setting in ports:
        name = "TCP" if kind == socket.SOCK_STREAM else "UDP"
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((where, port))
            except PermissionError as error:
                raise StartFailed(
                    f"{name} port {port} needs root or CAP_NET_BIND_SERVICE. See the systemd "
                    f"unit in bootstrap/deploy, or set [turn] {setting} to one over 1023."
                ) from error
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise StartFailed(
                        f"This machine has no address {where}, so nothing can listen there "
                        "(ip address shows what it has). Bring its interface up, or correct "
                        "[turn] public."
                    ) from error
                raise StartFailed(
                    f"{name} port {port} is taken by another program (ss -lpn shows which). "
                    f"Stop that, or set [turn] {setting} to another."
                ) from error


class Coturn:
    """coturn as this process's child. Live in `run`."""

    def __init__(self, config: TurnConfig, secret: str, *, rationed: bool = False) -> None:
        """`rationed`: with its command line, by which sessions are ended."""
        self._config = config
        self._secret = secret
        self._rationed = rationed
        self._cli: TurnCli | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.up = False
        """Whether it answers."""
        self.restarts = 0
        self._counted = 0
        self._counted_at: float | None = None

    def allocations(self) -> int:
        """How many run: sockets of coturn at its relay ports, at most `COUNT_SECONDS` ago.

        NOTE: coturn itself would tell by its telnet interface alone, which any user of this machine
        could ask; Debian's is built without Prometheus.
        """
        now = trio.current_time()
        if self._counted_at is None or now - self._counted_at >= COUNT_SECONDS:
            self._counted_at = now
            ports = range(self._config.relay_port_min, self._config.relay_port_max + 1)
            self._counted = _sockets_at(ports, self.pid) if self.pid is not None else 0
        return self._counted

    @property
    def cli(self) -> TurnCli | None:
        """Its command line, while it answers."""
        return self._cli if self.up else None

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process is not None else None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs coturn until cancelled, again and again if need be; ready when it answers.

        Raises `StartFailed` if it cannot be started the first time; later failures are retried.
        """
        program = find_program()
        backoff = Backoff()
        while True:
            try:
                await self._run_once(program, task_status, backoff)
            except StartFailed:
                if not self.restarts:
                    raise
                log.warning("coturn could not be started again; trying on")
            self.restarts += 1
            await trio.sleep(backoff.next())

    async def _run_once(
        self, program: str, task_status: trio.TaskStatus[None], backoff: Backoff
    ) -> None:
        require_free_ports(self._config)
        first = self.restarts == 0
        process = self._process = self._start(program)
        try:
            await self._wait_ready(process)
            self.up = True
            backoff.reset()
            if first:
                task_status.started()
            await _ended(process)
            log.warning("coturn ended by itself; it is being started again")
        finally:
            self.up = False
            with trio.CancelScope(shield=True):
                await _end(process)
            self._process = None

    def _start(self, program: str) -> subprocess.Popen[bytes]:
        file = os.memfd_create("turnserver.conf")
        try:
            if self._rationed:
                from onmeet_bootstrap.turn.sessions import TurnCli  # noqa: PLC0415 - if it is used

                self._cli = TurnCli.make()
            os.write(file, configuration(self._config, self._secret, self._cli).encode())
            command = [program, "-c", f"/proc/self/fd/{file}"]
            if guard := shutil.which("setpriv"):
                # NOTE: from util-linux, on every Debian; so that it dies with us even by kill -9.
                # It counts the thread that starts it, so trio's way, from a thread, is not ours.
                command = [guard, "--pdeathsig", "KILL", "--", *command]
            return subprocess.Popen(  # noqa: S603 - found in the PATH, arguments are ours
                command,
                pass_fds=(file,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        finally:
            os.close(file)

    async def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        where = own_address(self._config)
        with trio.move_on_after(READY_SECONDS):
            while process.poll() is None:
                if await answers_binding(where, self._config.port, seconds=POLL_SECONDS):
                    return
                await trio.sleep(POLL_SECONDS)
        here = addresses_here()
        away = " and ".join(ip for ip in self._config.public if ip not in here)
        raise StartFailed(
            (f"This machine does not have {away}, which [turn] public names. " if away else "")
            + f"coturn did not begin to answer at {where}, port {self._config.port}. Start it by "
            f"hand to see why: {PROGRAM} -n --listening-port={self._config.port} --no-cli"
        )

    def reload_certificate(self) -> None:
        """Tells coturn that the certificate's files were replaced (SIGUSR2, turnserver(1))."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGUSR2)


@asynccontextmanager
async def open_coturn(
    config: TurnConfig, secret: str, *, rationed: bool = False
) -> AsyncIterator[Coturn]:
    """Runs coturn, which answers already, for the length of the block; `rationed` as `Coturn`.

    Raises `CertificateError` and `StartFailed`.
    """
    if config.tls:
        now = datetime.datetime.now(datetime.UTC)
        certificate.check(config.certificate, config.key, config.domain, section="turn", now=now)
    coturn = Coturn(config, secret, rationed=rationed)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(coturn.run)
            yield coturn
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:  # the block's own, or why coturn did not start
            raise group.exceptions[0] from None
        raise


def _sockets_at(ports: range, pid: int) -> int:
    """UDP sockets of a process at these ports; 0 where the system does not let us look."""
    here: set[str] = set()
    for table in ("udp", "udp6"):
        with suppress(OSError):  # no IPv6
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                columns = line.split()
                if int(columns[1].rpartition(":")[2], 16) in ports:
                    here.add(f"socket:[{columns[9]}]")
    if not here:
        return 0
    count = 0
    with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for descriptor in descriptors:
            with suppress(OSError):  # closed meanwhile
                count += str(Path(descriptor).readlink()) in here
    return count


async def _ended(process: subprocess.Popen[bytes]) -> None:
    """Waits until a process ended."""
    handle = os.pidfd_open(process.pid)
    try:
        await trio.lowlevel.wait_readable(handle)
    finally:
        os.close(handle)
    process.wait()


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process: politely, then not."""
    if process.poll() is None:
        process.terminate()
        with trio.move_on_after(STOP_SECONDS):
            await _ended(process)
            return
        process.kill()
        await _ended(process)
