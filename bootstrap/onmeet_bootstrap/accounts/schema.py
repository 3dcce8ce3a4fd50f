"""The ledger's tables: seats, what they bought, and the keys that sign.

No name of a person, no address, no time finer than a day. Changes come as migrations beside this
file; `metadata` is what they add up to.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData(
    naming_convention={
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

seat_group = Table(
    "seat_group",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("label", String(80), nullable=False),  # as the operator calls it; not a person's name
    Column("tokens_per_week", Integer, nullable=False),
    Column("last_day", Integer, nullable=False),  # days since 1970: valid up to and with it
    CheckConstraint("tokens_per_week > 0", name="some"),
)
"""Seats that were made together: for a school, a company, a club, or one person."""

seat = Table(
    "seat",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code_hash", LargeBinary(32), nullable=False, unique=True),  # SHA-256 of its code
    Column("group_id", ForeignKey("seat_group.id", ondelete="CASCADE"), nullable=False),
    Index(None, "group_id"),
)
"""Who holds one nobody knows here: the code was handed on outside."""

issued = Table(
    "issued",
    metadata,
    Column("seat_id", ForeignKey("seat.id", ondelete="CASCADE"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("count", Integer, nullable=False),
)
"""How many tokens of a week a seat has bought."""

batch = Table(
    "batch",
    metadata,
    Column("tag", LargeBinary(16), primary_key=True),  # of SHA-256 over seat and requests
    Column("epoch", Integer, nullable=False),
    Index(None, "epoch"),
)
"""Purchases that were counted, so that one that is repeated (the answer was lost) costs nothing."""

key = Table(
    "key",
    metadata,
    Column("epoch", Integer, primary_key=True),
    Column("public", LargeBinary(400), nullable=False),
    Column("private", LargeBinary(2048), nullable=True),  # gone when its week is over
)
"""One for each week, for all seats and plans."""
