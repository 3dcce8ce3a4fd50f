"""Where the database key comes from: a passphrase, the OS keyring, or a key file (P3).

The key itself is 32 random bytes made with the home. `home.json` in the home, readable as it is,
says how to get at it; for a passphrase it holds the key sealed under Argon2id's result, so that a
wrong passphrase and a damaged database are told apart.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from onmeet_node.process.ownership import ForeignPlace, open_own
from onmeet_node.process.suggestions import command
from onmeet_node.store.errors import (
    HomeDamaged,
    HomeTooNew,
    KeyFileError,
    KeyringError,
    WrongUnlock,
)
from onmeet_node.store.files import shred, write_private
from onmeet_node.store.sealing import KEY_BYTES, Passphrase, SealedKey

HEADER_VERSION = 1
MAX_HEADER_BYTES = 4096
KEYRING_SERVICE = "onmeet"
KEY_FILE_NAME = "key"


@dataclass(frozen=True, slots=True)
class DatabaseKey:
    """The 32 bytes that open the database."""

    raw: bytes = field(repr=False)


class KeyringBackend(Protocol):
    """The part of `keyring.backend.KeyringBackend` that we use; tests have one in memory."""

    def get_password(self, service: str, username: str) -> str | None: ...  # noqa: D102
    def set_password(self, service: str, username: str, password: str) -> None: ...  # noqa: D102
    def delete_password(self, service: str, username: str) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Keyring:
    """The operating system keeps the key, and hands it out while the person is logged in."""

    backend: KeyringBackend | None = None
    """None: the one that the `keyring` package finds."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file of mode 0600 holds the key: for servers and bots, protected by the disk alone."""

    path: Path | None = None
    """None: `key` in the home."""


Unlock = Passphrase | Keyring | KeyFile

_KINDS: dict[type[Unlock], str] = {
    Passphrase: "passphrase",
    Keyring: "keyring",
    KeyFile: "key-file",
}
_NAMES = {"passphrase": "passphrase", "keyring": "key in the keyring", "key-file": "key file"}


@dataclass(frozen=True, slots=True)
class Header:
    """What `home.json` says: which kind of unlock, and what that kind needs to know."""

    kind: str
    keyring_user: str | None = None
    key_file: str | None = None
    sealed: SealedKey | None = None

    def to_bytes(self) -> bytes:
        """The file's content."""
        value = {
            "format": HEADER_VERSION,
            "unlock": self.kind,
            "keyring_user": self.keyring_user,
            "key_file": self.key_file,
            "sealed": self.sealed.to_json() if self.sealed else None,
        }
        return json.dumps(value, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, path: Path) -> Self:
        """Raises `HomeTooNew`, or `HomeDamaged` for anything `to_bytes` did not make."""
        try:
            if len(data) > MAX_HEADER_BYTES:
                raise ValueError("too long")
            value = json.loads(data)
            version, kind = value["format"], value["unlock"]
            if isinstance(version, int) and version > HEADER_VERSION:
                raise HomeTooNew(str(path), version, HEADER_VERSION)
            if version != HEADER_VERSION or kind not in _NAMES:
                raise ValueError("unknown kind")
            sealed = SealedKey.from_json(value["sealed"]) if kind == "passphrase" else None
            user, file = value.get("keyring_user"), value.get("key_file")
            if (kind == "keyring" and not isinstance(user, str)) or (
                kind == "key-file" and not isinstance(file, str)
            ):
                raise ValueError("incomplete")
            return cls(kind, user, file, sealed)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise HomeDamaged(str(path)) from error


def make_key(home: Path, unlock: Unlock) -> tuple[DatabaseKey, Header]:
    """A fresh database key, kept as `unlock` says. Blocks for the time of `KdfCost`."""
    key = secrets.token_bytes(KEY_BYTES)
    match unlock:
        case Passphrase():
            header = Header("passphrase", sealed=SealedKey.seal(key, unlock))
        case Keyring():
            user = secrets.token_hex(16)
            _keyring_set(unlock, user, b64encode(key).decode())
            header = Header("keyring", keyring_user=user)
        case KeyFile():
            path = unlock.path or home / KEY_FILE_NAME
            if os.path.lexists(path):
                raise KeyFileError(f"{path} exists. Move it away, or name another key file.")
            write_private(path, b64encode(key) + b"\n")
            header = Header("key-file", key_file=str(unlock.path.absolute()) if unlock.path else "")
    return DatabaseKey(key), header


