"""What an operator sets, read from one commented TOML file, and the key beside it.

A bootstrap's PeerId is part of its address, so bootstraps alone keep their key: 32 bytes in a file
that its owner alone may read. Nothing else is ever stored.
"""

from __future__ import annotations

import os
import secrets
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import validators as v

from bootstrap.errors import ConfigError, KeyFileError
from bootstrap.limits import Rate

FILE_NAME = "bootstrap.toml"
KEY_NAME = "bootstrap.key"
SEED_BYTES = 32
REGIONS = ("ca", "de")
DEFAULT_LISTEN = ("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001", "/ip4/0.0.0.0/tcp/4002/ws")
MAX_FILE_BYTES = 64 * 1024
MAX_OPERATOR_CHARS = 80

_COUNT = (1, 1_000_000)


def _setting(default: Any, section: str, low: float, high: float, comment: str) -> Any:
    return attrs.field(
        default=default,
        validator=v.and_(v.ge(low), v.le(high)),
        metadata={"section": section, "comment": comment, "range": (low, high)},
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
    operator: str = attrs.field(default="", validator=v.max_len(MAX_OPERATOR_CHARS))
    """Who runs this, as users read it."""
    region: str = attrs.field(default="", validator=v.in_(("", *REGIONS)))
    """Where the machine stands. Empty: neither Canada nor Germany, or nobody's business."""
    listen: tuple[str, ...] = attrs.field(default=DEFAULT_LISTEN, validator=v.min_len(1))
    """Multiaddrs to listen on, TCP or WebSocket."""
    announce: tuple[str, ...] = ()
    """Multiaddrs told to others in place of the listening ones."""

    max_connections: int = _setting(4096, "limits", *_COUNT, "Open connections in all.")
    requests_per_minute: float = _setting(
        30.0, "limits", 1, 1e6, "Questions (descriptions and so on) one node may ask a minute."
    )
    requests_burst: int = _setting(10, "limits", *_COUNT, "Of which so many at once.")
    network_factor: int = _setting(
        20, "limits", 1, 10_000, "An IPv4 address or IPv6 /56 counts as so many nodes."
    )

    max_reservations: int = _setting(
        2048, "relay", *_COUNT, "Nodes behind NATs that can be reached through here."
    )
    reservations_per_network: int = _setting(
        64, "relay", *_COUNT, "Of which so many from one IPv4 address or IPv6 /56."
    )
    reservation_seconds: int = _setting(
        3600, "relay", 1, 86_400, "Seconds until a reservation must be renewed."
    )
    max_circuits: int = _setting(1024, "relay", *_COUNT, "Circuits open in all.")
    circuits_per_network: int = _setting(
        64, "relay", *_COUNT, "Of which so many asked for by one IPv4 address or IPv6 /56."
    )
    circuits_per_node: int = _setting(16, "relay", *_COUNT, "Of which so many by one node.")
    circuits_to_one: int = _setting(32, "relay", *_COUNT, "And so many to one node.")
    circuit_seconds: float = _setting(
        3600.0, "relay", 0.1, 86_400, "Seconds until a circuit is cut; nodes then make a new one."
    )
    circuit_bytes: int = _setting(
        16 * 1024 * 1024,
        "relay",
        65_536,
        1 << 40,
        "Bytes until a circuit is cut. Signaling needs 0.3 MB an hour; media never goes here.",
    )

    @property
    def request_rate(self) -> Rate:
        """For one PeerId."""
        return Rate(per_minute=self.requests_per_minute, burst=self.requests_burst)

    @property
    def network_rate(self) -> Rate:
        """For one network prefix."""
        factor = self.network_factor
        return Rate(self.requests_per_minute * factor, self.requests_burst * factor)


def ephemeral_config() -> BootstrapConfig:
    """For a demo or a test: this machine alone, any free port, a key that nobody keeps."""
    return BootstrapConfig(operator="this machine", listen=("/ip4/127.0.0.1/tcp/0",))


def default_home() -> Path:
    """``ONMEET_BOOTSTRAP_HOME``, or this platform's place for application data."""
    if given := os.environ.get("ONMEET_BOOTSTRAP_HOME"):
        return Path(given).expanduser()
    import platformdirs  # noqa: PLC0415 - seldom needed

    return Path(platformdirs.user_data_dir("onmeet-bootstrap", appauthor=False))


# ── the file ─────────────────────────────────────────────────────────────────────────────────────

_SECTIONS = {
    "limits": "Self-defence: what one node and one network may take.",
    "relay": "Passing sealed signaling on to nodes that cannot be dialed (never media).",
}


def render(config: BootstrapConfig) -> str:
    """The configuration as a commented TOML file, every setting listed."""
    lines = [
        "# An On-Meet bootstrap, as `onmeet-bootstrap run` reads it. Nothing here is secret.",
        f"# The key that fixes this bootstrap's address is in {KEY_NAME}: keep a copy of it.",
        "",
        "[bootstrap]",
        "# Who runs this, as users read it.",
        f"operator = {_quoted(config.operator)}",
        '# Where this machine stands: "ca" (Canada), "de" (Germany), or "" for neither.',
        "# Nodes that pin a region refuse bootstraps of any other. It is signed: do not lie.",
        f"region = {_quoted(config.region)}",
        "# Multiaddrs to listen on; a final /ws is WebSocket. Open the ports in the firewall.",
        f"listen = {_list(config.listen)}",
        "# What others are told in place of that, if this machine is behind port forwarding:",
        '# announce = ["/ip4/203.0.113.5/tcp/4001", "/dns4/meet.example.org/tcp/4001"]',
        f"announce = {_list(config.announce)}",
    ]
    for section, title in _SECTIONS.items():
        lines += ["", f"[{section}]", f"# {title}"]
        for field in _settings(section):
            lines.append(f"# {field.metadata['comment']}")
            lines.append(f"{field.name} = {getattr(config, field.name)!r}")
    return "\n".join(lines) + "\n"


def _settings(section: str) -> list[attrs.Attribute[Any]]:
    return [f for f in attrs.fields(BootstrapConfig) if f.metadata.get("section") == section]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        raise ConfigError(
            "The operator's name has characters that cannot be shown. Leave them out."
        )
    return f'"{escaped}"'


def _list(items: tuple[str, ...]) -> str:
    return "[" + ", ".join(_quoted(item) for item in items) + "]"


def checked(
    *, operator: str, region: str, listen: tuple[str, ...], announce: tuple[str, ...]
) -> BootstrapConfig:
    """A configuration of what the command line gave, with a new key. Raises `ConfigError`."""
    given = {"operator": operator, "region": region, "listen": listen, "announce": announce}
    return BootstrapConfig(
        **{
            name: _value("bootstrap", name, list(v) if isinstance(v, tuple) else v, "--" + name)
            for name, v in given.items()
        }
    )


def create(home: Path, config: BootstrapConfig) -> Path:
    """Writes a new configuration and key into `home`; gives the file's path.

    Overwrites nothing: a lost key is a lost address. Raises `ConfigError`.
    """
    path, key_path = home / FILE_NAME, home / KEY_NAME
    for existing in (path, key_path):
        if existing.exists():
            raise ConfigError(
                f"{existing} exists already. Edit it, or give another directory with --home."
            )
    text = render(config)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_new(key_path, config.seed.hex() + "\n", 0o600)
        _write_new(path, text, 0o644)
    except OSError as error:
        raise ConfigError(
            f"Cannot write to {home}: {error.strerror}. Give another directory with --home."
        ) from error
    return path


def _write_new(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def load(home: Path) -> BootstrapConfig:
    """Reads configuration and key from `home`. Raises `ConfigError` or `KeyFileError`."""
    path = home / FILE_NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"There is no {path}. Make one with: onmeet-bootstrap init --home {home}"
        ) from None
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} has more than {MAX_FILE_BYTES} bytes: not one of ours.")
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}. Correct that line.") from None
    values = _values(tables, path)
    return BootstrapConfig(seed=_read_seed(home / KEY_NAME), **values)


