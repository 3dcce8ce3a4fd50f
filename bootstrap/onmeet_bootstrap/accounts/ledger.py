"""The ledger: all the SQL of the accounts service (SQLAlchemy; SQLite in a file of its own).

Synchronous; the service calls it in threads. Every change is one transaction that begins as a
writer's: with SQLAlchemy's own default two may read the same count, and both write it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from onmeet_bootstrap.accounts.errors import AllowanceUsed, LedgerUnavailable, NoSeat
from onmeet_bootstrap.accounts.schema import batch, issued, key, seat, seat_group

FILE_NAME = "ledger.db"
BUSY_MILLISECONDS = 5_000
"""That a writer waits for another one: the command line writes while the service runs."""
KEPT_DAYS = 40
"""After their last day groups and their seats go."""
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # A power cut may lose the last purchases, whose tokens can then be bought once more. Keys and
    # seats are synced to the disk before anybody is told of them (`sync`).
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)


@attrs.frozen
class SeatTerms:
    """What a seat may have."""

    seat: int
    tokens_per_week: int
    last_day: int
    """Days since 1970; it is valid up to and with that day."""


@attrs.frozen
class GroupCount:
    """A group of seats, in numbers."""

    group: int
    label: str
    seats: int
    tokens_per_week: int
    last_day: int
    issued: int
    """Tokens that all of its seats together bought for this week and the next."""


@attrs.frozen
class StoredKey:
    """A key of one week; `private` (PKCS #8) goes when the week is over."""

    epoch: int
    public: bytes
    private: bytes | None = attrs.field(repr=False)


class Ledger:
    """One open ledger. Made by `open_ledger`; may be used from any thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        with _translated(), self._engine.begin() as connection:
            yield connection

    # ── seats ───────────────────────────────────────────────────────────────────────────────────
    def add_group(
        self, label: str, tokens_per_week: int, last_day: int, hashes: Iterable[bytes]
    ) -> int:
        """A new group with a seat for each SHA-256 of a code; gives its number."""
        with self._changing() as connection:
            row = connection.execute(
                sa.insert(seat_group)
                .values(label=label, tokens_per_week=tokens_per_week, last_day=last_day)
                .returning(seat_group.c.id)
            ).one()
            seats = [{"code_hash": each, "group_id": row.id} for each in hashes]
            connection.execute(sa.insert(seat), seats)
        self.sync()
        return int(row.id)

    def groups(self, epoch: int) -> list[GroupCount]:
        """All groups; `epoch`: this week."""
        bought = (
            sa.select(seat.c.group_id, sa.func.sum(issued.c.count).label("count"))
            .join_from(seat, issued)
            .where(issued.c.epoch >= epoch)
            .group_by(seat.c.group_id)
            .subquery()
        )
        seats = (
            sa.select(seat.c.group_id, sa.func.count().label("count"))
            .group_by(seat.c.group_id)
            .subquery()
        )
        query = (
            sa.select(
                seat_group,
                sa.func.coalesce(seats.c.count, 0).label("seats"),
                sa.func.coalesce(bought.c.count, 0).label("issued"),
            )
            .outerjoin(seats, seats.c.group_id == seat_group.c.id)
            .outerjoin(bought, bought.c.group_id == seat_group.c.id)
            .order_by(seat_group.c.id)
        )
        with self._changing() as connection:
            return [
                GroupCount(
                    row.id, row.label, row.seats, row.tokens_per_week, row.last_day, row.issued
                )
                for row in connection.execute(query)
            ]

    def end_group(self, group: int) -> int:
        """Removes a group and its seats at once; how many seats it had. Raises `NoSeat`."""
        with self._changing() as connection:
            ended = connection.execute(
                sa.delete(seat).where(seat.c.group_id == group).returning(seat.c.id)
            ).all()
            gone = connection.execute(
                sa.delete(seat_group).where(seat_group.c.id == group).returning(seat_group.c.id)
            ).all()
            if not gone:
                raise NoSeat("There is no such group. List them: onmeet-bootstrap accounts seats")
            return len(ended)

    def end_seat(self, code_hash: bytes) -> None:
        """Removes one seat at once. Raises `NoSeat`."""
        with self._changing() as connection:
            gone = connection.execute(
                sa.delete(seat).where(seat.c.code_hash == code_hash).returning(seat.c.id)
            ).all()
            if not gone:
                raise NoSeat("There is no seat with that code.")

    def seat(self, code_hash: bytes, day: int) -> SeatTerms:
        """The seat with this code, if it is valid on this day. Raises `NoSeat`."""
        query = (
            sa.select(seat.c.id, seat_group.c.tokens_per_week, seat_group.c.last_day)
            .join_from(seat, seat_group)
            .where(seat.c.code_hash == code_hash)
        )
        with self._changing() as connection:
            row = connection.execute(query).first()
        if row is None or row.last_day < day:
            raise NoSeat("This code is of no seat, or of one that has ended. Ask who gave it.")
        return SeatTerms(row.id, row.tokens_per_week, row.last_day)

    # ── purchases ───────────────────────────────────────────────────────────────────────────────
    def left(self, terms: SeatTerms, epoch: int) -> int:
        """How many tokens of this week the seat may still buy."""
        query = sa.select(issued.c.count).where(
            issued.c.seat_id == terms.seat, issued.c.epoch == epoch
        )
        with self._changing() as connection:
            used = connection.execute(query).scalar()
        return max(0, terms.tokens_per_week - (used or 0))

    def charge(self, terms: SeatTerms, epoch: int, tag: bytes, count: int) -> bool:
        """Counts a purchase, all of it or none, and once however often it comes (`tag`).

        Whether it was new. Raises `AllowanceUsed`.
        """
        with self._changing() as connection:
            new = connection.execute(
                insert(batch)
                .values(tag=tag, epoch=epoch)
                .on_conflict_do_nothing()
                .returning(batch.c.tag)
            ).first()
            if new is None:
                return False
            connection.execute(
                insert(issued)
                .values(seat_id=terms.seat, epoch=epoch, count=0)
                .on_conflict_do_nothing()
            )
            counted = connection.execute(
                sa.update(issued)
                .where(
                    issued.c.seat_id == terms.seat,
                    issued.c.epoch == epoch,
                    issued.c.count + count <= terms.tokens_per_week,
                )
                .values(count=issued.c.count + count)
                .returning(issued.c.count)
            ).first()
            if counted is None:  # rolls back the batch as well
                raise AllowanceUsed(
                    "That is more than what is left of this week's allowance. "
                    "See it: onmeet account status"
                )
            return True

    # ── keys, and what is over ──────────────────────────────────────────────────────────────────
    def stored_keys(self) -> list[StoredKey]:
        """Those that are kept, by week."""
        with self._changing() as connection:
            rows = connection.execute(sa.select(key).order_by(key.c.epoch)).all()
        return [StoredKey(row.epoch, row.public, row.private) for row in rows]

    def put_key(self, made: StoredKey) -> None:
        """Keeps a week's key, unless it has one."""
        with self._changing() as connection:
            connection.execute(
                insert(key)
                .values(epoch=made.epoch, public=made.public, private=made.private)
                .on_conflict_do_nothing()
            )
        self.sync()

    def forget(self, *, epoch: int, grace_epoch: int, day: int) -> None:
        """Removes what is over. `epoch`: this week; `grace_epoch`: the first whose tokens are
        still taken.
        """
        with self._changing() as connection:
            connection.execute(sa.update(key).where(key.c.epoch < epoch).values(private=None))
            for table in (key, issued, batch):
                connection.execute(sa.delete(table).where(table.c.epoch < grace_epoch))
            old = sa.select(seat_group.c.id).where(seat_group.c.last_day + KEPT_DAYS < day)
            connection.execute(sa.delete(seat).where(seat.c.group_id.in_(old)))
            connection.execute(sa.delete(seat_group).where(seat_group.c.last_day + KEPT_DAYS < day))
        self.sync()

    def sync(self) -> None:
        """Brings all that was written to the disk, and drops older versions of it."""
        with _translated(), self._engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def open_ledger(home: Path, *, busy_milliseconds: int = BUSY_MILLISECONDS) -> Iterator[Ledger]:
    """The ledger of this home, made or brought up to date. Raises `LedgerUnavailable`."""
    path = home / FILE_NAME
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerUnavailable(f"Cannot open {path}: {error.strerror}.") from error
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    sa.event.listen(engine, "connect", partial(_prepare, busy_milliseconds))
    sa.event.listen(engine, "begin", _begin)
    try:
        with _translated(), engine.begin() as connection:
            upgrade(connection)
        yield Ledger(engine)
    finally:
        engine.dispose()


def upgrade(connection: sa.Connection) -> None:
    """Runs the migrations that are missing, in the transaction of `connection`."""
    config = Config()
    config.set_main_option("script_location", "onmeet_bootstrap.accounts:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare(busy_milliseconds: int, raw: Any, _record: object) -> None:
    raw.isolation_level = None  # transactions begin as `_begin` says, and never behind our back
    cursor = raw.cursor()
    for pragma in (f"PRAGMA busy_timeout = {busy_milliseconds}", *_PRAGMAS):
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or type(error).__name__
        raise LedgerUnavailable(
            f"The ledger cannot be used just now ({why}). Look at the disk, and who else has "
            "it open."
        ) from error
