"""What of a home is the person's and not the machine's, as entries that own devices keep together.

Each field of a contact is an entry by itself, so that two devices that change two of them at once
lose neither; one that has its default is none. Kinds: ``contact`` (identity, ``/``, field),
``contacts-secret``, ``code`` (its secret), ``setting`` (its name) and ``seen`` (person and call).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.own.replica import Name
from onmeet_node.store.audiences import AudienceKind, Audiences
from onmeet_node.store.contacts import ContactStore
from onmeet_node.store.database import Database
from onmeet_node.store.synced import packed
from onmeet_node.store.told_contact import told_contact

IDENTITY_BYTES = 32
CONTACT, CONTACTS_SECRET, CODE, SETTING, SEEN = (
    "contact",
    "contacts-secret",
    "code",
    "setting",
    "seen",
)
SETTINGS = ("profile", "reach", "busy")
"""Those that are the person's. Relays, region and bootstraps are of a machine and its network."""
_FIELDS = {
    "state": None,
    "added": None,
    "name": None,
    "card": "{}",
    "secret": None,
    "via": None,
    "may_see_direct": 1,
    "verified": 0,
    "favourite": 0,
    "shown": "{}",
    "ignored": 0,
}
"""Columns of a contact, and what is no entry."""
KEPT = (
    (CONTACT, "identity (32), `/`, field", "the field, as its column has it"),
    (
        CONTACTS_SECRET,
        "empty",
        "array: the contacts secret (hex), whether its holders see addresses",
    ),
    (
        CODE,
        "its secret (16)",
        "array: label, Unix seconds of its end or null, whether its holders see addresses",
    ),
    (SETTING, "its name", "its value"),
    (SEEN, "identity (32), call (16)", "1: that missed call was looked at; never deleted"),
)
"""Kinds, their keys and values, for PROTOCOL."""
_KINDS = (CONTACT, CONTACTS_SECRET, CODE, SETTING)
"""What is deleted when it is no longer there. That something was read stays so."""


class LocalState:
    """The tables of a home, seen as entries."""

    def __init__(self, database: Database, contacts: ContactStore, audiences: Audiences) -> None:
        self._database = database
        self._contacts = contacts
        self._audiences = audiences

    # ── reading ─────────────────────────────────────────────────────────────────────────────────
    def read(self, *, now: int, people: Collection[bytes] | None = None) -> dict[Name, bytes]:
        """Everything that is there now; of `people` alone, if that is given, besides the rest."""
        whom = "" if people is None else f" IN ({', '.join('?' * len(people))})"
        asked = () if people is None else tuple(people)
        found: dict[Name, bytes] = {}
        columns = ", ".join(_FIELDS)
        for identity, *values in self._database.execute(
            f"SELECT identity, {columns} FROM contact"  # noqa: S608 - names alone
            f"{whom and ' WHERE identity' + whom}",
            asked,
        ):
            for (name, default), value in zip(_FIELDS.items(), values, strict=True):
                if value != default:
                    shown = value.hex() if isinstance(value, bytes) else value
                    found[CONTACT, identity + b"/" + name.encode()] = packed(shown)
        for row in self._audiences.live(now=now):
            if row.kind is AudienceKind.CONTACTS:
                found[CONTACTS_SECRET, b""] = packed([row.secret.hex(), row.direct])
            elif row.kind is AudienceKind.CODE:
                found[CODE, row.secret] = packed([row.label, row.expires, row.direct])
        for name in SETTINGS:
            for (value,) in self._database.execute(
                "SELECT value FROM setting WHERE name = ?", (name,)
            ):
                found[SETTING, name.encode()] = packed(json.loads(value))
        for peer, call in self._database.execute(
            "SELECT peer, call FROM call WHERE outgoing = 0 AND seen = 1 AND reason = ?"  # noqa: S608
            f"{whom and ' AND peer' + whom}",
            (EndReason.MISSED, *asked),
        ):
            found[SEEN, peer + call] = packed(1)
        return found

    @staticmethod
    def deletes(name: Name) -> bool:
        """Whether one that is no longer there was deleted."""
        return name[0] in _KINDS

    # ── doing ───────────────────────────────────────────────────────────────────────────────────
    def apply(self, name: Name, get: Callable[[Name], bytes | None], *, now: int) -> None:
        """Makes the tables what the entry of that name, and those that belong to it, say.

        What cannot be is left as it is: another device may know words that this one does not.
        """
        kind, key = name
        value = get(name)
        match kind:
            case "contact":
                self._apply_contact(key[:IDENTITY_BYTES], get)
            case "contacts-secret" if value is not None:
                secret, direct = json.loads(value)
                self._apply_contacts_secret(bytes.fromhex(secret), bool(direct), now)
            case "code":
                self._apply_code(key, value, now)
            case "setting" if key.decode() in SETTINGS:
                self._apply_setting(key.decode(), value)
            case "seen":
                self._database.execute(
                    "UPDATE call SET seen = 1 WHERE peer = ? AND call = ?",
                    (key[:IDENTITY_BYTES], key[IDENTITY_BYTES:]),
                )
            case _:
                pass

    def _apply_contact(self, identity: bytes, get: Callable[[Name], bytes | None]) -> None:
        def value(name: str) -> Any:
            kept = get((CONTACT, identity + b"/" + name.encode()))
            return _FIELDS[name] if kept is None else json.loads(kept)

        peer = Identity(identity)
        if value("state") is None:
            self._contacts.remove(peer)
            return
        self._contacts.save(told_contact(peer, value, self._contacts.get(peer)))
        self._contacts.version += 1

    def _apply_contacts_secret(self, secret: bytes, direct: bool, now: int) -> None:
        current = self._audiences.contacts(now=now)
        if current is None or current.secret != secret:
            self._audiences.rotate_contacts(secret, now=now, direct=direct)

    def _apply_code(self, secret: bytes, value: bytes | None, now: int) -> None:
        here = next((row for row in self._audiences.live(now=now) if row.secret == secret), None)
        if value is None:
            if here is not None:
                self._audiences.revoke(here.id)
            return
        label, expires, direct = json.loads(value)
        if not isinstance(label, str) or not (expires is None or type(expires) is int):
            raise TypeError("not a code")
        if expires is not None and expires >= 2**32:
            raise ValueError("an end that no code can say")
        if here is None and (expires is None or expires > now):
            self._audiences.add(
                AudienceKind.CODE,
                secret=secret,
                now=now,
                label=label,
                expires=expires,
                direct=bool(direct),
            )

    def _apply_setting(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._database.execute("DELETE FROM setting WHERE name = ?", (name,))
        else:
            text = json.dumps(json.loads(value), ensure_ascii=False)
            self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, text))
