"""What an operator sets for the accounts service: one commented TOML file in a home of its own."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import attrs

from onmeet_bootstrap.config.fields import (
    Addresses,
    HostPorts,
    Number,
    PeerIds,
    TextSetting,
    TokenIssuer,
    setting,
    settings_of,
    toml,
)
from onmeet_bootstrap.errors import SettingsError
from onmeet_node.process.ownership import (
    ROOT,
    ForeignPlace,
    make_own_directory,
    open_own,
    require_own_directory,
)
from onmeet_node.process.suggestions import command

FILE_NAME = "accounts.toml"
KEYS_NAME = "token-keys.json"
SECTION = "accounts"
MAX_FILE_BYTES = 64 * 1024


@attrs.frozen(kw_only=True)
class AccountsConfig:
    """How the accounts service runs."""

    issuer: str = setting(
        TokenIssuer(),
        "",
        "The name that nodes ask by HTTPS, as in accounts.example.org; with :port if not 443.\n"
        "It is part of every token: with another name those that were bought end.",
    )
    bootstraps: tuple[str, ...] = setting(
        PeerIds(),
        (),
        "PeerIds of the bootstraps where tokens are spent, the one that most use first.\n"
        "Each must name this issuer in its own [tokens].",
    )
    public_keys: str = setting(
        TextSetting(4_096),
        "",
        "Where the public keys are written for the bootstrap ([tokens] keys there);\n"
        f"empty: {KEYS_NAME} in this directory. Copy it to bootstraps on other machines each day.",
    )
    listen: tuple[str, ...] = setting(
        HostPorts(), ("127.0.0.1:8445",), "Where to listen: address:port, IPv6 in brackets."
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
    requests_per_minute: float = setting(
        Number(1, 1e6, fraction=True), 30.0, "Of one IPv4 address or IPv6 /56."
    )
    requests_burst: int = setting(Number(1, 1_000_000), 60, "Of which so many at once.")

    def keys_path(self, home: Path) -> Path:
        """Where the public keys are written."""
        return Path(self.public_keys) if self.public_keys else home / KEYS_NAME


def default_home() -> Path:
    """``ONMEET_ACCOUNTS_HOME``, or this platform's place for application data."""
    if given := os.environ.get("ONMEET_ACCOUNTS_HOME"):
        return Path(given).expanduser()
    import platformdirs  # noqa: PLC0415 - seldom needed

    return Path(platformdirs.user_data_dir("onmeet-accounts", appauthor=False))


_SETTINGS = settings_of(AccountsConfig)


def render(config: AccountsConfig) -> str:
    """The configuration as a commented TOML file."""
    lines = [
        "# An On-Meet accounts service, as `onmeet-bootstrap accounts run` reads it.",
        "# Nothing here is secret; ledger.db beside it holds seats and the keys that sign.",
        "",
        f"[{SECTION}]",
    ]
    for name, field in _SETTINGS.items():
        lines += [f"# {line}" for line in field.metadata["comment"].splitlines()]
        lines.append(f"{name} = {toml(getattr(config, name))}")
    return "\n".join(lines) + "\n"


def checked(values: dict[str, object]) -> AccountsConfig:
    """A configuration of what the command line gave. Raises `SettingsError`."""
    return AccountsConfig(
        **{
            name: _SETTINGS[name]
            .metadata["kind"]
            .check(
                list(value) if isinstance(value, tuple) else value, f"--{name.replace('_', '-')}"
            )
            for name, value in values.items()
        }
    )


def create(home: Path, config: AccountsConfig) -> Path:
    """Writes a new configuration into `home`. Overwrites nothing. Raises `SettingsError`."""
    path = home / FILE_NAME
    require_whole(config, path)
    if os.path.lexists(path):
        raise SettingsError(f"{path} exists already. Edit it, or give another --home.")
    try:
        make_own_directory(home)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(render(config))
    except ForeignPlace as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(f"Cannot write to {home}: {error.strerror}.") from error
    return path


def load(home: Path) -> AccountsConfig:
    """Reads the configuration. Raises `SettingsError`."""
    path = home / FILE_NAME
    try:
        require_own_directory(home, owners={os.geteuid(), ROOT})
        with os.fdopen(open_own(path, os.O_RDONLY, roots=True), "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise SettingsError(
            f"There is no {path}. Make one with: "
            + command("onmeet-bootstrap", "accounts", "init", "--home", home)
        ) from None
    except ForeignPlace as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from error
    try:
        tables = tomllib.loads(data[:MAX_FILE_BYTES].decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}. Correct that line.") from None
    config = AccountsConfig(**_values(tables, path))
    require_whole(config, path)
    return config


def _values(tables: dict[str, Any], path: Path) -> dict[str, Any]:
    table = tables.pop(SECTION, {})
    if tables or not isinstance(table, dict):
        raise SettingsError(f"{path} has sections that are unknown. Known: [{SECTION}].")
    for name in table:
        if name not in _SETTINGS:
            raise SettingsError(f"In {path}, {name} is unknown. Known: {', '.join(_SETTINGS)}.")
    return {
        name: _SETTINGS[name].metadata["kind"].check(value, f"In {path}, {name}")
        for name, value in table.items()
    }


def require_whole(config: AccountsConfig, path: Path) -> None:
    """Raises `SettingsError` where something is missing that no node could do without."""
    loopback = all(where.startswith(("127.", "[::1]")) for where in config.listen)
    if not config.issuer:
        raise SettingsError(f"{path}: issuer must say the name that nodes ask (--issuer).")
    if not config.bootstraps:
        raise SettingsError(
            f"{path}: bootstraps must name where tokens are spent (--spent-at): the PeerId that "
            "onmeet-bootstrap run shows."
        )
    if bool(config.certificate) != bool(config.key):
        raise SettingsError(f"{path}: certificate and key belong together: set both, or neither.")
    if not config.certificate and not loopback and not config.behind_proxy:
        raise SettingsError(
            f"{path}: seat codes go over HTTPS alone. Set certificate and key, or put a proxy with "
            "a certificate in front and name its address in behind_proxy."
        )
