"""What one setting of the configuration file may be, and how it is written there.

A setting is an attrs field made by `setting`: its kind checks a value read from TOML and says what
is wrong with it, and writes it back.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any, Protocol

import attrs

from onmeet_bootstrap.errors import SettingsError
from onmeet_node.protocol.wire.peer_id import ed25519_key
from onmeet_node.protocol.wire.seat import ISSUER, MAX_ISSUER_CHARS


class SettingKind(Protocol):
    """One type of value."""

    def check(self, value: object, where: str) -> Any:
        """The value as the program has it. Raises `SettingsError`, beginning with `where`."""
        ...


@attrs.frozen
class Number:
    """A number from `low` to `high`; a whole one unless `fraction`."""

    low: float
    high: float
    fraction: bool = False

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        right = isinstance(value, int) or (isinstance(value, float) and self.fraction)
        if isinstance(value, bool) or not right or not self.low <= value <= self.high:  # type: ignore[operator]
            kind = "a number" if self.fraction else "a whole number"
            raise SettingsError(
                f"{where} must be {kind} from {self.low} to {self.high}, not {value!r}."
            )
        return value


@attrs.frozen
class FlagSetting:
    """true or false."""

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        if not isinstance(value, bool):
            raise SettingsError(f"{where} must be true or false, not {value!r}.")
        return value


@attrs.frozen
class TextSetting:
    """A text of at most `most` characters, all of which can be shown."""

    most: int

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        if not isinstance(value, str) or len(value) > self.most:
            raise SettingsError(f"{where} must be a text of at most {self.most} characters.")
        if not value.isprintable():
            raise SettingsError(f"{where} has characters that cannot be shown. Leave them out.")
        return value


@attrs.frozen
class ChoiceSetting:
    """One of a few texts."""

    values: tuple[str, ...]

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        if value not in self.values:
            allowed = ", ".join(f'"{one}"' for one in self.values)
            raise SettingsError(f"{where} must be one of {allowed}, not {value!r}.")
        return value


def _listed(value: object, where: str, example: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SettingsError(f'{where} must be a list, as in ["{example}"].')
    return value


_TRANSPORT = re.compile(r"/tcp/(\d{1,5})(/ws|/wss|/tls/ws)?(/p2p/[A-Za-z0-9]+)?")
_DNS_NAME = re.compile(r"[A-Za-z0-9_.-]{1,253}")


def _is_multiaddr(text: str, *, to_listen: bool) -> bool:
    """Whether it is one of those that On-Meet uses: TCP, or WebSocket on it."""
    _, _, rest = text.partition("/")
    kind, _, rest = rest.partition("/")
    host, slash, _ = rest.partition("/")
    transport = _TRANSPORT.fullmatch(slash + rest[len(host) + 1 :])
    if transport is None or int(transport[1]) > 65_535:
        return False
    if to_listen and (transport[2] not in {None, "/ws"} or transport[3]):
        return False
    if kind in {"ip4", "ip6"}:
        try:
            return ipaddress.ip_address(host).version == int(kind[-1])
        except ValueError:
            return False
    named = kind in {"dns", "dns4", "dns6"} and bool(_DNS_NAME.fullmatch(host))
    return named and not to_listen


@attrs.frozen
class Multiaddrs:
    """Multiaddrs, `to_listen` on (at least one, by IP address) or to announce."""

    to_listen: bool

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        example = "/ip4/0.0.0.0/tcp/4001"
        items = _listed(value, where, example)
        if not items and self.to_listen:
            raise SettingsError(f'{where} must be a list of multiaddrs, as in ["{example}"].')
        for item in items:
            if not _is_multiaddr(item, to_listen=self.to_listen):
                what = "multiaddr to listen on" if self.to_listen else "multiaddr"
                raise SettingsError(f"{where}: {item!r} is no {what}; one looks like {example}.")
        return tuple(items)


@attrs.frozen
class Addresses:
    """IP addresses."""

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        items = _listed(value, where, "203.0.113.5")
        for item in items:
            try:
                ipaddress.ip_address(item)
            except ValueError:
                raise SettingsError(
                    f"{where}: {item!r} is no IP address; one looks like 203.0.113.5."
                ) from None
        return tuple(items)


@attrs.frozen
class HostPorts:
    """Where a server listens."""

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        example = "0.0.0.0:8443"
        items = _listed(value, where, example)
        if not items:
            raise SettingsError(f'{where} must name an address, as in ["{example}"].')
        for item in items:
            host, _, port = item.rpartition(":")
            try:
                ipaddress.ip_address(host.strip("[]"))
                right = port.isdecimal() and int(port) <= 65_535
            except ValueError:
                right = False
            if not right:
                raise SettingsError(
                    f"{where}: {item!r} is no address and port; one looks like {example}."
                )
        return tuple(items)


_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]{1,253})(:\d{1,5})?")


@attrs.frozen
class Origin:
    """The origin of a web server (RFC 6454), or empty."""

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        if value == "" or (isinstance(value, str) and _ORIGIN.fullmatch(value)):
            return value
        raise SettingsError(
            f"{where}: {value!r} is no origin; one looks like https://meet.example.org, without a "
            "path or a final slash."
        )


@attrs.frozen
class Origins:
    """Several of them."""

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        return tuple(
            Origin().check(item or "(nothing)", where)
            for item in _listed(value, where, "https://www.example.org")
        )


@attrs.frozen
class Paths:
    """Files."""

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        return tuple(_listed(value, where, "/etc/onmeet-bootstrap/policy-1.txt"))


@attrs.frozen
class TurnUrls:
    """TURN URLs (RFC 7065)."""

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        example = "turn:turn.example.org:3478?transport=udp"
        items = _listed(value, where, example)
        for item in items:
            if not item.startswith(("turn:", "turns:")) or not item.isascii() or " " in item:
                raise SettingsError(f"{where}: {item!r} is no TURN URL; one looks like {example}.")
        return tuple(items)


@attrs.frozen
class TokenIssuer:
    """The name of an accounts service, as tokens have it; or empty."""

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        if value == "" or (
            isinstance(value, str)
            and len(value) <= MAX_ISSUER_CHARS
            and re.fullmatch(ISSUER, value)
        ):
            return value
        raise SettingsError(
            f"{where}: {value!r} is no name of an issuer; one looks like accounts.example.org, "
            "in small letters, with :port if it is not 443."
        )


@attrs.frozen
class PeerIds:
    """PeerIds of bootstraps."""

    def check(self, value: object, where: str) -> Any:
        """See `SettingKind`."""
        items = _listed(value, where, "12D3KooW…")
        for item in items:
            try:
                ed25519_key(item)
            except ValueError:
                raise SettingsError(
                    f"{where}: {item!r} is no PeerId of a bootstrap; one begins with 12D3KooW."
                ) from None
        if len(set(items)) != len(items):
            raise SettingsError(f"{where} names a bootstrap twice.")
        return tuple(items)


def setting(kind: SettingKind, default: Any, comment: str) -> Any:
    """An attrs field that appears in the file under `comment`."""
    return attrs.field(
        default=default,
        metadata={"kind": kind, "comment": comment},
        validator=lambda _owner, field, value: _validate(kind, field.name, value),
    )


def _validate(kind: SettingKind, name: str, value: Any) -> None:
    try:
        kind.check(list(value) if isinstance(value, tuple) else value, name)
    except SettingsError as error:
        raise ValueError(str(error)) from None


def settings_of(owner: type) -> dict[str, attrs.Attribute[Any]]:
    """The settings of an attrs class by name, in their order."""
    return {field.name: field for field in attrs.fields(owner) if "kind" in field.metadata}


def toml(value: Any) -> str:
    """A checked value as TOML: JSON's texts, lists, numbers and flags are TOML's too."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
