"""Run Alembic over the connection that `labelyard db upgrade` opened."""

from __future__ import annotations

from alembic import context

from labelyard.ledger.declarative import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
