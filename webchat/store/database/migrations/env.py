"""Run by Alembic, with the connection that `webchat.store.database.migrate` hands over. There is no other way
to run it."""

from __future__ import annotations

from alembic import context

from webchat.store.database.tables.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table="webchat_schema",
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
