"""Puts a bank's tables into a PostgreSQL database, as a source for the pipeline to pull from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as postgresql
import pyarrow as pa

from pipeline.errors import RisklineError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = "public"
NEW = "riskline_new_"
MADE_UP = "simulated by riskline"
"""The comment on each table: such a table may be replaced."""
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

    Args:
        tables: Arrow tables by name, with a column known_at.
        url: where the database is, as `postgresql://...`; its role may create tables.

    Raises:
        KeyError: where a column has a type the simulator does not use.
        RisklineError: the database cannot be reached, or refuses the tables.
    """
    load_pieces(tables.items(), url)


def load_pieces(pieces: Iterable[tuple[str, pa.Table]], url: str) -> None:
    """Replace tables that come in pieces, as `load` does; memory holds one piece at a time.

    Tables of the schema `public` that are not among the pieces stay as they are. Whoever reads
    meanwhile sees the old tables, and the new ones once all is in.
    """
    with _connect(url) as connection, connection.cursor() as cursor:
        try:
            _replace(pieces, cursor)
            connection.commit()
        except adbc_driver_manager.Error as error:
            # The driver quotes the whole statement before it lets the server speak.
            said = " ".join(str(error).rpartition("ERROR:")[2].split())[:300]
            raise RisklineError(
                f"the database refuses the bank: {said}; nothing in it has changed"
            ) from error


def check_free(names: Iterable[str], url: str) -> None:
    """Refuse a database where a table of one of these names is not a simulated bank's.

    Raises:
        RisklineError: there is such a table, or the database cannot be reached.
    """
    with _connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace($1) "
            "AND obj_description(oid, 'pg_class') IS DISTINCT FROM $2",
            (SCHEMA, MADE_UP),
        )
        others = {str(row[0]) for row in cursor.fetchall()}
    for name in names:
        if name in others:
            raise RisklineError(
                f"the database already holds a table {name} that no simulation wrote; name an "
                "empty database"
            )


def _connect(url: str) -> postgresql.Connection:
    try:
        return postgresql.connect(url)
    except adbc_driver_manager.Error:
        # From None: the driver's words may quote the URL, and with it the password.
        raise UnreachableError(
            "the database that the bank should go to cannot be reached; check its URL, and that "
            "the server runs and lets this role in"
        ) from None


def _replace(pieces: Iterable[tuple[str, pa.Table]], cursor: postgresql.Cursor) -> None:
    names: list[str] = []
    for name, rows in pieces:
        if name not in names:
            names.append(name)
            columns = ", ".join(
                f'"{field.name}" {COLUMN_TYPES[field.type]}' for field in rows.schema
            )
            cursor.execute(f'CREATE TABLE {SCHEMA}."{NEW}{name}" ({columns})')
        cursor.adbc_ingest(NEW + name, rows, mode="append", db_schema_name=SCHEMA)
    for name in names:
        new, index = f'{SCHEMA}."{NEW}{name}"', f"{name}_known_at"
        cursor.execute(f'CREATE INDEX "{NEW}{index}" ON {new} (known_at)')
        cursor.execute(f"COMMENT ON TABLE {new} IS '{MADE_UP}'")
    for name in names:
        cursor.execute(f'DROP TABLE IF EXISTS {SCHEMA}."{name}"')
        cursor.execute(f'ALTER TABLE {SCHEMA}."{NEW}{name}" RENAME TO "{name}"')
        cursor.execute(f'ALTER INDEX {SCHEMA}."{NEW}{name}_known_at" RENAME TO "{name}_known_at"')
