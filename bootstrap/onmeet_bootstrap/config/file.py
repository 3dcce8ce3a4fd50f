"""The configuration as one commented TOML file, and the key beside it.

A bootstrap's PeerId is part of its address, so bootstraps alone keep their key: 32 bytes in a file
that its owner alone may read. Nothing else is ever stored.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from onmeet_bootstrap.config.fields import settings_of, toml
from onmeet_bootstrap.config.model import (
    SEED_BYTES,
    BootstrapConfig,
    GuestsConfig,
    MetricsConfig,
    SiteConfig,
    TokensConfig,
    TurnConfig,
)
from onmeet_bootstrap.errors import BootstrapKeyError, SettingsError
from onmeet_node.process.ownership import (
    ROOT,
    ForeignPlace,
    make_own_directory,
    open_own,
    require_own_directory,
)
from onmeet_node.process.suggestions import command

FILE_NAME = "bootstrap.toml"
KEY_NAME = "bootstrap.key"
MAX_FILE_BYTES = 64 * 1024


def default_home() -> Path:
    """``ONMEET_BOOTSTRAP_HOME``, or this platform's place for application data."""
    if given := os.environ.get("ONMEET_BOOTSTRAP_HOME"):
        return Path(given).expanduser()
    import platformdirs  # noqa: PLC0415 - seldom needed

    return Path(platformdirs.user_data_dir("onmeet-bootstrap", appauthor=False))


# ── the file ─────────────────────────────────────────────────────────────────────────────────────

_MAIN = settings_of(BootstrapConfig)
_TURN = settings_of(TurnConfig)
_TOKENS = settings_of(TokensConfig)
_GUESTS = settings_of(GuestsConfig)
_SITE = settings_of(SiteConfig)
_METRICS = settings_of(MetricsConfig)


def _between(first: str, last: str) -> dict[str, attrs.Attribute[Any]]:
    names = list(_MAIN)
    return {name: _MAIN[name] for name in names[names.index(first) : names.index(last) + 1]}


_SECTIONS = {
    "bootstrap": ("", _between("operator", "announce")),
    "limits": (
        "Self-defence: what one node and one network may take.",
        _between("max_connections", "network_factor"),
    ),
    "relay": (
        "Passing sealed signaling on to nodes that cannot be dialed (never media).",
        _between("max_reservations", "circuit_bytes"),
    ),
    "turn": ("Passing on media that finds no other way, encrypted from end to end.", _TURN),
    "tokens": ("TURN for tokens, which tell nobody who bought them. Optional.", _TOKENS),
    "guests": ("People who join from a browser by a link: the page, and their door.", _GUESTS),
    "site": ("Pages about this server for people, at the same address as the guest page.", _SITE),
    "metrics": ("Numbers for whoever watches over it, and nothing about who.", _METRICS),
}
_OWN_CLASS: Mapping[str, Callable[..., object]] = {
    "turn": TurnConfig,
    "tokens": TokensConfig,
    "guests": GuestsConfig,
    "site": SiteConfig,
    "metrics": MetricsConfig,
}


def render(config: BootstrapConfig) -> str:
    """The configuration as a commented TOML file, every setting listed."""
    lines = [
        "# An On-Meet bootstrap, as `onmeet-bootstrap run` reads it. Nothing here is secret.",
        f"# The key that fixes this bootstrap's address is in {KEY_NAME}: keep a copy of it.",
    ]
    for section, (title, settings) in _SECTIONS.items():
        lines += ["", f"[{section}]", *([f"# {title}"] if title else [])]
        owner = getattr(config, section) if section in _OWN_CLASS else config
        for name, field in settings.items():
            lines += [f"# {line}" for line in field.metadata["comment"].splitlines()]
            lines.append(f"{name} = {toml(getattr(owner, name))}")
    return "\n".join(lines) + "\n"


def announced(listen: Iterable[str], public: Iterable[str]) -> tuple[str, ...]:
    """The listening multiaddrs with the public IP addresses in them, each for its own family."""
    families = {ip: "ip6" if ":" in ip else "ip4" for ip in public}
    split = [address.split("/", 3) for address in listen]
    return tuple(
        f"/{family}/{ip}/{parts[3]}"
        for ip, family in families.items()
        for parts in split
        if len(parts) == 4 and parts[1] == family
    )


