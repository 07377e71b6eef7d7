"""What alembic runs for an upgrade: the steps, on the connection and in the transaction that it is given.

Alembic executes this file by its path; nobody imports it.
"""

from alembic import context

from fireside.stores.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, when its transactions are begun explicitly, as ours are
)
with context.begin_transaction():
    context.run_migrations()
