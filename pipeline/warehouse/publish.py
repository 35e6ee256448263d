"""Publishes a night: all its tables in one transaction, or none."""

import hashlib
from collections.abc import Mapping
from datetime import date

import adbc_driver_manager
import pyarrow as pa
from pyarrow import csv

from pipeline.contracts.contract import Contract
from pipeline.contracts.quarantine import REASONS, split
from pipeline.engines.base import Engine
from pipeline.errors import RisklineError, UnreachableError
from pipeline.warehouse.connection import LOST, bulk_connect, connect, in_one_line
from pipeline.warehouse.schema import SCHEMA, ensure_schema


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


def publish(
    url: str,
    as_of: date,
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, Contract],
) -> None:
    """Replace a night in the warehouse: readers see the old one until they see the new one.

    Args:
        url: of a role that may write the schema.
        as_of: the night; each table's rows bear it in as_of_date.
        tables: all tables of the output contracts, in their columns and types.
        contracts: the output contracts by table.

    Raises:
        UnreachableError: the warehouse cannot be reached, or broke off.
        RisklineError: the transaction failed and left everything as it was.
    """
    if tables.keys() != contracts.keys():
        raise ValueError(f"a night has the tables {sorted(contracts)}, not {sorted(tables)}")
    with connect(url) as connection:
        ensure_schema(connection, contracts)
    with bulk_connect(url) as bulk, bulk.cursor() as cursor:
        try:
            # One night is published by one run at a time; the other one waits and replaces it.
            cursor.execute(f"SELECT pg_advisory_xact_lock({as_of.toordinal()}, 0)")
            cursor.fetchall()
            for name in contracts:
                cursor.execute(
                    f'DELETE FROM "{SCHEMA}"."{name}" WHERE as_of_date = $1',  # noqa: S608 - a contract's name
                    (as_of,),
                )
                cursor.adbc_ingest(name, tables[name], mode="append", db_schema_name=SCHEMA)
            bulk.commit()
        except adbc_driver_manager.OperationalError as error:
            raise UnreachableError(
                f"{LOST} while the night of {as_of} was published, which is visible whole or not "
                f"at all: {in_one_line(error)}; run the night again"
            ) from error
        except adbc_driver_manager.Error as error:
            raise RisklineError(
                f"publishing the night of {as_of} failed, and nothing of it is visible: "
                f"{in_one_line(error)}; run the night again"
            ) from error
