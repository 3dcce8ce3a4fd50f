"""The people this node knows: contacts, requests in either direction, and the blocked (P3, P6)."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from onmeet_node.call.events import Device, Identity
from onmeet_node.store.database import Database, Row
from onmeet_node.store.errors import HomeDamaged, Rejected
from onmeet_node.wire.messages import MAX_NAME_CHARS, Card

MAX_CONTACTS = 10_000
MAX_DEVICES = 4
"""As many as a presence record lists."""
MAX_ADDRESSES = 16


class ContactState(enum.StrEnum):
    """How far the two have come."""

    REQUESTED_BY_US = "requested-by-us"
    REQUESTED_BY_THEM = "requested-by-them"
    ACCEPTED = "accepted"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One person. Times are Unix seconds."""

    identity: Identity
    state: ContactState
    added: int
    name: str | None = None
    """What the person here calls them; None shows the card's name."""
    card: Card = field(default_factory=Card)
    """What they last showed of themselves, as they typed it: clean before display."""
    secret: bytes | None = field(default=None, repr=False)
    """16 bytes that find their presence record: from their code, later from their `Grant`."""
    via: str | None = None
    """Label of the code of ours that they came by."""
    may_see_direct: bool = True
    verified: bool = False
    """The safety numbers were compared."""
    favourite: bool = False
    granted: int | None = None
    """Id of the audience of ours whose secret they were last given."""
    last_seen: int | None = None
    shown: Mapping[str, bool] = field(default_factory=dict)
    """Fields of our card that this person sees, or not, whatever other contacts see (P4)."""

    @property
    def display_name(self) -> str:
        """The own name for them, else their card's, else the start of their key in hex."""
        return self.name or self.card.name or self.identity.hex()[:12]


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """Where a contact was last reached; worthless after `expires` (Unix seconds)."""

    device: Device
    addresses: tuple[str, ...]
    expires: int


_COLUMNS = (
    "identity, state, added, name, card, secret, via, may_see_direct, verified, favourite, "
    "granted, last_seen, shown"
)
_SELECT = f"SELECT {_COLUMNS} FROM contact"  # noqa: S608 - names alone
_SAVE = (
    f"INSERT INTO contact ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) "  # noqa: S608 - names alone
    "ON CONFLICT (identity) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS.split(", ")[1:])
)  # not REPLACE, which would delete the row first, and by that its devices


