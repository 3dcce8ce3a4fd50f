"""Internets in a box: network namespaces as hosts and routers, nftables as NATs.

    with open_lab(delay_ms=40) as lab:
        home = lab.router("home", Nat.SYMMETRIC)
        alice, server = lab.host("alice", behind=home), lab.host("server")
        subprocess.run(alice.command("python", "-c", "…"))

Every lab has one public segment, 203.0.113.0/24 (RFC 5737: it exists nowhere else), on which
hosts and routers sit. Needs root. A lab takes its namespaces, and the processes in them, along when
it closes; what a killed test run left behind is swept away by the next one.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from tests.netlab.switch import LabUnavailable, TapSwitch

PREFIX = "onmeet"
_NETNS = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()
N = TypeVar("N", bound="Namespace")

# A port-preserving masquerade gives one source port to all destinations as long as it is free:
# endpoint-independent mapping, address- and port-dependent filtering (RFC 4787), "port-restricted
# cone" in older words. fully-random draws a port per destination: address-and-port-dependent.
_NAT_RULES = """
table ip onmeet {{
  chain post {{ type nat hook postrouting priority srcnat; oifname "wan" masquerade {flags}; }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    iifname "lan" accept
    ct state established,related accept
  }}
  chain input {{
    # An unsolicited packet is dropped before it is tracked, or its entry would take the port that
    # the host behind is about to punch through.
    type filter hook input priority filter; policy drop;
    iifname {{ "lan", "lo" }} accept
    ct state established,related accept
  }}
}}
"""
_NO_UDP = """
table inet onmeet_udp {
  chain out { type filter hook output priority filter; oifname "lo" accept; meta l4proto udp drop; }
  chain in { type filter hook input priority filter; iifname "lo" accept; meta l4proto udp drop; }
}
"""
_ONLY_443 = """
table inet onmeet_443 {
  chain out {
    type filter hook output priority filter; policy drop;
    oifname "lo" accept
    tcp dport 443 accept
    ct state established accept
  }
  chain in {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    tcp sport 443 accept
  }
}
"""
_SILENCE = """
table inet onmeet_silence {
  chain out { type filter hook output priority filter; policy drop; oifname "lo" accept; }
  chain in { type filter hook input priority filter; policy drop; iifname "lo" accept; }
}
"""


class Nat(enum.StrEnum):
    """What a router does to the addresses of those behind it."""

    CONE = "cone"
    SYMMETRIC = "symmetric"


@functools.cache
def missing() -> str | None:
    """Why there can be no lab on this machine, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool, package in (("ip", "iproute2"), ("nft", "nftables")):
        if not shutil.which(tool):
            return f"{tool} is missing (apt-get install {package})"
    probe = f"{PREFIX}-{os.getpid()}-probe"
    made = subprocess.run(
        ["ip", "netns", "add", probe], capture_output=True, text=True, check=False
    )
    if made.returncode:
        return f"this kernel or container allows no network namespaces: {made.stderr.strip()}"
    _ip(f"netns del {probe}")
    return None


class Namespace:
    """One network namespace: a host, a router, or the wire between them."""

    def __init__(self, name: str) -> None:
        self.name = name
        _ip(f"netns add {name}")
        with self.inside():
            # IPv6's duplicate address detection would delay every start by a second.
            Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
        self.ip("link set lo up")

    def ip(self, *commands: str) -> None:
        """Runs `ip` commands in here."""
        _ip(*commands, namespace=self.name)

    def nft(self, rules: str) -> None:
        """Loads nftables rules in here."""
        _run([*self.prefix, "nft", "-f", "-"], input=rules)

    @property
    def prefix(self) -> list[str]:
        """What to put before a command line to run it in here, under the same process id."""
        return ["ip", "netns", "exec", self.name]

    def command(self, *argv: str | os.PathLike[str]) -> list[str]:
        """This command line, run in here."""
        return [*self.prefix, *map(os.fspath, argv)]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile belong to this namespace, and stay in it.

        Don't await inside: other tasks of the thread would be moved along.
        """
        with Path("/proc/thread-self/ns/net").open() as back, (_NETNS / self.name).open() as here:
            _setns(here.fileno())
            try:
                yield
            finally:
                _setns(back.fileno())

    def pids(self) -> list[int]:
        """The processes that run in here."""
        return _pids(self.name)


class Router(Namespace):
    """A NAT with its own address on the public segment (`outside`) and a LAN behind it."""

    def __init__(self, name: str, outside: str, lan: str) -> None:
        super().__init__(name)
        self.outside = outside
        self.lan = lan
        """First three bytes of the LAN's addresses; the router is number 1 in it."""
        self.guests = itertools.count(2)


