"""TURN credentials that a bootstrap lends: time-limited, tied to nobody, stored nowhere.

The scheme is draft-uberti-behave-turn-rest-00, section 2.2, which coturn calls `use-auth-secret`:
the server recomputes the password from the user name and a secret that it shares with us.

coturn counts what runs by the part of the user name after the expiry (`user-quota`). So that part
names a share of a network, not a credential: however often a network borrows, and however many
nodes it invents, its allocations count against the same few shares, and what has ended is free.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import os
import secrets
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs

from onmeet_bootstrap.config.model import TurnConfig
from onmeet_bootstrap.errors import Exhausted, SettingsError
from onmeet_node.net.libp2p.remote_address import prefix_of
from onmeet_node.net.rates import AllowedRate, RateLimit
from onmeet_node.process.ownership import ForeignPlace, open_own
from onmeet_node.process.suggestions import command
from onmeet_node.protocol.wire.bootstrap_api import TurnCredentials

SECRET_BYTES = 32
MAX_SECRET_BYTES = 1024
SHARE_BYTES = 9
"""Of a share's name, as it stands in a user name: enough that no two are alike."""
DAY = 86_400
"""Seconds after which shares have other names, so that guests cannot know a network by them again.
What runs longer counts under the old name."""
SPREAD = 60
"""Credentials lent within one second get different expiries, up to so many seconds later."""
NEIGHBOURHOOD = {4: 24, 6: 48}
"""Bits of an address that one owner may easily have many networks in: a /48 is given away free."""
BORROWINGS = 12
"""At once by one node, and again in the life of a credential: it needs two, and one more whenever
it comes back to this bootstrap."""
GUESTS = AllowedRate(per_minute=1, burst=20)
"""Credentials of one node for its guests: a room has at most 11."""


# ── where it is rationed (`tokens`, `sessions`) ─────────────────────────────────────────────────
REPEAT_SECONDS = 60.0
"""For so long a token that was just spent gives the same credentials again: the answer may have
been lost."""
LOOK_SECONDS = 30.0
"""Between looks at what runs past its ration, which is so much longer at most."""


def new_secret() -> str:
    """A secret for a coturn of our own: made at each start, kept in memory alone."""
    return secrets.token_urlsafe(SECRET_BYTES)


