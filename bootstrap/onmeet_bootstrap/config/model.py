"""What an operator sets. `config_file` reads and writes it as one commented TOML file."""

from __future__ import annotations

import secrets

import attrs
from attrs import validators as v

from onmeet_bootstrap.config.fields import (
    Addresses,
    ChoiceSetting,
    FlagSetting,
    HostPorts,
    Multiaddrs,
    Number,
    Origin,
    Origins,
    Paths,
    TextSetting,
    TokenIssuer,
    TurnUrls,
    setting,
)
from onmeet_node.net.rates import AllowedRate

SEED_BYTES = 32
REGIONS = ("ca", "de")
DEFAULT_LISTEN = ("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001", "/ip4/0.0.0.0/tcp/4002/ws")
MAX_OPERATOR_CHARS = 80
_COUNT = Number(1, 1_000_000)
_PORT = Number(1, 65_535)


@attrs.frozen(kw_only=True)
class TurnConfig:
    """The TURN service: coturn run here, somebody else's, or none."""

    serve: bool = setting(
        FlagSetting(), False, "Run coturn here (Debian package coturn): the last resort for media."
    )
    public: tuple[str, ...] = setting(
        Addresses(), (), "This machine's public IP addresses, as others reach it."
    )
    domain: str = setting(
        TextSetting(253),
        "",
        "Its host name, as in the certificate; empty: addresses are told, and no TLS.",
    )
    port: int = setting(_PORT, 3478, "For UDP and TCP.")
    tls_port: int = setting(
        _PORT, 5349, "For TLS. 443 gets through the strictest firewalls, if nothing else uses it."
    )
    certificate: str = setting(
        TextSetting(4_096), "", "PEM file with the certificate chain for TLS."
    )
    key: str = setting(TextSetting(4_096), "", "PEM file with its key.")
    relay_port_min: int = setting(_PORT, 49_152, "UDP ports for media: open them in the firewall.")
    relay_port_max: int = setting(_PORT, 65_535, "The last of them.")
    max_allocations: int = setting(
        _COUNT,
        2_000,
        "Allocations in all; a relayed call takes 2. When so many run nothing more is lent;\n"
        "those who have borrowed already may have a quarter more.",
    )
    allocations_per_node: int = setting(
        _COUNT, 48, "Of which so many make a share: 11 others in a room, by UDP and TCP, twice."
    )
    shares_per_network: int = setting(
        _COUNT,
        5,
        "So many shares has one IPv4 address or IPv6 /56 for its nodes, which more of them divide.",
    )
    guest_shares_per_network: int = setting(
        _COUNT, 4, "And so many for the guests of its nodes, apart from their hosts'."
    )
    bytes_per_second: int = setting(
        Number(10_000, 1 << 31), 400_000, "Of one allocation, both ways; video needs 200,000."
    )
    credential_seconds: int = setting(
        Number(60, 86_400), 3_600, "How long lent credentials work. Calls may last longer."
    )
    allow_private_peers: bool = setting(
        FlagSetting(),
        False,
        "Relay to private addresses too: for a LAN or a lab, never on the internet.",
    )
    urls: tuple[str, ...] = setting(
        TurnUrls(), (), "Somebody else's TURN server, in place of coturn here (serve = false)."
    )
    secret_file: str = setting(
        TextSetting(4_096),
        "",
        "File (0600) with the secret shared with it: its static-auth-secret.",
    )

    @property
    def tls(self) -> bool:
        """Whether coturn shall speak TLS."""
        return bool(self.certificate and self.key and self.domain)