def find_key(home: Path, header: Header, unlock: Unlock) -> DatabaseKey:
    """The key of an existing home. Blocks for the time of `KdfCost`; raises `UnlockError`."""
    given = _KINDS[type(unlock)]
    if given != header.kind:
        raise WrongUnlock(_NAMES[header.kind], _NAMES[given])
    match unlock:
        case Passphrase():
            assert header.sealed is not None
            return DatabaseKey(header.sealed.open(unlock.text))
        case Keyring():
            assert header.keyring_user is not None
            return DatabaseKey(_keyring_get(unlock, header.keyring_user))
        case KeyFile():
            return DatabaseKey(_read_key_file(unlock.path or key_file_path(home, header), home))


def forget_key(home: Path, header: Header, keyring: Keyring) -> None:
    """Destroys the key, wherever it is; without it the database is noise. Never fails."""
    if header.kind == "keyring" and header.keyring_user:
        with suppress(Exception):  # backends raise what they like, and it may be gone already
            _keyring(keyring).delete_password(KEYRING_SERVICE, header.keyring_user)
    if header.kind == "key-file":
        path = key_file_path(home, header)
        with suppress(KeyFileError):  # what `home.json` names and is no key of ours stays
            _read_key_file(path, home)
            shred(path)


def key_file_path(home: Path, header: Header) -> Path:
    """Where the key file of this home was put."""
    return Path(header.key_file) if header.key_file else home / KEY_FILE_NAME


def _read_key_file(path: Path, home: Path) -> bytes:
    elsewhere = path.parent != home  # named by the person, and secrets are often mounted as links
    try:
        descriptor = open_own(path, os.O_RDONLY, links=elsewhere, roots=elsewhere)
        with os.fdopen(descriptor, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(256)
    except ForeignPlace as error:
        raise KeyFileError(str(error)) from error
    except OSError as error:
        raise KeyFileError(
            f"The key file {path} cannot be read ({error.strerror}). Put it back, or name it."
        ) from error
    if mode & 0o077:
        raise KeyFileError(
            f"The key file {path} can be read by others (mode {mode:04o}). "
            f"Protect it with: {command('chmod', '600', '--', path)}"
        )
    try:
        return _key_from_text(data.decode().strip())
    except ValueError:
        raise KeyFileError(
            f"{path} is not a key file of On-Meet. Put the right one back."
        ) from None


def _key_from_text(text: str) -> bytes:
    key = b64decode(text, validate=True)
    if len(key) != KEY_BYTES:
        raise ValueError("not a key")
    return key


def _keyring(unlock: Keyring) -> KeyringBackend:
    if unlock.backend is not None:
        return unlock.backend
    import keyring  # noqa: PLC0415 - 40 ms, and needed by those alone who chose it
    from keyring.backends.fail import Keyring as NoKeyring  # noqa: PLC0415

    backend: KeyringBackend = keyring.get_keyring()
    if isinstance(backend, NoKeyring):
        raise KeyringError(
            "This machine has no keyring that On-Meet can use. Choose a passphrase or a key file, "
            "or install one (GNOME Keyring, KWallet)."
        )
    return backend


def _keyring_set(unlock: Keyring, user: str, text: str) -> None:
    backend = _keyring(unlock)
    try:
        backend.set_password(KEYRING_SERVICE, user, text)
    except Exception as error:
        raise KeyringError(
            f"The keyring did not take the key ({type(error).__name__}). Unlock it, or choose a "
            "passphrase or a key file."
        ) from error


def _keyring_get(unlock: Keyring, user: str) -> bytes:
    backend = _keyring(unlock)
    try:
        text = backend.get_password(KEYRING_SERVICE, user)
    except Exception as error:
        raise KeyringError(
            f"The keyring did not hand out the key ({type(error).__name__}). Unlock it (log in to "
            "the desktop) and try again."
        ) from error
    try:
        if text is None:
            raise ValueError("absent")
        return _key_from_text(text)
    except ValueError:
        raise KeyringError(
            f"The keyring no longer holds the key of this home (entry {KEYRING_SERVICE}/{user}). "
            "Restore the keyring, or import your last export into a new home."
        ) from None
