"""Who the customers are: personal data, in a schema of its own that only officers may read."""

from collections.abc import Sequence

import psycopg
import pyarrow as pa
from adbc_driver_postgresql.dbapi import Cursor
from psycopg import sql

from pipeline.contracts.contract import Column, Contract
from pipeline.contracts.ddl import column_definition, create_landing_table
from pipeline.warehouse.connection import take_turns
from pipeline.warehouse.officers import OFFICER
from pipeline.warehouse.schema import TURN

SCHEMA = "risk_private"
IDENTITY = "customer_identity"
SOURCE_ID = "source_customer_id"


def identity_columns(customers: Contract) -> tuple[Column, ...]:
    """The published id, the bank's own, and what the contract of customers marks as personal."""
    own = next(column for column in customers.columns if column.name == "customer_id")
    return (
        Column("customer_id", own.type, "The customer, as in the schema risk.", True, False),
        Column(SOURCE_ID, own.type, "The customer's number at the bank.", True, True),
        *personal_columns(customers),
    )


def personal_columns(customers: Contract) -> tuple[Column, ...]:
    """What the contract of customers marks as personal."""
    return tuple(column for column in customers.columns if column.is_personal)


def ensure_private(connection: psycopg.Connection, customers: Contract) -> None:
    """Create the schema and its table where they are missing, with the contract's columns.

    Of rows that are there already, what a former contract asked for goes, and what is new is empty
    until the newest night is published again.

    Args:
        connection: of the role that owns the warehouse; the caller commits.
        customers: the source contract of customers.
    """
    take_turns(connection, TURN)
    columns = identity_columns(customers)
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
        [SCHEMA, IDENTITY],
    ).fetchall()
    schema, table = sql.Identifier(SCHEMA), sql.Identifier(SCHEMA, IDENTITY)
    there = {name for (name,) in found}
    if not there:
        if connection.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() == (None,):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        connection.execute(create_landing_table(_contract(columns), SCHEMA))
        connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (customer_id)").format(table))
    else:
        for name in sorted(there - {column.name for column in columns}):
            gone = sql.SQL("ALTER TABLE {} DROP COLUMN {}").format(table, sql.Identifier(name))
            connection.execute(gone)
        for column in columns:
            if column.name not in there:
                new = sql.SQL("ALTER TABLE {} ADD COLUMN {}")
                connection.execute(new.format(table, column_definition(column)))
    # The role may have come after the table.
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OFFICER]).fetchone():
        role = sql.Identifier(OFFICER)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(table, role))


def replace_identities(cursor: Cursor, as_of: object, rows: pa.Table) -> None:
    """Put a night's customers in the place of all, unless a later night is published.

    Args:
        cursor: of the transaction that publishes the night.
        as_of: the night.
        rows: in the columns of `identity_columns`.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('riskline.identity'))")
    cursor.fetchall()
    cursor.execute("SELECT 1 FROM risk.runs WHERE as_of_date > $1 LIMIT 1", (as_of,))
    if cursor.fetchall():
        return
    cursor.execute(f'DELETE FROM "{SCHEMA}"."{IDENTITY}"')  # noqa: S608 - names of ours
    cursor.adbc_ingest(IDENTITY, rows, mode="append", db_schema_name=SCHEMA)


def _contract(columns: Sequence[Column]) -> Contract:
    return Contract(
        table=IDENTITY,
        description="Who the customers of the newest night are.",
        grain="one customer",
        columns=tuple(columns),
        key=("customer_id",),
        rules=(),
        batch_checks=(),
        is_optional=False,
        sha256="",
    )
