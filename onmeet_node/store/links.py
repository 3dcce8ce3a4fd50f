"""Guest links that work: their secrets, and where their doors are (P3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from onmeet_node.store.database import Database
from onmeet_node.store.errors import Rejected

MAX_LINKS = 16
"""Each has a door at a gateway for as long as the node runs."""
MAX_TITLE_CHARS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """One link. Times are Unix seconds."""

    door_secret: bytes = field(repr=False)
    key: bytes = field(repr=False)
    """X25519 private key."""
    secret: bytes = field(repr=False)
    title: str
    gateway: str
    """PeerId."""
    origin: str
    """Of the gateway, as in ``https://meet.example.org``."""
    once: bool
    knock: bool
    created: int
    expires: int | None = None

    def live(self, now: int) -> bool:
        """Whether it still lets guests in."""
        return self.expires is None or now < self.expires


_COLUMNS = "door_secret, key, secret, title, gateway, origin, once, knock, created, expires"


class LinkStore:
    """The `link` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: LinkRow) -> None:
        """Keeps a new link. Raises `Rejected` when there are too many."""
        if len(row.title) > MAX_TITLE_CHARS:
            raise Rejected(f"The name of a link has at most {MAX_TITLE_CHARS} characters.")
        with self._database.transaction():
            if len(self.list()) >= MAX_LINKS:
                raise Rejected(
                    f"There are {MAX_LINKS} guest links already. Close one: onmeet invite close"
                )
            self._database.execute(
                f"INSERT INTO link ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
                (
                    row.door_secret,
                    row.key,
                    row.secret,
                    row.title,
                    row.gateway,
                    row.origin,
                    row.once,
                    row.knock,
                    row.created,
                    row.expires,
                ),
            )

    def list(self) -> tuple[LinkRow, ...]:
        """All links, the oldest first."""
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM link ORDER BY created, door_secret"  # noqa: S608
        )
        return tuple(
            LinkRow(
                door_secret=bytes(door_secret),
                key=bytes(key),
                secret=bytes(secret),
                title=title,
                gateway=gateway,
                origin=origin,
                once=bool(once),
                knock=bool(knock),
                created=created,
                expires=expires,
            )
            for (
                door_secret,
                key,
                secret,
                title,
                gateway,
                origin,
                once,
                knock,
                created,
                expires,
            ) in rows
        )

    def require_knock(self, door_secret: bytes) -> None:
        """From now on whoever comes by this link knocks; nothing if it is not there."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE link SET knock = 1 WHERE door_secret = ?", (door_secret,)
            )

    def remove(self, door_secret: bytes) -> None:
        """Erases a link for good (P7); nothing if it is not there."""
        with self._database.erasing():
            self._database.execute("DELETE FROM link WHERE door_secret = ?", (door_secret,))
