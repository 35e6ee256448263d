"""Puts a bank's tables into a PostgreSQL database, as a source for the pipeline to pull from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import adbc_driver_postgresql.dbapi as postgresql
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "public"
COLUMN_TYPES = {
    pa.string(): "text",
    pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamptz",
    pa.float64(): "double precision",
    pa.int64(): "bigint",
    pa.bool_(): "boolean",
}


def load(tables: Mapping[str, pa.Table], url: str) -> None:
    """Replace the tables of the source database at `url`, all of them in one transaction.

    Tables of the schema `public` that are not among `tables` stay as they are. Whoever reads
    meanwhile sees the old tables or the new ones.

    Args:
        tables: Arrow tables by name, with a column known_at.
        url: where the database is, as `postgresql://...`; its role may create tables.

    Raises:
        KeyError: where a column has a type the simulator does not use.
    """
    with postgresql.connect(url) as connection, connection.cursor() as cursor:
        for name, rows in tables.items():
            columns = ", ".join(
                f'"{field.name}" {COLUMN_TYPES[field.type]}' for field in rows.schema
            )
            cursor.execute(f'DROP TABLE IF EXISTS {SCHEMA}."{name}"')
            cursor.execute(f'CREATE TABLE {SCHEMA}."{name}" ({columns})')
            cursor.adbc_ingest(name, rows, mode="append", db_schema_name=SCHEMA)
            cursor.execute(f'CREATE INDEX "{name}_known_at" ON {SCHEMA}."{name}" (known_at)')
        connection.commit()