def password(secret: str, username: str) -> str:
    """base64(HMAC-SHA1(secret, username)), as the draft says."""
    mac = hmac.new(secret.encode(), username.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()


@attrs.frozen
class NetworkShares:
    """How many shares of all allocations a network has: for its nodes, and for their guests."""

    nodes: int
    guests: int


class Lender:
    """Lends credentials for the TURN server at `urls`, each for a share of its borrower's network.

    A network (IPv4 address, IPv6 /56) has its shares out of half as many again, which all networks
    of its neighbourhood (IPv4 /24, IPv6 /48) have together. Its nodes are spread evenly over them.
    """

    def __init__(
        self,
        urls: Iterable[str],
        secret: str,
        lifetime: int,
        *,
        shares: NetworkShares = NetworkShares(5, 4),
        full: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lifetime`: seconds that credentials work; a call that is on goes on after that.

        `full` tells whether as many allocations run as may.
        """
        self.urls = tuple(urls)
        self._secret = secret
        self._lifetime = lifetime
        self._shares = shares
        self._full = full
        self._clock = clock
        self._key = secrets.token_bytes(SECRET_BYTES)
        self._last_expiry = 0
        own = AllowedRate(per_minute=60 * BORROWINGS / lifetime, burst=BORROWINGS)
        self._limits = {False: RateLimit(own, steady), True: RateLimit(GUESTS, steady)}
        self._borrowers: dict[str, tuple[str, int]] = {}
        """By PeerId while it is connected: its network, and which share of that is its own."""
        self._in_use: Counter[tuple[str, int]] = Counter()
        """Nodes of each share of each network."""
        self._guests: Counter[str] = Counter()
        """Credentials for guests by the PeerId of their host."""

    def __len__(self) -> int:
        return len(self._borrowers) + len(self._guests) + sum(map(len, self._limits.values()))

    def __repr__(self) -> str:
        return f"Lender({self.urls})"

    def lend(
        self, peer: str = "", address: str | None = None, *, guest: bool = False
    ) -> TurnCredentials:
        """Credentials for a node at this IP address, or for a `guest` of it. Raises `Exhausted`."""
        network = prefix_of(address)
        self.require_room(peer)
        if not self._limits[guest].allow(peer):
            raise Exhausted("You have borrowed enough for now; what you have goes on working.")
        share = self._guest_share(peer, network) if guest else self._own_share(peer, network)
        return self._credentials(share)

    def require_room(self, peer: str) -> None:
        """Raises `Exhausted` where nothing can be lent to this node now."""
        if self._full() and peer not in self._borrowers:
            raise Exhausted("Every TURN allocation is in use: ask another bootstrap, or later.")

    def forget(self, peer: str) -> None:
        """The node left. Its share counts on for what it left running, in coturn alone."""
        self._leave(peer)
        self._guests.pop(peer, None)
        for limit in self._limits.values():
            limit.forget(peer)

    def _leave(self, peer: str) -> None:
        held = self._borrowers.pop(peer, None)
        if held is not None:
            self._in_use[held] -= 1
            if not self._in_use[held]:
                del self._in_use[held]

    def _own_share(self, peer: str, network: str) -> str:
        held = self._borrowers.get(peer)
        if held is None or held[0] != network:
            self._leave(peer)
            number = min(range(self._shares.nodes), key=lambda n: self._in_use[network, n])
            held = self._borrowers[peer] = (network, number)
            self._in_use[held] += 1
        return self._name("nodes", self._shares.nodes, network, held[1])

    def _guest_share(self, peer: str, network: str) -> str:
        """Never its host's: what a guest does costs the host nothing."""
        number = self._guests[peer] + self._digest(peer)[0]
        self._guests[peer] += 1
        return self._name("guests", self._shares.guests, network, number % self._shares.guests)

    def _name(self, kind: str, count: int, network: str, number: int) -> str:
        """How coturn counts share `number` of the `count` that this network has."""
        neighbourhood = _neighbourhood_of(network)
        there = count + count // 2
        place = (int.from_bytes(self._digest(network)[:4], "big") + number) % there
        day = int(self._clock()) // DAY
        name = self._digest(f"{kind} {neighbourhood} {place} {day}")[:SHARE_BYTES]
        return base64.urlsafe_b64encode(name).decode()

    def _digest(self, what: str) -> bytes:
        return hmac.new(self._key, what.encode(), hashlib.sha256).digest()

    def _credentials(self, share: str) -> TurnCredentials:
        expiry = int(self._clock()) + self._lifetime
        if expiry <= self._last_expiry < expiry + SPREAD:
            expiry = self._last_expiry + 1
        self._last_expiry = expiry
        username = f"{expiry}:{share}"
        return TurnCredentials(
            urls=self.urls,
            username=username,
            credential=password(self._secret, username),
            ttl=self._lifetime,
        )


def _neighbourhood_of(network: str) -> str:
    """What a network's prefix (`prefix_of`) lies in; what is no address is one of its own."""
    try:
        address = ipaddress.ip_address(network)
    except ValueError:
        return network
    bits = NEIGHBOURHOOD[address.version]
    return str(ipaddress.ip_network((address, bits), strict=False))


def lender(
    config: TurnConfig,
    urls: Iterable[str],
    secret: str,
    *,
    full: Callable[[], bool] = lambda: False,
) -> Lender:
    """As configured, for coturn here or somebody else's server."""
    return Lender(
        urls,
        secret,
        config.credential_seconds,
        shares=NetworkShares(config.shares_per_network, config.guest_shares_per_network),
        full=full,
    )


def own_urls(config: TurnConfig) -> tuple[str, ...]:
    """How nodes reach a coturn of this configuration, UDP first, TLS last."""
    hosts = [config.domain] if config.domain else [_host(ip) for ip in config.public[:2]]
    urls = [
        f"turn:{host}:{config.port}?transport={transport}"
        for transport in ("udp", "tcp")
        for host in hosts
    ]
    if config.tls:
        urls.append(f"turns:{config.domain}:{config.tls_port}?transport=tcp")
    return tuple(urls)


def _host(ip: str) -> str:
    return f"[{ip}]" if ipaddress.ip_address(ip).version == 6 else ip


def foreign_lender(config: TurnConfig) -> Lender:
    """Lends for somebody else's TURN server. Raises `SettingsError`."""
    if not config.secret_file:
        raise SettingsError(
            "[turn] urls needs secret_file: a file (chmod 600) with the static-auth-secret of "
            "that server."
        )
    secret = _read_secret(Path(config.secret_file))
    return lender(config, config.urls, secret)


def _read_secret(path: Path) -> str:
    try:
        with os.fdopen(open_own(path, os.O_RDONLY, links=True, roots=True), "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_SECRET_BYTES + 1)
    except ForeignPlace as error:
        raise SettingsError(f"[turn] secret_file: {error}") from error
    except OSError as error:
        raise SettingsError(f"Cannot read [turn] secret_file {path}: {error.strerror}.") from error
    if mode & 0o077:
        raise SettingsError(
            f"[turn] secret_file: others can read {path}. Make it yours alone: "
            f"{command('chmod', '600', '--', path)}"
        )
    text = data.decode("utf-8", "replace").strip()
    if not text or not text.isprintable() or len(data) > MAX_SECRET_BYTES:
        raise SettingsError(f"{path} must hold one line: the secret shared with the TURN server.")
    return text
