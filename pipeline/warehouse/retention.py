"""Old nights go: the rows of those beyond the newest ones, as policy has it."""

import logging
from collections.abc import Collection
from datetime import date

import psycopg
from psycopg import sql

from pipeline.warehouse.audit import add_entry
from pipeline.warehouse.connection import connect
from pipeline.warehouse.partitions import SCHEMA as PARTITIONS
from pipeline.warehouse.partitions import partition_of

log = logging.getLogger("riskline")


def retire(url: str, tables: Collection[str], keep_nights: int) -> list[date]:
    """Let go of all rows of nights beyond the newest ones; their runs stay on record.

    Args:
        url: of the role that owns the tables.
        tables: the partitioned ones.
        keep_nights: how many nights keep their rows.

    Returns:
        The nights whose rows are gone now.

    Raises:
        RisklineError: the warehouse cannot be reached.
    """
    with connect(url) as connection:
        old = connection.execute(
            "UPDATE risk.runs SET status = 'retired' "
            "WHERE status = 'published' AND as_of_date < (SELECT min(as_of_date) FROM ("
            "SELECT as_of_date FROM risk.runs ORDER BY as_of_date DESC LIMIT %s) AS newest) "
            "RETURNING as_of_date, run_id",
            [keep_nights],
        ).fetchall()
        nights = sorted(night for night, _ in old)
        for table in tables:
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE as_of_date = ANY(%s)").format(
                    sql.Identifier("risk", table)
                ),
                [nights],
            )
        for night, run_id in sorted(old):
            add_entry(connection, "retire", run_id, as_of_date=night)
    _drop_empty(url, tables, nights)
    return nights


def _drop_empty(url: str, tables: Collection[str], nights: Collection[date]) -> None:
    """Drop partitions without rows. Where somebody reads them they stay, empty, and do no harm."""
    for night in nights:
        for table in tables:
            partition = sql.Identifier(PARTITIONS, partition_of(table, night))
            with connect(url) as connection:
                connection.execute("SET LOCAL lock_timeout = '2s'")
                try:
                    connection.execute(sql.SQL("LOCK TABLE {}").format(partition))
                    # Another run may have published the night again since.
                    if _is_empty(connection, partition):
                        connection.execute(sql.SQL("DROP TABLE {}").format(partition))
                except psycopg.errors.UndefinedTable:
                    connection.rollback()
                except psycopg.errors.LockNotAvailable:
                    connection.rollback()
                    log.info("the empty partition of %s of %s is read and stays", table, night)


def _is_empty(connection: psycopg.Connection, table: sql.Identifier) -> bool:
    return connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(table)).fetchone() is None