def checked(
    bootstrap: Mapping[str, object], turn: Mapping[str, object] | None = None
) -> BootstrapConfig:
    """A configuration of what the command line gave, with a new key. Raises `SettingsError`."""
    lent = {
        name: _TURN[name].metadata["kind"].check(value, f"--{name}")
        for name, value in (turn or {}).items()
    }
    values = {
        name: _MAIN[name].metadata["kind"].check(value, f"--{name}")
        for name, value in bootstrap.items()
    }
    return BootstrapConfig(turn=TurnConfig(**lent), **values)


def create(home: Path, config: BootstrapConfig) -> Path:
    """Writes a new configuration and key into `home`; gives the file's path.

    Overwrites nothing: a lost key is a lost address. Raises `SettingsError`.
    """
    path, key_path = home / FILE_NAME, home / KEY_NAME
    _require_own_home(home)
    for existing in (path, key_path):
        if os.path.lexists(existing):
            raise SettingsError(
                f"{existing} exists already. Edit it, or give another directory with --home."
            )
    text = render(config)
    try:
        make_own_directory(home)
        _write_new(key_path, config.seed.hex() + "\n", 0o600)
        _write_new(path, text, 0o644)
    except ForeignPlace as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(
            f"Cannot write to {home}: {error.strerror}. Give another directory with --home."
        ) from error
    return path


def _require_own_home(home: Path) -> None:
    """Raises `SettingsError` for a home that another user prepared; root may have."""
    try:
        require_own_directory(home, owners={os.geteuid(), ROOT})
    except (FileNotFoundError, NotADirectoryError):
        pass  # told by whoever looks for a file in it
    except ForeignPlace as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(f"Cannot look into {home}: {error.strerror}.") from error


def _write_new(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def load(home: Path) -> BootstrapConfig:
    """Reads configuration and key from `home`. Raises `SettingsError` or `BootstrapKeyError`."""
    _require_own_home(home)
    path = home / FILE_NAME
    try:
        with os.fdopen(open_own(path, os.O_RDONLY, roots=True), "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise SettingsError(
            f"There is no {path}. Make one with: "
            + command("onmeet-bootstrap", "init", "--home", home)
        ) from None
    except ForeignPlace as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from error
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"{path} has more than {MAX_FILE_BYTES} bytes: not one of ours.")
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}. Correct that line.") from None
    values = _values(tables, path)
    return BootstrapConfig(seed=_read_seed(home / KEY_NAME), **values)


def _values(tables: Mapping[str, Any], path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for section, table in tables.items():
        if section not in _SECTIONS:
            if (home := _section_with(section)) is not None and not isinstance(table, dict):
                raise SettingsError(
                    f"In {path}, {section} stands before any section: put it under [{home}]."
                )
            known = ", ".join(_SECTIONS)
            raise SettingsError(f"{path} has the unknown section [{section}]. Known: {known}.")
        if not isinstance(table, dict):
            raise SettingsError(f"In {path}, {section!r} must be a section, as in [{section}].")
        read = _section(section, table, f"In {path}, [{section}]")
        values.update({section: _OWN_CLASS[section](**read)} if section in _OWN_CLASS else read)
    return values


def _section_with(name: str) -> str | None:
    """Where a setting of that name belongs; None if there is none."""
    return next((section for section, (_, known) in _SECTIONS.items() if name in known), None)


def _section(section: str, table: Mapping[str, object], where: str) -> dict[str, Any]:
    settings = _SECTIONS[section][1]
    for name in table:
        if name not in settings:
            if (home := _section_with(name)) is not None:
                raise SettingsError(f"{where} {name} is unknown: it belongs under [{home}].")
            raise SettingsError(f"{where} {name} is unknown. Known: {', '.join(settings)}.")
    return {
        name: settings[name].metadata["kind"].check(value, f"{where} {name}")
        for name, value in table.items()
    }


def _read_seed(path: Path) -> bytes:
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(2 * SEED_BYTES + 16)
    except FileNotFoundError:
        raise BootstrapKeyError(
            f"{path} is missing: without it this bootstrap would get another address. Restore it "
            "from your copy, or remove the configuration and run onmeet-bootstrap init again."
        ) from None
    except ForeignPlace as error:
        raise BootstrapKeyError(str(error)) from error
    except OSError as error:
        raise BootstrapKeyError(f"Cannot read {path}: {error.strerror}.") from error
    if mode & 0o077:
        raise BootstrapKeyError(
            f"Others can read {path}. Make it yours alone: {command('chmod', '600', '--', path)}"
        )
    try:
        seed = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise BootstrapKeyError(
            f"{path} is damaged: it must hold 64 hex digits. Restore your copy."
        )
    return seed
