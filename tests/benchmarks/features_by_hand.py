"""The features as SQL written by hand for DuckDB gives them, with no declaration in between."""

from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.engines.session import QUIETLY_UTC

SQL = Path(__file__).with_suffix(".sql")


def features_by_hand(folder: Path, as_of: date, close: datetime, threads: int) -> pa.Table:
    """Compute the features of a bank.

    Args:
        folder: with a Parquet file a source table, that holds all its versions.
        as_of: the day.
        close: the moment at its end, with a time zone.
        threads: how many to use.

    Returns:
        The columns of ``features_schema``, in the order of customer_id.
    """
    with duckdb.connect() as connection:
        connection.execute(f"{QUIETLY_UTC}; SET threads = {threads}")
        connection.execute("SET VARIABLE as_of = $1::DATE", [as_of.isoformat()])
        connection.execute("SET VARIABLE close = $1::TIMESTAMPTZ", [close.isoformat()])
        for file in folder.glob("*.parquet"):
            connection.read_parquet(str(file)).create_view(file.stem)
        *before, last = connection.extract_statements(SQL.read_text())
        for statement in before:
            connection.execute(statement)
        return connection.sql(last.query).to_arrow_table()