def _values(tables: Mapping[str, Any], path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for section, table in tables.items():
        if section != "bootstrap" and section not in _SECTIONS:
            known = ", ".join(["bootstrap", *_SECTIONS])
            raise ConfigError(f"{path} has the unknown section [{section}]. Known: {known}.")
        if not isinstance(table, dict):
            raise ConfigError(f"In {path}, {section!r} must be a section, as in [{section}].")
        for name, value in table.items():
            where = f"In {path}, [{section}] {name}"
            values[name] = _value(section, name, value, where)
    return values


def _value(section: str, name: str, value: object, where: str) -> Any:
    if section == "bootstrap":
        if name == "operator":
            if isinstance(value, str) and len(value) <= MAX_OPERATOR_CHARS:
                return value
            raise ConfigError(f"{where} must be a text of at most {MAX_OPERATOR_CHARS} characters.")
        if name == "region":
            if value in {"", *REGIONS}:
                return value
            raise ConfigError(f'{where} must be "ca", "de" or "", not {value!r}.')
        if name in {"listen", "announce"}:
            return _addresses(value, where, may_be_empty=name == "announce")
        raise ConfigError(f"{where} is unknown. Known: operator, region, listen, announce.")
    settings = {field.name: field for field in _settings(section)}
    if name not in settings:
        raise ConfigError(f"{where} is unknown. Known: {', '.join(settings)}.")
    low, high = settings[name].metadata["range"]
    whole = isinstance(settings[name].default, int)
    right = isinstance(value, int) or (isinstance(value, float) and not whole)
    if not right or isinstance(value, bool) or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{where} must be {kind} from {low} to {high}, not {value!r}.")
    return value


def _addresses(value: object, where: str, *, may_be_empty: bool) -> tuple[str, ...]:
    example = "/ip4/0.0.0.0/tcp/4001"
    if not isinstance(value, list) or not (value or may_be_empty):
        raise ConfigError(f'{where} must be a list of multiaddrs, as in ["{example}"].')
    for item in value:
        if not isinstance(item, str) or not item.startswith(("/ip4/", "/ip6/", "/dns")):
            raise ConfigError(f"{where}: {item!r} is no multiaddr; one looks like {example}.")
    return tuple(value)


def _read_seed(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(2 * SEED_BYTES + 16)
    except FileNotFoundError:
        raise KeyFileError(
            f"{path} is missing: without it this bootstrap would get another address. Restore it "
            "from your copy, or remove the configuration and run onmeet-bootstrap init again."
        ) from None
    except OSError as error:
        raise KeyFileError(f"Cannot read {path}: {error.strerror}.") from error
    if mode & 0o077:
        raise KeyFileError(f"Others can read {path}. Make it yours alone: chmod 600 {path}")
    try:
        seed = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"{path} is damaged: it must hold 64 hex digits. Restore your copy.")
    return seed
