"""Old nights go: the rows of those beyond the newest ones, as policy has it."""

import logging
from collections.abc import Collection
from datetime import date

import psycopg
from psycopg import sql

from pipeline.warehouse.audit import add_entry
from pipeline.warehouse.connection import BOUND_WAITS, connect
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
        connection.execute(BOUND_WAITS)
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
    _drop_empty(url, tables)
    return nights


def _drop_empty(url: str, tables: Collection[str]) -> None:
    """Drop partitions of retired nights; those that are read stay, empty, until the next time."""
    with connect(url) as connection:
        retired = connection.execute(
            "SELECT as_of_date FROM risk.runs WHERE status = 'retired' ORDER BY as_of_date"
        ).fetchall()
        there = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)", [PARTITIONS]
        ).fetchall()
    names = {name for (name,) in there}
    for (night,) in retired:
        for table in tables:
            if (name := partition_of(table, night)) in names and not _drop(url, table, name):
                log.info("the empty partition of %s of %s is read and stays", table, night)


def _drop(url: str, table: str, name: str) -> bool:
    """Drop a partition without rows, unless somebody reads it; whether it is done with."""
    whole, partition = sql.Identifier("risk", table), sql.Identifier(PARTITIONS, name)
    with connect(url) as connection:
        # Before the server looks for deadlocks: those who read are not to be the ones who lose.
        connection.execute("SET LOCAL lock_timeout = '500ms'")
        try:
            # The whole before the part, as readers take them.
            connection.execute(sql.SQL("LOCK TABLE ONLY {}").format(whole))
            connection.execute(sql.SQL("LOCK TABLE {}").format(partition))
            # Another run may have published the night again since.
            query = sql.SQL("SELECT FROM {} LIMIT 1").format(partition)
            if connection.execute(query).fetchone() is None:
                connection.execute(sql.SQL("DROP TABLE {}").format(partition))
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            connection.rollback()
            return False
        except psycopg.errors.UndefinedTable:
            # Somebody else has dropped it meanwhile.
            connection.rollback()
    return True