@attrs.frozen(kw_only=True)
class GuestsConfig:
    """The gateway for browser guests, or none."""

    serve: bool = setting(
        FlagSetting(), False, "Let people join from a browser by a link: HTTPS for the guest page."
    )
    listen: tuple[str, ...] = setting(
        HostPorts(), ("0.0.0.0:8443",), "Where to listen: address:port, IPv6 in brackets."
    )
    origin: str = setting(
        Origin(),
        "",
        "How browsers reach it, as in https://meet.example.org: guest links begin with it.",
    )
    certificate: str = setting(
        TextSetting(4_096),
        "",
        "PEM file with the certificate chain; empty behind a proxy that has one.",
    )
    key: str = setting(TextSetting(4_096), "", "PEM file with its key.")
    behind_proxy: tuple[str, ...] = setting(
        Addresses(),
        (),
        "Addresses of reverse proxies in front of it, whose X-Forwarded-For is believed.",
    )
    embed_allow: tuple[str, ...] = setting(
        Origins(),
        (),
        "Sites that may show the guest page in a frame, as in https://www.example.org;\n"
        "empty: none may.",
    )
    max_doors: int = setting(_COUNT, 2_048, "Open doors in all; each guest link has one.")
    doors_per_network: int = setting(
        _COUNT, 256, "Of which so many of one IPv4 address or IPv6 /56."
    )
    doors_per_node: int = setting(_COUNT, 16, "Of which so many of one node.")
    max_guests: int = setting(_COUNT, 1_024, "Guests in all.")
    guests_per_network: int = setting(
        _COUNT, 64, "Of which so many from one IPv4 address or IPv6 /56."
    )
    guests_per_door: int = setting(_COUNT, 32, "Of which so many at one door.")
    tries_per_minute: float = setting(
        Number(1, 1e6, fraction=True),
        120.0,
        "Lines that one address may open a minute, for whatever door.",
    )
    tries_burst: int = setting(_COUNT, 60, "Of which so many at once.")
    bytes_per_second: int = setting(
        Number(1_000, 1 << 30), 32_768, "Of one guest, each way: signaling alone goes here."
    )
    name_seconds: float = setting(
        Number(0.1, 600, fraction=True), 5.0, "For a guest to say which door."
    )
    write_seconds: float = setting(
        Number(0.1, 600, fraction=True), 15.0, "For a guest or a host to take a frame."
    )
    ping_seconds: float = setting(
        Number(0.1, 3_600, fraction=True), 20.0, "Between looks whether a guest is still there."
    )


@attrs.frozen(kw_only=True)
class SiteConfig:
    """The operator's small web site, beside the guest page."""

    serve: bool = setting(
        FlagSetting(), False, "Serve pages about this server, its policy, and a contact form."
    )
    policies: tuple[str, ...] = setting(
        Paths(),
        (),
        "Files with the versions of the policy. Each begins with version, posted and effective;\n"
        "a change takes effect 14 days after it is posted, at the earliest.",
    )
    mail_to: str = setting(
        TextSetting(254), "", "Where the contact form is sent; empty: there is none."
    )
    mail_from: str = setting(TextSetting(254), "", "From whom: an address of this server's own.")
    smtp_host: str = setting(TextSetting(253), "", "The mail server that takes it.")
    smtp_port: int = setting(_PORT, 587, "Its port.")
    smtp_tls: str = setting(
        ChoiceSetting(("starttls", "implicit", "none")), "starttls", "none: on this machine alone."
    )
    smtp_user: str = setting(TextSetting(254), "", "If it wants a login.")
    smtp_password_file: str = setting(TextSetting(4_096), "", "File (0600) with the password.")


@attrs.frozen(kw_only=True)
class TokensConfig:
    """TURN for tokens that an accounts service sells, or for everybody."""

    serve: bool = setting(
        FlagSetting(),
        False,
        "Lend TURN for tokens, bought at an accounts service (onmeet-bootstrap accounts).",
    )
    issuer: str = setting(TokenIssuer(), "", "The name of that service, as in its accounts.toml.")
    keys: str = setting(
        TextSetting(4_096), "", "The file with its public keys, which it keeps up to date."
    )
    free_per_network: int = setting(
        Number(0, 1_000_000),
        4,
        "Credentials a day that one IPv4 address or IPv6 /56 gets without a token; 0: none.",
    )
    bytes_per_token: int = setting(
        Number(1_000_000, 1 << 50),
        1_000_000_000,
        "What one credential may pass, both ways together. Its time is credential_seconds of\n"
        "[turn]; then, or beyond these bytes, its allocations are ended within 30 s.",
    )
    doors: bool = setting(
        FlagSetting(), False, "Doors for guests cost a token a day, too: none is free then."
    )
    max_spent: int = setting(
        Number(1, 100_000_000),
        1_000_000,
        "Spent tokens that are remembered, 16 bytes each, until their week is over; then no more\n"
        "are taken.",
    )


@attrs.frozen(kw_only=True)
class MetricsConfig:
    """``/metrics`` and ``/healthz``, or neither."""

    serve: bool = setting(
        FlagSetting(), False, "Tell numbers to Prometheus (/metrics), and health (/healthz)."
    )
    listen: tuple[str, ...] = setting(
        HostPorts(), ("127.0.0.1:9464",), "Where: addresses of this machine's loopback alone."
    )