class Host(Namespace):
    """A machine. `address` is its own, `outside` the one that the internet sees."""

    def __init__(self, name: str, address: str, outside: str, interface: str) -> None:
        super().__init__(name)
        self.address = address
        self.outside = outside
        self.interface = interface

    def block_udp(self) -> None:
        """No UDP in or out from now on, as in some offices; TCP stays."""
        self.nft(_NO_UDP)

    def only_443(self) -> None:
        """Nothing but TCP to port 443 gets out from now on: the strictest of offices."""
        self.nft(_ONLY_443)

    def also(self, address: str) -> None:
        """One more address on the same segment."""
        self.ip(f"addr add {address}/24 dev {self.interface}")

    def speak_ipv6(self, *, alone: bool = False) -> str:
        """An IPv6 address (2001:db8::/64, RFC 3849) beside the other one or, `alone`, in its place.

        Same last number as the IPv4 address. Returned.
        """
        address = f"2001:db8::{self.address.rpartition('.')[2]}"
        with self.inside():
            for which in ("all", self.interface):
                Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("0")
        if alone:
            self.ip(f"addr del {self.address}/24 dev {self.interface}")
            self.address = self.outside = address
        self.ip(f"addr add {address}/64 dev {self.interface} nodad")
        return address

    def knows(self, name: str, address: str) -> None:
        """The host name stands for this address here (for processes begun by `command`)."""
        folder = Path("/etc/netns") / self.name
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "hosts").open("a") as hosts:
            hosts.write(f"{address} {name}\n")

    def silence(self) -> None:
        """Every packet vanishes without a sign from now on: a cable pulled at the far end."""
        self.nft(_SILENCE)

    def restore(self) -> None:
        """Undoes `block_udp` and `silence`."""
        self.nft("flush ruleset")

    def move(self, address: str) -> None:
        """Another address on the same segment, as after a change of network."""
        self.ip(f"addr flush dev {self.interface}", f"addr add {address}/24 dev {self.interface}")
        self.outside = address if self.outside == self.address else self.outside
        self.address = address


