"""One encrypted file with everything a person keeps, and a home made from it again (P11).

Layout: the magic line, one line of JSON (format and the `SealedKey` of a random key under the
export's own passphrase), then nonce and XChaCha20-Poly1305 of the deflated msgpack body, with both
lines as associated data. The body is {"format": schema number, "tables": {name: {"columns": [...],
"rows": [[...], ...]}}}.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import zlib
from pathlib import Path
from typing import Any

import msgpack
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError
from sqlcipher3 import dbapi2 as sqlcipher

from onmeet_node.store.database import Database, load_schemas
from onmeet_node.store.errors import ExportDamaged, ExportError, HomeTooNew
from onmeet_node.store.files import translate_os_error, write_private
from onmeet_node.store.home import Store, new_home
from onmeet_node.store.keys import Unlock
from onmeet_node.store.sealing import KEY_BYTES, NONCE_BYTES, Passphrase, SealedKey

MAGIC = b"On-Meet export\n"
EXPORT_FORMAT = 1
MAX_BODY_BYTES = 1024 * 1024 * 1024
"""A home that is full to every limit of its own (10,000 contacts, each with a picture, and 10,000
calls with report and receipts) has half of it; without pictures about 10 MiB."""
MAX_EXPORT_BYTES = MAX_BODY_BYTES + 1024 * 1024
"""Of the file: pictures do not become smaller. What is more is not written either."""


def export_home(store: Store, path: Path, passphrase: Passphrase) -> None:
    """Writes everything in `store` to `path` (mode 0600), sealed with its own passphrase.

    Raises `ExportError` if there is anything at `path`, `BadPassphrase`, `DiskFull`,
    `HomeNotWritable`.
    """
    if os.path.lexists(path):
        raise _taken(path)
    key = secrets.token_bytes(KEY_BYTES)
    header = {"format": EXPORT_FORMAT, "sealed": SealedKey.seal(key, passphrase).to_json()}
    head = MAGIC + json.dumps(header).encode() + b"\n"
    plain = msgpack.packb(_dump(store.database))
    if len(plain) > MAX_BODY_BYTES:
        raise ExportError(
            "This home holds more than an export can carry. Remove contacts that you do not need, "
            "or calls of the past (onmeet history --delete all), and try again."
        )
    body = zlib.compress(plain)
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(body, head, nonce, key)
    try:  # takes the name first: nothing that another put there meanwhile is written to or replaced
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        raise translate_os_error(error, path.parent) from error
    try:
        write_private(path, head + nonce + sealed)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _taken(path: Path) -> ExportError:
    return ExportError(f"{path} exists already. Choose another name.")


def import_home(path: Path, passphrase: str, home: Path, unlock: Unlock) -> None:
    """Makes a new home from an export; identity, contacts, codes, history as they were.

    Both passphrases cost their Argon2id: call it in a worker thread. Raises `WrongPassphrase`,
    `ExportDamaged`, `HomeTooNew`, `HomeExists` and what `create_home` does; then no home is left.
    """
    body = _read(path, passphrase)
    schemas = load_schemas()
    try:
        number, tables = body["format"], body["tables"]
        if not isinstance(number, int) or not isinstance(tables, dict) or number < 1:
            raise ExportDamaged(path, "its content is not an On-Meet home")
        if number > len(schemas):
            raise HomeTooNew(str(path), number, len(schemas))
        # The database is made in the export's own format; opening it later upgrades it.
        new_home(
            home, unlock, schemas=schemas[:number], fill=lambda database: _load(database, tables)
        )
    except (KeyError, TypeError, ValueError, sqlcipher.Error) as error:
        raise ExportDamaged(path, "its content is not an On-Meet home") from error


def _read(path: Path, passphrase: str) -> dict[str, Any]:
    try:
        # Without waiting: to open a pipe that nobody writes to would last for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ExportDamaged(path, "it is no ordinary file")
            # One that is too large is not read, which would take as much memory and seconds.
            data = file.read(MAX_EXPORT_BYTES + 1) if status.st_size <= MAX_EXPORT_BYTES else b""
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror}). Check the name.") from error
    if max(status.st_size, len(data)) > MAX_EXPORT_BYTES:
        raise ExportDamaged(path, "it is larger than any export")
    if not data.startswith(MAGIC):
        raise ExportDamaged(path, "it is not an On-Meet export")
    end = data.find(b"\n", len(MAGIC), len(MAGIC) + 4096) + 1
    if not end:
        raise ExportDamaged(path, "it is cut off")
    head, nonce, sealed = data[:end], data[end : end + NONCE_BYTES], data[end + NONCE_BYTES :]
    try:
        header = json.loads(head[len(MAGIC) :])
        if header["format"] > EXPORT_FORMAT:
            raise HomeTooNew(str(path), header["format"], EXPORT_FORMAT)
        under = SealedKey.from_json(header["sealed"])
    except (ValueError, KeyError, TypeError) as error:
        raise ExportDamaged(path, "its header is damaged") from error
    key = under.open(passphrase)
    try:
        packed = crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, head, nonce, key)
        inflater = zlib.decompressobj()
        plain = inflater.decompress(packed, MAX_BODY_BYTES)
        if not inflater.eof:
            raise ValueError("too large")
        body = msgpack.unpackb(plain)
        if not isinstance(body, dict):
            raise TypeError("not a map")
        return body
    except (CryptoError, zlib.error, ValueError, TypeError, msgpack.UnpackException) as error:
        raise ExportDamaged(path, "it was cut off or changed") from error


def _tables(database: Database) -> dict[str, list[str]]:
    """Every table with its columns."""
    names = database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "ORDER BY rowid"
    )
    return {
        name: [
            column
            for (column,) in database.execute("SELECT name FROM pragma_table_info(?)", (name,))
        ]
        for (name,) in names
    }


def _dump(database: Database) -> dict[str, Any]:
    with database.transaction():
        tables = {}
        for name, columns in _tables(database).items():
            select = f"SELECT {', '.join(columns)} FROM {name}"  # noqa: S608 - from the schema
            tables[name] = {"columns": columns, "rows": database.execute(select)}
        return {"format": database.format, "tables": tables}


def _load(database: Database, tables: dict[str, Any]) -> None:
    known = _tables(database)
    if set(tables) != set(known) or len(tables["identity"]["rows"]) != 1:
        raise ValueError("other tables than this format has")
    for name in known:  # in the order of the schema, so that references are there
        columns, rows = tables[name]["columns"], tables[name]["rows"]
        if sorted(columns) != sorted(known[name]):
            raise ValueError(f"other columns than {name} has")
        marks = ", ".join("?" * len(columns))
        insert = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - compared above
        for row in rows:
            if len(row) != len(columns):
                raise ValueError("a row of another width")
            database.execute(insert, row)
    if "writer" in known["identity"]:
        # What the home wrote after this export has numbers that this one would give again. And it
        # may be lost, or still there: this is another device, if it can put itself on the list.
        database.execute("UPDATE identity SET writer = fresh_seed()")
        database.execute(
            "UPDATE identity SET device = fresh_seed(), joins = 1 WHERE seed IS NOT NULL"
        )