@attrs.frozen(kw_only=True)
class BootstrapConfig:
    """How a bootstrap runs. The defaults suit one small server (1 GB, 1 core)."""

    seed: bytes = attrs.field(
        factory=lambda: secrets.token_bytes(SEED_BYTES),
        repr=False,
        validator=v.and_(v.min_len(SEED_BYTES), v.max_len(SEED_BYTES)),
    )
    """Fixes the PeerId. Made anew unless given: right for a demo or a LAN."""

    operator: str = setting(TextSetting(MAX_OPERATOR_CHARS), "", "Who runs this, as users read it.")
    region: str = setting(
        ChoiceSetting(("", *REGIONS)),
        "",
        'Where this machine stands: "ca" (Canada), "de" (Germany), or "" for neither.\n'
        "Nodes that pin a region refuse bootstraps of any other. It is signed: do not lie.",
    )
    listen: tuple[str, ...] = setting(
        Multiaddrs(to_listen=True),
        DEFAULT_LISTEN,
        "Multiaddrs to listen on; a final /ws is WebSocket. Open the ports in the firewall.",
    )
    announce: tuple[str, ...] = setting(
        Multiaddrs(to_listen=False),
        (),
        "What others are told in place of that, if this machine is behind port forwarding:\n"
        'announce = ["/ip4/203.0.113.5/tcp/4001", "/dns4/meet.example.org/tcp/4001"]',
    )

    max_connections: int = setting(_COUNT, 4096, "Open connections in all.")
    connections_per_network: int = setting(
        _COUNT, 1024, "Of which so many from one IPv4 address or IPv6 /56."
    )
    requests_per_minute: float = setting(
        Number(1, 1e6, fraction=True),
        30.0,
        "Questions (descriptions and so on) one node may ask a minute.",
    )
    requests_burst: int = setting(_COUNT, 10, "Of which so many at once.")
    network_factor: int = setting(
        Number(1, 10_000), 20, "An IPv4 address or IPv6 /56 counts as so many nodes."
    )

    max_reservations: int = setting(
        _COUNT, 2048, "Nodes behind NATs that can be reached through here."
    )
    reservations_per_network: int = setting(
        _COUNT, 64, "Of which so many from one IPv4 address or IPv6 /56."
    )
    reservation_seconds: int = setting(
        Number(1, 86_400), 3600, "Seconds until a reservation must be renewed."
    )
    max_circuits: int = setting(_COUNT, 1024, "Circuits open in all.")
    circuits_per_network: int = setting(
        _COUNT, 64, "Of which so many asked for by one IPv4 address or IPv6 /56."
    )
    circuits_per_node: int = setting(_COUNT, 16, "Of which so many by one node.")
    circuits_to_one: int = setting(_COUNT, 32, "And so many to one node.")
    circuit_seconds: float = setting(
        Number(0.1, 86_400, fraction=True),
        3600.0,
        "Seconds until a circuit is cut; nodes then make a new one.",
    )
    circuit_bytes: int = setting(
        Number(65_536, 1 << 40),
        16 * 1024 * 1024,
        "Bytes until a circuit is cut. Signaling needs 0.3 MB an hour; media never goes here.",
    )

    turn: TurnConfig = TurnConfig()
    tokens: TokensConfig = TokensConfig()
    guests: GuestsConfig = GuestsConfig()
    site: SiteConfig = SiteConfig()
    metrics: MetricsConfig = MetricsConfig()

    @property
    def request_rate(self) -> AllowedRate:
        """For one PeerId."""
        return AllowedRate(per_minute=self.requests_per_minute, burst=self.requests_burst)

    @property
    def network_rate(self) -> AllowedRate:
        """For one network prefix."""
        factor = self.network_factor
        return AllowedRate(self.requests_per_minute * factor, self.requests_burst * factor)


def ephemeral_config(*, guests: bool = False) -> BootstrapConfig:
    """For a demo or a test: this machine alone, any free port, a key that nobody keeps.

    `guests`: with a gateway, over plain HTTP on the loopback, which browsers take for secure.
    """
    return BootstrapConfig(
        operator="this machine",
        listen=("/ip4/127.0.0.1/tcp/0",),
        guests=GuestsConfig(serve=guests, listen=("127.0.0.1:0",)),
    )
