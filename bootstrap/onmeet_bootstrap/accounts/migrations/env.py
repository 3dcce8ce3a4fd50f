"""How Alembic reaches the ledger: over the connection that `ledger` hands it."""

from alembic import context

from onmeet_bootstrap.accounts.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
