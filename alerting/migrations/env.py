"""Where alembic gets its connection from: the program that is starting hands it over."""

from alembic import context

from alerting.database.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
