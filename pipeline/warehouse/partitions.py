"""A partition a night: what readers ask of one night touches no other, and old nights go at once.

The partitions lie in a schema of their own, for nobody asks them: whoever may read a table reads
its partitions through it.
"""

from collections.abc import Collection, Mapping
from datetime import date

import psycopg
from psycopg import sql

from pipeline.contracts.contract import Contract
from pipeline.errors import RisklineError

SCHEMA = "risk_partitions"
AS_OF_DATE = "as_of_date"
RUN_ID = "run_id"
"""The column of every table of a night, and of no other."""
RUNS = "runs"


def partitioned(contracts: Mapping[str, Contract]) -> list[str]:
    """The tables that have a partition a night: those of a night, but for the list of runs."""
    return [
        name
        for name, contract in contracts.items()
        if RUN_ID in contract.column_names and name != RUNS
    ]


def partition_of(table: str, as_of: date) -> str:
    """The name of a night's partition."""
    return f"{table}_{as_of:%Y%m%d}"


def ensure_partitions(connection: psycopg.Connection, tables: Collection[str], as_of: date) -> None:
    """Create a night's partitions where they are missing; nobody who reads has to wait for it.

    Args:
        connection: of the role that owns the tables; the caller commits.
        tables: the partitioned ones.
        as_of: the night.

    Raises:
        RisklineError: a table was made before there were partitions.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('riskline.schema'))")
    if connection.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() == (None,):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
    for table in tables:
        name = partition_of(table, as_of)
        row = connection.execute(
            "SELECT to_regclass(%s), (SELECT relkind FROM pg_class WHERE oid = to_regclass(%s))",
            [f"{SCHEMA}.{name}", f"risk.{table}"],
        ).fetchone()
        found, kind = row or (None, None)
        if found is not None:
            continue
        if kind != "p":
            raise RisklineError(
                f"the table risk.{table} was made by an earlier version, without partitions; drop "
                "the schema risk and run its nights again"
            )
        parent, partition = sql.Identifier("risk", table), sql.Identifier(SCHEMA, name)
        # Created beside the table and then attached: PARTITION OF would lock readers out.
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(partition, parent)
        )
        connection.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
                parent, partition, sql.Literal(as_of)
            )
        )
