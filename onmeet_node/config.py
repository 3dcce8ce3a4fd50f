"""One frozen `Config` from file (TOML), environment and flags, the later the stronger."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from onmeet_node.errors import OnMeetError
from onmeet_node.process.ownership import open_own, require_own_directory

FILE_NAME = "onmeet.toml"
MAX_FILE_BYTES = 64 * 1024
MAX_AT_ONCE = 1_000
"""Calls of one node; the machine ends long before (benchmarks/README.md)."""
"""A configuration is a screen or two; more is not one of ours."""


class ConfigError(OnMeetError):
    """The configuration says something we cannot do."""


def _strings(value: object, name: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f'{name} must be a list of texts, as in {name} = ["…"].')
    return tuple(value)


def _flag(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"1", "true", "yes", "on"}:
        return True
    if isinstance(value, str) and value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ConfigError(f"{name} must be true or false, not {value!r}.")


def _one_of(*choices: str) -> Any:
    def check(value: object, name: str) -> str | None:
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.lower() in choices:
            return value.lower()
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")

    return check


def _text(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    raise ConfigError(f"{name} must be a text in quotes, not {value!r}.")


def _count(value: object, name: str) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_AT_ONCE:
        raise ConfigError(f"{name} must be a whole number from 1 to {MAX_AT_ONCE}, not {value!r}.")
    return value


def _field(default: Any, read: Any) -> Any:
    return attrs.field(default=default, metadata={"read": read})


@attrs.frozen(kw_only=True)
class Config:
    """How a node runs. Privacy choices that a person changes while it runs live in the store."""

    home: Path
    """Where the encrypted database, key file and control socket are."""
    listen: tuple[str, ...] = _field(("/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"), _strings)
    """Multiaddrs to listen on; port 0 takes a free one. Empty: only dial out."""
    bootstraps: tuple[str, ...] = _field((), _strings)
    """Multiaddrs with ``/p2p/…`` of the bootstraps to enter by; any number may be dead."""
    region: str | None = _field(None, _one_of("ca", "de"))
    """Only use bootstraps that describe themselves as in this region."""
    lan: bool = _field(True, _flag)
    """Find nodes of the same network by mDNS, so that no bootstrap is needed there."""
    source: str = _field("none", _text)
    """What calls send: ``test`` (moving picture and tone), ``none``, ``devices``, or a file."""
    auto_answer: bool = _field(False, _flag)
    """Take every call that rings: for bots, doorbells and tests."""
    calls_at_once: int | None = _field(None, _count)
    """Callers at once; one more is told that we are busy. Unset: 20; under ``onmeet up`` 1."""
    relay_only: bool = _field(False, _flag)
    """Never show a peer our addresses: media through TURN alone."""
    record: Path | None = _field(None, lambda value, name: Path(_text(value, name)))
    """Directory that gets one recording per call."""

    @property
    def socket(self) -> Path:
        """The control socket of the node that runs in this home."""
        return self.home / "control.sock"


def of_a_person(config: Config) -> Config:
    """`config` for a node that a person runs: unless it says otherwise, one call at a time."""
    return attrs.evolve(config, calls_at_once=config.calls_at_once or 1)


def default_home() -> Path:
    """``ONMEET_HOME``, or this platform's place for a person's application data."""
    if given := os.environ.get("ONMEET_HOME"):
        return Path(given).expanduser()
    import platformdirs  # noqa: PLC0415 - costs 5 ms, seldom needed

    return Path(platformdirs.user_data_dir("onmeet", appauthor=False))


def load_config(
    home: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """Joins file, environment (``ONMEET_LISTEN`` …, lists with commas) and flags (None: not given).

    Raises `ConfigError` naming the file and the field.
    """
    home = (home or default_home()).absolute()
    readers = {f.name: f.metadata["read"] for f in attrs.fields(Config) if "read" in f.metadata}
    values: dict[str, Any] = {}
    for origin, given in (
        (str(home / FILE_NAME), _read_file(home / FILE_NAME)),
        ("the environment", _from_environment(environment or os.environ, readers)),
        ("the command line", {k: v for k, v in (flags or {}).items() if v is not None}),
    ):
        for name, value in given.items():
            if name not in readers:
                raise ConfigError(
                    f"{origin} has the unknown setting {name!r}. "
                    f"Known: {', '.join(sorted(readers))}."
                )
            try:
                values[name] = readers[name](value, name) if not isinstance(value, Path) else value
            except ConfigError as error:
                raise ConfigError(f"In {origin}: {error}") from None
    return Config(home=home, **values)


def _from_environment(environment: Mapping[str, str], readers: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: environment[key]
        for name in readers
        if (key := f"ONMEET_{name.upper()}") in environment
    }


def _read_file(path: Path) -> dict[str, Any]:
    try:
        require_own_directory(path.parent)
        with os.fdopen(open_own(path, os.O_RDONLY, roots=True), "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}). Check its owner.") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_FILE_BYTES} bytes. Is it a configuration?")
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}. Correct that line.") from error