class Contacts:
    """The `contact` and `device` tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, identity: Identity) -> Contact | None:
        """Who this is, if known."""
        rows = self._database.execute(f"{_SELECT} WHERE identity = ?", (identity,))
        return _contact(rows[0]) if rows else None

    def list(self, *states: ContactState) -> tuple[Contact, ...]:
        """Everybody in one of `states` (none given: in any), favourites first, then by age."""
        contacts = [
            _contact(row)
            for row in self._database.execute(f"{_SELECT} ORDER BY favourite DESC, added, identity")
        ]
        return tuple(contact for contact in contacts if not states or contact.state in states)

    def find(self, text: str) -> tuple[Contact, ...]:
        """Those whom `text` names: a full name (any case), or the start of the key in hex."""
        wanted = text.strip().casefold()
        everybody = self.list()
        exact = tuple(
            c for c in everybody if wanted in {c.display_name.casefold(), c.identity.hex()}
        )
        if exact or len(wanted) < 6:
            return exact
        return tuple(c for c in everybody if c.identity.hex().startswith(wanted))

    def save(self, contact: Contact) -> None:
        """Adds or replaces. Raises `Rejected` over `MAX_CONTACTS` or for an impossible value."""
        if len(contact.identity) != 32 or (contact.secret and len(contact.secret) != 16):
            raise Rejected("An identity has 32 bytes and a secret 16; this contact has others.")
        if contact.name is not None and not 0 < len(contact.name.strip()) <= MAX_NAME_CHARS:
            raise Rejected(f"A contact's name has 1 to {MAX_NAME_CHARS} characters.")
        card = {
            key: value
            for key in ("name", "country", "phone", "email")
            if (value := getattr(contact.card, key)) is not None
        }
        if contact.card.picture is not None:
            card["picture"] = contact.card.picture.hex()
        with self._database.transaction():
            self._database.execute(
                _SAVE,
                (
                    contact.identity,
                    contact.state,
                    contact.added,
                    contact.name,
                    json.dumps(card, ensure_ascii=False),
                    contact.secret,
                    contact.via,
                    contact.may_see_direct,
                    contact.verified,
                    contact.favourite,
                    contact.granted,
                    contact.last_seen,
                    json.dumps(dict(contact.shown)),
                ),
            )
            if self.count() > MAX_CONTACTS:
                raise Rejected(
                    f"There are {MAX_CONTACTS} contacts and requests already. Remove some first."
                )

    def update(self, identity: Identity, **changes: Any) -> Contact | None:
        """Changes fields of a known contact and returns it; None when it is not known."""
        with self._database.transaction():
            contact = self.get(identity)
            if contact is None:
                return None
            contact = replace(contact, **changes)
            self.save(contact)
            return contact

    def block(self, identity: Identity, *, now: int) -> Contact:
        """Refuses this person from now on, known or not; what they may find us by is forgotten."""
        with self._database.erasing():
            contact = self.get(identity) or Contact(
                identity=identity, state=ContactState.BLOCKED, added=now
            )
            contact = replace(
                contact,
                state=ContactState.BLOCKED,
                secret=None,
                favourite=False,
                granted=None,
                may_see_direct=False,
            )
            self.save(contact)
            self._database.execute("DELETE FROM device WHERE identity = ?", (identity,))
            self._database.execute("DELETE FROM outbox WHERE peer = ?", (identity,))
        return contact

    def remove(self, identity: Identity, *, with_calls: bool = False) -> bool:
        """Deletes for good (P11), with what waits for them; False when it was not known."""
        with self._database.erasing():
            known = self._database.change("DELETE FROM contact WHERE identity = ?", (identity,))
            self._database.execute("DELETE FROM outbox WHERE peer = ?", (identity,))
            if with_calls:
                self._database.execute("DELETE FROM call WHERE peer = ?", (identity,))
        return known > 0

    def count(self) -> int:
        """How many rows there are, the blocked included."""
        return int(self._database.execute("SELECT count(*) FROM contact")[0][0])

    # ── where they were last found ──────────────────────────────────────────────────────────────
    def remember_devices(self, identity: Identity, devices: Sequence[KnownDevice]) -> None:
        """Replaces what is known of where this contact is. Nothing is kept of strangers."""
        with self._database.transaction():
            if self.get(identity) is None:
                return
            self._database.execute("DELETE FROM device WHERE identity = ?", (identity,))
            for known in devices[:MAX_DEVICES]:
                self._database.execute(
                    "INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?)",
                    (
                        identity,
                        known.device,
                        json.dumps(known.addresses[:MAX_ADDRESSES]),
                        known.expires,
                    ),
                )

    def devices(self, identity: Identity, *, now: int) -> tuple[KnownDevice, ...]:
        """Where this contact was last found, as far as that still holds; freshest first."""
        rows = self._database.execute(
            "SELECT device, addresses, expires FROM device WHERE identity = ? AND expires > ? "
            "ORDER BY expires DESC",
            (identity, now),
        )
        return tuple(
            KnownDevice(Device(device), tuple(json.loads(addresses)), expires)
            for device, addresses, expires in rows
        )


def _contact(row: Row) -> Contact:
    identity, state, added, name, card, secret, via, direct, verified, favourite, *rest = row
    granted, seen, shown = rest
    try:
        return Contact(
            identity=Identity(identity),
            state=ContactState(state),
            added=added,
            name=name,
            card=_card(json.loads(card)),
            secret=secret,
            via=via,
            may_see_direct=bool(direct),
            verified=bool(verified),
            favourite=bool(favourite),
            granted=granted,
            last_seen=seen,
            shown=json.loads(shown),
        )
    except (ValueError, TypeError) as error:
        raise HomeDamaged("The contact list") from error


def _card(kept: dict[str, str]) -> Card:
    picture = kept.pop("picture", None)
    return Card(**kept, picture=bytes.fromhex(picture) if picture else None)
