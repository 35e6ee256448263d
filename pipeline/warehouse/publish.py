"""Publishes a night: all its tables in one transaction, or none."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql.dbapi import Cursor
from pyarrow import csv

from pipeline.contracts.contract import Contract
from pipeline.contracts.quarantine import REASONS, split
from pipeline.contracts.schema import conform
from pipeline.engines.base import Engine
from pipeline.errors import RisklineError, UnreachableError
from pipeline.warehouse.audit import ADD_ENTRY, detail_of
from pipeline.warehouse.connection import (
    BOUND_WAITS,
    LOCK_TIMEOUT,
    LOST,
    bulk_connect,
    connect,
    held_up,
    in_one_line,
)
from pipeline.warehouse.partitions import (
    RUN_ID,
    ensure_partitions,
    partition_of,
    partitioned,
)
from pipeline.warehouse.partitions import SCHEMA as PARTITIONS
from pipeline.warehouse.private import replace_identities
from pipeline.warehouse.schema import SCHEMA, ensure_schema

PERFORMANCE = "model_performance"


def check_outputs(
    tables: Mapping[str, pa.Table], contracts: Mapping[str, Contract], engine: Engine
) -> None:
    """Hold what is to be published to the output contracts.

    Raises:
        RisklineError: a row breaks its contract; nothing may be published then.
    """
    for name, rows in tables.items():
        broken = split(rows, contracts[name], engine).quarantined
        if len(broken):
            reason = broken.column(REASONS)[0].as_py()[0]
            raise RisklineError(
                f"{len(broken)} of {len(rows)} rows of the output {name} break its contract, the "
                f"first because {reason}; nothing was published"
            )


def content_hash(tables: Mapping[str, pa.Table]) -> str:
    """A hash of rows and columns, whatever chunks they lie in; the tables must be sorted."""
    digest = hashlib.sha256()
    for name in sorted(tables):
        digest.update(f"\n{name}\n".encode())
        sink = pa.BufferOutputStream()
        csv.write_csv(tables[name].combine_chunks(), sink)
        digest.update(sink.getvalue())
    return digest.hexdigest()


def read_night(url: str, as_of: date, contracts: Mapping[str, Contract]) -> dict[str, pa.Table]:
    """A night's rows as they are in the warehouse, in the contracts' columns, types and order.

    Args:
        url: of a role that may read the schema.
        as_of: the night.
        contracts: of the tables that are wanted.
    """
    found = {}
    with bulk_connect(url) as bulk, bulk.cursor() as cursor:
        for name, contract in contracts.items():
            # As text: what is kept as JSON is to come back letter by letter.
            columns = ", ".join(
                f'"{column.name}"::text' if column.type == "string" else f'"{column.name}"'
                for column in contract.columns
            )
            cursor.execute(
                f'SELECT {columns} FROM "{SCHEMA}"."{name}" WHERE as_of_date = $1',  # noqa: S608 - a contract's names
                (as_of,),
            )
            rows = conform(cursor.fetch_arrow_table(), contract)
            # Not by the server, whose collation is its own.
            found[name] = rows.sort_by([(column, "ascending") for column in contract.key])
    return found


def publish(
    url: str,
    as_of: date,
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, Contract],
    identities: pa.Table | None = None,
) -> None:
    """Replace a night in the warehouse: readers see the old one until they see the new one.

    Args:
        url: of a role that may write the schema.
        as_of: the night; each table's rows bear it in as_of_date.
        tables: all tables whose rows bear a run_id, in their columns and types.
        contracts: the output contracts by table.
        identities: who the customers are; the table for them must be there.

    Raises:
        UnreachableError: the warehouse cannot be reached, broke off, or others hold a lock for too
            long.
        RisklineError: the transaction failed and left everything as it was.
    """
    nightly = {name for name, contract in contracts.items() if RUN_ID in contract.column_names}
    if tables.keys() != nightly:
        raise ValueError(f"a night has the tables {sorted(nightly)}, not {sorted(tables)}")
    run = tables["runs"].select(["run_id", "output_hash", "customers"]).to_pylist()[0]
    entry = ("publish", run["run_id"], detail_of(as_of_date=as_of, **run))

    def at_the_end(cursor: Cursor) -> None:
        if identities is not None:
            replace_identities(cursor, as_of, identities)
        cursor.execute(ADD_ENTRY, entry)

    _replace(url, tables, contracts, "as_of_date", as_of, f"the night of {as_of}", at_the_end)


def publish_performance(
    url: str, version: str, rows: pa.Table, contracts: Mapping[str, Contract]
) -> None:
    """Replace the figures of a version of the model, as a night is replaced.

    Args:
        url: of a role that may write the schema.
        version: each row bears it in model_version.
        rows: all its figures, in the columns and types of the contract.
        contracts: the output contracts by table.

    Raises:
        UnreachableError: the warehouse cannot be reached, broke off, or others hold a lock for too
            long.
        RisklineError: the transaction failed and left everything as it was.
    """
    _replace(
        url,
        {PERFORMANCE: rows},
        contracts,
        "model_version",
        version,
        f"the figures of version {version}",
    )


def _replace(
    url: str,
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, Contract],
    column: str,
    value: date | str,
    what: str,
    at_the_end: Callable[[Cursor], None] = lambda cursor: None,
) -> None:
    """Put rows in the place of those that bear the same value in a column, in one transaction."""
    # Where the rows of a table go: to a partition, past the table, which would have to route each.
    places = dict.fromkeys(tables, (SCHEMA, ""))
    with connect(url) as connection:
        ensure_schema(connection, contracts)
        if isinstance(value, date):
            by_night = partitioned(contracts)
            ensure_partitions(connection, by_night, value)
            places |= {name: (PARTITIONS, partition_of(name, value)) for name in by_night}
    with bulk_connect(url) as bulk, bulk.cursor() as cursor:
        try:
            cursor.execute(BOUND_WAITS)
            cursor.fetchall()
            # The same rows are published by one run at a time; the other one waits and replaces
            # them.
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", (f"{column} {value}",)
            )
            cursor.fetchall()
            for name, rows in tables.items():
                cursor.execute(
                    f'DELETE FROM "{SCHEMA}"."{name}" WHERE "{column}" = $1',  # noqa: S608 - a contract's names
                    (value,),
                )
                schema, partition = places[name]
                cursor.adbc_ingest(partition or name, rows, mode="append", db_schema_name=schema)
            at_the_end(cursor)
            bulk.commit()
        except adbc_driver_manager.OperationalError as error:
            raise UnreachableError(
                f"{LOST} while {what} was published, which is visible whole or not at all: "
                f"{in_one_line(error)}; run it again"
            ) from error
        except adbc_driver_manager.Error as error:
            if error.sqlstate == LOCK_TIMEOUT:
                bulk.rollback()
                raise held_up(url) from None
            raise RisklineError(
                f"publishing {what} failed, and nothing of it is visible: {in_one_line(error)}; "
                "run it again"
            ) from error