class Lab:
    """One internet. Made by `open_lab`."""

    def __init__(self, *, delay_ms: float = 0, loss: float = 0, switch: bool = False) -> None:
        self._id = f"{PREFIX}-{os.getpid()}-{next(_numbers)}"
        self._everything: list[Namespace] = []
        self._public = itertools.count(1)
        self._lans = itertools.count(1)
        self._cables = itertools.count(1)
        self.switch: TapSwitch | None = None
        self._wire: Namespace | None = None
        if delay_ms or loss or switch:
            self.switch = TapSwitch()
            self.switch.set(delay_ms=delay_ms, loss=loss)
        else:
            self._wire = self._keep(Namespace(f"{self._id}-wire"))
            self._wire.ip("link add segment type bridge", "link set segment up")

    def host(self, name: str, *, behind: Router | None = None) -> Host:
        """A host on the public segment, or on a router's LAN."""
        if behind is None:
            address = self.public_address()
            host = self._keep(Host(f"{self._id}-{name}", address, address, "net"))
            self._plug_in(host, "net", address)
            return host
        host = self._keep(Host(f"{self._id}-{name}", "", behind.outside, "net"))
        host.address = self._join(host, "net", behind)
        return host

    def _join(self, namespace: Namespace, interface: str, router: Router) -> str:
        """Puts a namespace on a router's LAN; its address there."""
        address = f"{router.lan}.{next(router.guests)}"
        cable = f"v{next(self._cables)}"
        namespace.ip(f"link add {interface} type veth peer name {cable} netns {router.name}")
        router.ip(f"link set {cable} master lan", f"link set {cable} up")
        namespace.ip(
            f"addr add {address}/24 dev {interface}",
            f"link set {interface} up",
            f"route add default via {router.lan}.1",
        )
        return address

    def public_address(self) -> str:
        """One that nobody has yet."""
        return f"203.0.113.{next(self._public)}"

    def router(self, name: str, nat: Nat, *, behind: Router | None = None) -> Router:
        """A router whose LAN reaches the public segment through this kind of NAT.

        `behind` another one: what a provider without enough addresses does (RFC 6888).
        """
        lan = f"10.0.{next(self._lans)}"
        if behind is None:
            outside = self.public_address()
            router = self._keep(Router(f"{self._id}-{name}", outside, lan))
            self._plug_in(router, "wan", outside)
        else:
            router = self._keep(Router(f"{self._id}-{name}", behind.outside, lan))
            self._join(router, "wan", behind)
        router.ip(
            "link add lan type bridge", f"addr add {router.lan}.1/24 dev lan", "link set lan up"
        )
        flags = "random,fully-random" if nat is Nat.SYMMETRIC else ""
        router.nft(_NAT_RULES.format(flags=flags))
        with router.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        return router

    def set(self, *, delay_ms: float, loss: float = 0) -> None:
        """Changes the segment's delay and loss; the lab must have a switch."""
        assert self.switch is not None, "open_lab(switch=True) for a segment that can change"
        self.switch.set(delay_ms=delay_ms, loss=loss)

    def close(self) -> None:
        """Ends every process in the lab and removes it. Harmless when done twice."""
        if self.switch is not None:
            self.switch.close()
        for namespace in reversed(self._everything):
            _remove(namespace.name)
        self._everything.clear()

    def _keep(self, namespace: N) -> N:
        self._everything.append(namespace)
        return namespace

    def _plug_in(self, namespace: Namespace, interface: str, address: str) -> None:
        if self.switch is not None:
            self.switch.add(namespace.name, interface)
        else:
            assert self._wire is not None
            cable = f"v{next(self._cables)}"
            namespace.ip(
                f"link add {interface} type veth peer name {cable} netns {self._wire.name}"
            )
            self._wire.ip(f"link set {cable} master segment", f"link set {cable} up")
        namespace.ip(f"addr add {address}/24 dev {interface}", f"link set {interface} up")


@contextmanager
def open_lab(*, delay_ms: float = 0, loss: float = 0, switch: bool = False) -> Iterator[Lab]:
    """A lab whose public segment delays by `delay_ms` one way and loses a share (0 to 1) of frames.

    Without delay, loss or `switch` the segment is a kernel bridge and needs no C compiler.
    Raises `LabUnavailable`.
    """
    if reason := missing():
        raise LabUnavailable(reason)
    sweep()
    lab = Lab(delay_ms=delay_ms, loss=loss, switch=switch)
    try:
        yield lab
    finally:
        lab.close()


def sweep() -> None:
    """Removes the labs of processes that no longer live."""
    for path in _NETNS.glob(f"{PREFIX}-*-*") if _NETNS.exists() else ():
        owner = path.name.split("-")[1]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            _remove(path.name)


def _remove(namespace: str) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in _pids(namespace):
            with suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + 2
        while _pids(namespace) and time.monotonic() < deadline:
            time.sleep(0.01)
    _attempt("ip", "netns", "del", namespace)
    shutil.rmtree(Path("/etc/netns") / namespace, ignore_errors=True)


def _pids(namespace: str) -> list[int]:
    found = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
    )
    # A zombie is still listed and cannot be helped: its parent is the one to reap it.
    return [int(pid) for pid in found.stdout.split() if not _is_zombie(int(pid))]


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*commands: str, namespace: str | None = None) -> None:
    _run(
        ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"],
        input="\n".join(commands) + "\n",
    )


def _attempt(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _run(argv: Sequence[str], **more: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise LabUnavailable(f"{' '.join(argv)} failed: {done.stderr.strip()}")
