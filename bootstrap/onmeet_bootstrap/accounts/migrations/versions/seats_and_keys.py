"""Seats, their purchases, and keys: the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "seats_and_keys"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes them."""
    op.create_table(
        "seat_group",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("tokens_per_week", sa.Integer, nullable=False),
        sa.Column("last_day", sa.Integer, nullable=False),
        sa.CheckConstraint("tokens_per_week > 0", name="ck_seat_group_some"),
        sa.PrimaryKeyConstraint("id", name="pk_seat_group"),
    )
    op.create_table(
        "seat",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["seat_group.id"], name="fk_seat_group_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_seat_group_id", "seat", ["group_id"])
    op.create_table(
        "issued",
        sa.Column("seat_id", sa.Integer, primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["seat_id"], ["seat.id"], name="fk_issued_seat_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "batch",
        sa.Column("tag", sa.LargeBinary(16), primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
    )
    op.create_index("ix_batch_epoch", "batch", ["epoch"])
    op.create_table(
        "key",
        sa.Column("epoch", sa.Integer, primary_key=True),
        sa.Column("public", sa.LargeBinary(400), nullable=False),
        sa.Column("private", sa.LargeBinary(2048), nullable=True),
    )


def downgrade() -> None:
    """Drops them."""
    for table in ("key", "batch", "issued", "seat", "seat_group"):
        op.drop_table(table)
