"""TURN credentials that a bootstrap lends: time-limited, tied to nobody, stored nowhere.

The scheme is draft-uberti-behave-turn-rest-00, section 2.2, which coturn calls `use-auth-secret`:
the server recomputes the password from the user name and a secret that it shares with us.
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
from collections.abc import Callable
from pathlib import Path

import attrs

from bootstrap.config import TurnConfig
from bootstrap.errors import ConfigError
from onmeet_node.ownership import ForeignPlace, open_own
from onmeet_node.wire.bootstrap_api import TurnCredentials

SECRET_BYTES = 32
MAX_SECRET_BYTES = 1024
OPAQUE_BYTES = 9
"""Of randomness in a user name: coturn counts its quota by it, and it ties calls to nobody."""


def new_secret() -> str:
    """A secret for a coturn of our own: made at each start, kept in memory alone."""
    return secrets.token_urlsafe(SECRET_BYTES)


def password(secret: str, username: str) -> str:
    """base64(HMAC-SHA1(secret, username)), as the draft says."""
    mac = hmac.new(secret.encode(), username.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()


@attrs.frozen
class Lender:
    """Lends credentials for the TURN server at `urls`."""

    urls: tuple[str, ...]
    secret: str = attrs.field(repr=False)
    lifetime: int
    """Seconds that credentials work for; a call that is on goes on after that."""
    clock: Callable[[], float] = time.time

    def lend(self) -> TurnCredentials:
        """Fresh credentials, which nothing remembers."""
        expiry = int(self.clock()) + self.lifetime
        username = f"{expiry}:{secrets.token_urlsafe(OPAQUE_BYTES)}"
        return TurnCredentials(
            urls=self.urls,
            username=username,
            credential=password(self.secret, username),
            ttl=self.lifetime,
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
    """Lends for somebody else's TURN server. Raises `ConfigError`."""
    if not config.secret_file:
        raise ConfigError(
            "[turn] urls needs secret_file: a file (chmod 600) with the static-auth-secret of "
            "that server."
        )
    return Lender(config.urls, _read_secret(Path(config.secret_file)), config.credential_seconds)


def _read_secret(path: Path) -> str:
    try:
        with os.fdopen(open_own(path, os.O_RDONLY, links=True, roots=True), "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_SECRET_BYTES + 1)
    except ForeignPlace as error:
        raise ConfigError(f"[turn] secret_file: {error}") from error
    except OSError as error:
        raise ConfigError(f"Cannot read [turn] secret_file {path}: {error.strerror}.") from error
    if mode & 0o077:
        raise ConfigError(f"Others can read {path}. Make it yours alone: chmod 600 {path}")
    text = data.decode("utf-8", "replace").strip()
    if not text or not text.isprintable() or len(data) > MAX_SECRET_BYTES:
        raise ConfigError(f"{path} must hold one line: the secret shared with the TURN server.")
    return text
