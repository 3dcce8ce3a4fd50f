"""The people this node knows: contacts, requests in either direction, and the blocked (P3, P6)."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.lookalike import look_of, same_name
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, Card
from onmeet_node.store.database import Database, Row
from onmeet_node.store.errors import HomeDamaged, Rejected
from onmeet_node.store.read_cache import ReadCache

MAX_CONTACTS = 10_000
"""Those who ask have room of their own, and somebody can be blocked in any case."""
MAX_REQUESTS = 2_000
"""Of strangers, pending or put away."""
MAX_REQUESTS_BY_CODE = 32
"""Of all who came by one code, or by none. The next is not kept, unless one that was put away can
make room: their node asks again on every channel."""
MAX_NAMED = 16
"""People of one name that are looked at: more are no better than two."""
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
    audience: int | None = None
    """Id of the audience of ours by which somebody came who asks."""
    ignored: bool = False
    """Their request was put away without an answer."""

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
    key: bytes = b""
    """The device's own, 32 bytes."""


_COLUMNS = (
    "identity, state, added, name, card, secret, via, may_see_direct, verified, favourite, "
    "granted, last_seen, shown, audience, ignored, called, looks"
)
_SELECT = f"SELECT {_COLUMNS} FROM contact"  # noqa: S608 - names alone
_SAVE = (
    f"INSERT INTO contact ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "  # noqa: S608 - names alone
    "ON CONFLICT (identity) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS.split(", ")[1:])
)  # not REPLACE, which would delete the row first, and by that its devices


