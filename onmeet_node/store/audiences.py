"""The audiences of this node: who finds its presence, and until when (PROTOCOL, "Audiences")."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from onmeet_node.protocol.identity.audience import Audience
from onmeet_node.protocol.identity.blinding import SECRET_BYTES
from onmeet_node.store.database import Database, Row
from onmeet_node.store.errors import HomeDamaged, Rejected

MAX_LABEL_CHARS = 80
MAX_LIVE = 32
"""Each live audience costs one DHT record per epoch."""


class AudienceKind(enum.StrEnum):
    """Whom an audience is for."""

    CONTACTS = "contacts"
    """One at a time; its secret goes to each contact in a `Grant`."""
    CODE = "code"
    """One per contact code handed out."""
    ANYONE = "anyone"
    """The secret is all zeros: everybody who knows the identity key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceRow:
    """One audience. Times are Unix seconds."""

    id: int
    kind: AudienceKind
    label: str
    secret: bytes = field(repr=False)
    """16 bytes; empty once revoked."""
    direct: bool
    """Whether its records carry our direct addresses."""
    created: int
    expires: int | None = None
    revoked: bool = False

    def live(self, now: int) -> bool:
        """Whether records are published for it and its proofs are accepted."""
        return not self.revoked and (self.expires is None or now < self.expires)

    def as_audience(self) -> Audience:
        """The same for the layers that know no database. Not of a revoked one."""
        return Audience(self.label, self.secret, self.expires, self.direct)


_COLUMNS = "id, kind, label, secret, direct, created, expires, revoked"
_SELECT = f"SELECT {_COLUMNS} FROM audience"  # noqa: S608 - names alone


class Audiences:
    """The `audience` table. Secrets are made by the caller (`secrets.token_bytes(16)`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, audience: int) -> AudienceRow | None:
        """The audience with this id."""
        rows = self._database.execute(f"{_SELECT} WHERE id = ?", (audience,))
        return _row(rows[0]) if rows else None

    def list(self) -> tuple[AudienceRow, ...]:
        """All, the revoked and expired included, oldest first."""
        return tuple(_row(row) for row in self._database.execute(f"{_SELECT} ORDER BY id"))

    def live(self, *, now: int) -> tuple[AudienceRow, ...]:
        """Those in force."""
        rows = self._database.execute(
            f"{_SELECT} WHERE revoked = 0 AND (expires IS NULL OR expires > ?) ORDER BY id", (now,)
        )
        return tuple(_row(row) for row in rows)

    def contacts(self, *, now: int) -> AudienceRow | None:
        """The audience of our contacts, once `rotate_contacts` made the first."""
        live = [row for row in self.live(now=now) if row.kind is AudienceKind.CONTACTS]
        return live[-1] if live else None

    def add(
        self,
        kind: AudienceKind,
        *,
        secret: bytes,
        now: int,
        label: str = "",
        expires: int | None = None,
        direct: bool = True,
    ) -> AudienceRow:
        """Opens an audience. Raises `Rejected` for bad values and over `MAX_LIVE` live ones."""
        if len(secret) != SECRET_BYTES:
            raise Rejected(f"An audience's secret has {SECRET_BYTES} bytes.")
        if len(label) > MAX_LABEL_CHARS:
            raise Rejected(f"A label has at most {MAX_LABEL_CHARS} characters.")
        if expires is not None and expires <= now:
            raise Rejected("That code would have expired already. Choose a time to come.")
        with self._database.transaction():
            if len(self.live(now=now)) >= MAX_LIVE:
                raise Rejected(
                    f"{MAX_LIVE} codes are in force already. Revoke one that is no longer needed "
                    "(`onmeet code list`, `onmeet code revoke`)."
                )
            ((number,),) = self._database.execute(
                "INSERT INTO audience (kind, label, secret, direct, created, expires, revoked) "
                "VALUES (?, ?, ?, ?, ?, ?, 0) RETURNING id",
                (kind, label, secret, direct, now, expires),
            )
        row = self.get(number)
        assert row is not None
        return row

    def revoke(self, audience: int) -> bool:
        """Ends it for good and erases its secret; False when it is not there or was ended."""
        with self._database.erasing():
            return (
                self._database.change(
                    "UPDATE audience SET revoked = 1, secret = x'' WHERE id = ? AND revoked = 0",
                    (audience,),
                )
                > 0
            )

    def remove(self, audience: int) -> bool:
        """Deletes it from the list as well; False when it is not there."""
        with self._database.erasing():
            return self._database.change("DELETE FROM audience WHERE id = ?", (audience,)) > 0

    def rotate_contacts(self, secret: bytes, *, now: int, direct: bool = True) -> AudienceRow:
        """A new contacts secret; the old stops at once (after a block, or to begin with).

        Contacts whose `granted` is not the new id are yet to be given it.
        """
        with self._database.erasing():
            for row in self.list():
                if row.kind is AudienceKind.CONTACTS:
                    self.revoke(row.id)
            return self.add(
                AudienceKind.CONTACTS, secret=secret, now=now, label="contacts", direct=direct
            )


def _row(row: Row) -> AudienceRow:
    number, kind, label, secret, direct, created, expires, revoked = row
    try:
        return AudienceRow(
            id=number,
            kind=AudienceKind(kind),
            label=label,
            secret=secret,
            direct=bool(direct),
            created=created,
            expires=expires,
            revoked=bool(revoked),
        )
    except ValueError as error:
        raise HomeDamaged("The list of audiences") from error