class ContactStore:
    """The `contact` and `device` tables."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: ReadCache[Identity, Contact | None] = ReadCache(database)
        self.version = 0
        """Another one whenever somebody came, went, or became something else to us."""

    def get(self, identity: Identity) -> Contact | None:
        """Who this is, if known."""
        return self._cache.get(identity, lambda: self._read(identity))

    def _read(self, identity: Identity) -> Contact | None:
        rows = self._database.execute(f"{_SELECT} WHERE identity = ?", (identity,))
        return _contact(rows[0]) if rows else None

    def list(self, *states: ContactState) -> tuple[Contact, ...]:
        """Everybody in one of `states` (none given: in any), favourites first, then by age."""
        which = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        rows = self._database.execute(
            f"{_SELECT} {which} ORDER BY favourite DESC, added, identity", states
        )
        return tuple(_contact(row) for row in rows)

    def identities(self, *states: ContactState) -> tuple[Identity, ...]:
        """The same as `list`, but who they are alone, in no order."""
        which = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        rows = self._database.execute(f"SELECT identity FROM contact {which}", states)  # noqa: S608
        return tuple(Identity(identity) for (identity,) in rows)

    def first(self, *, asking: int, most: int) -> tuple[Contact, ...]:
        """Whom a page shows: the newest `asking` requests that were not put away, then the others,
        favourites first, by name; `most` in all.
        """
        rows = self._database.execute(
            f"{_SELECT} WHERE state = 'requested-by-them' AND ignored = 0 "
            "ORDER BY added DESC, identity LIMIT ?",
            (asking,),
        )
        rows += self._database.execute(
            f"{_SELECT} WHERE state <> 'requested-by-them' ORDER BY favourite DESC, called LIMIT ?",
            (most - len(rows),),
        )
        return tuple(_contact(row) for row in rows)

    def counts(self) -> Mapping[ContactState, int]:
        """How many there are in each state."""
        rows = self._database.execute("SELECT state, count(*) FROM contact GROUP BY state")
        return {ContactState(state): number for state, number in rows}

    def ungranted(self, audience: int) -> tuple[Identity, ...]:
        """Contacts who do not have the secret of this audience yet."""
        rows = self._database.execute(
            "SELECT identity FROM contact WHERE state = ?1 AND granted < ?2 "
            "UNION ALL SELECT identity FROM contact WHERE state = ?1 AND granted > ?2 "
            "UNION ALL SELECT identity FROM contact WHERE state = ?1 AND granted IS NULL",
            (ContactState.ACCEPTED, audience),
        )
        return tuple(Identity(identity) for (identity,) in rows)

    def named(self, name: str) -> tuple[Contact, ...]:
        """Everybody whose shown name is, or looks like, `name`; of very many the first."""
        same, looks = same_name(name), look_of(name)
        if not same:
            return ()
        rows = self._database.execute(
            f"{_SELECT} WHERE called = ? UNION {_SELECT} WHERE looks = ? LIMIT ?",
            (same, looks, MAX_NAMED),
        )
        return tuple(_contact(row) for row in rows)

    def starting(self, start: str) -> tuple[Contact, ...]:
        """Everybody whose identity begins so, in hex; of very many the first."""
        span = self._database.span(start.strip().lower(), 32)
        if span is None:
            return ()
        rows = self._database.execute(
            f"{_SELECT} WHERE identity BETWEEN ? AND ? LIMIT ?", (*span, MAX_NAMED)
        )
        return tuple(_contact(row) for row in rows)

    def shows_picture(self, digest: bytes) -> bool:
        """Whether anybody's card names this picture."""
        return bool(
            self._database.execute(
                "SELECT 1 FROM contact WHERE json_extract(card, '$.picture') = ? LIMIT 1",
                (digest.hex(),),
            )
        )

    # ── those who ask ───────────────────────────────────────────────────────────────────────────
    def requests_by(self, audience: int | None) -> int:
        """How many ask who came by this audience."""
        return int(
            self._database.execute(
                "SELECT count(*) FROM contact WHERE state = 'requested-by-them' AND audience IS ?",
                (audience,),
            )[0][0]
        )

    def drop_requests(self, audience: int) -> tuple[Identity, ...]:
        """Erases all requests that came by this audience (P11); who had asked."""
        with self._database.erasing():
            rows = self._database.execute(
                "DELETE FROM contact WHERE state = 'requested-by-them' AND audience = ? "
                "RETURNING identity",
                (audience,),
            )
        self.version += 1
        return tuple(Identity(identity) for (identity,) in rows)

    def _make_room(self, audience: int | None) -> None:
        """For one more request. Raises `Rejected`."""
        asking = self._database.execute(
            "SELECT count(*) FROM contact WHERE state = 'requested-by-them'"
        )[0][0]
        if asking < MAX_REQUESTS and self.requests_by(audience) < MAX_REQUESTS_BY_CODE:
            return
        gone = self._database.change(
            "DELETE FROM contact WHERE identity = (SELECT identity FROM contact "
            "WHERE state = 'requested-by-them' AND audience IS ? AND ignored = 1 "
            "ORDER BY added LIMIT 1)",
            (audience,),
        )
        if not gone:
            raise Rejected("Too many wait already who came by the same code. Answer some first.")

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
        name = contact.name or contact.card.name or ""
        with self._database.transaction():
            before = self._state(contact.identity)
            if before is not contact.state:
                self._check_room(before, contact)
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
                    contact.audience,
                    contact.ignored,
                    same_name(name),
                    look_of(name),
                ),
            )
        if before is not contact.state:
            self.version += 1

    def _state(self, identity: Identity) -> ContactState | None:
        rows = self._database.execute("SELECT state FROM contact WHERE identity = ?", (identity,))
        return ContactState(rows[0][0]) if rows else None

    def _check_room(self, before: ContactState | None, contact: Contact) -> None:
        asks = ContactState.REQUESTED_BY_THEM
        if contact.state is asks:
            self._make_room(contact.audience)
            return
        new = before in {None, asks} and contact.state is not ContactState.BLOCKED
        if new and self._room_taken() >= MAX_CONTACTS:
            raise Rejected(f"There are {MAX_CONTACTS} contacts already. Remove some first.")

    def _room_taken(self) -> int:
        rows = self._database.execute(
            "SELECT count(*) FROM contact WHERE state <> 'requested-by-them'"
        )
        return int(rows[0][0])

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
        self.version += 1
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
                    "INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?, ?)",
                    (
                        identity,
                        known.device,
                        json.dumps(known.addresses[:MAX_ADDRESSES]),
                        known.expires,
                        known.key,
                    ),
                )

    def devices(self, identity: Identity, *, now: int) -> tuple[KnownDevice, ...]:
        """Where this contact was last found, as far as that still holds; freshest first."""
        rows = self._database.execute(
            "SELECT device, addresses, expires, key FROM device WHERE identity = ? AND expires > ? "
            "ORDER BY expires DESC",
            (identity, now),
        )
        return tuple(
            KnownDevice(Device(device), tuple(json.loads(addresses)), expires, key)
            for device, addresses, expires, key in rows
        )


def _contact(row: Row) -> Contact:
    identity, state, added, name, card, secret, via, direct, verified, favourite, *rest = row
    granted, seen, shown, audience, ignored, *_ = rest
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
            audience=audience,
            ignored=bool(ignored),
        )
    except (ValueError, TypeError) as error:
        raise HomeDamaged("The contact list") from error


def _card(kept: dict[str, str]) -> Card:
    picture = kept.pop("picture", None)
    return Card(**kept, picture=bytes.fromhex(picture) if picture else None)
