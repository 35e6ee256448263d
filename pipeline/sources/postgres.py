"""A PostgreSQL database as a source, read by ADBC."""

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts.contract import Contract
from pipeline.errors import RisklineError, UnreachableError
from pipeline.sources.queries import failure, query_file, selection


@dataclass(frozen=True)
class PostgresSource:
    """Tables on the role's search path; query files may build the contracts' tables."""

    url: str = field(repr=False)
    queries: Path | None

    def has(self, table: str) -> bool:
        """Whether there is a table, a view or a query file of that name."""
        if query_file(table, self.queries) is not None:
            return True
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass($1) IS NOT NULL", (f'"{table}"',))
            row = cursor.fetchone()
        return bool(row and row[0])

    def read(
        self, contract: Contract, since: datetime | None, until: datetime
    ) -> Generator[pa.RecordBatch, None, None]:
        """Rows with since <= known_at < until, and the rows without any known_at.

        Raises:
            RisklineError: the database cannot be reached, or the table or its query fails.
        """
        # The bounds are the pipeline's own dates, so they are safe to write out; written out,
        # they let PostgreSQL see the range when it plans.
        condition = f"known_at < timestamptz '{until.isoformat()}'"
        if since is not None:
            condition += f" AND known_at >= timestamptz '{since.isoformat()}'"
        sql = selection(contract.table, self.queries, condition)
        with self._connect() as connection, connection.cursor() as cursor:
            try:
                cursor.execute(sql)
                reader = cursor.fetch_record_batch()
                _refuse_money(reader.schema, contract)
                yield _with_numbers(pa.RecordBatch.from_pylist([], reader.schema), contract)
                for batch in reader:
                    yield _with_numbers(batch, contract)
            # What goes wrong after the first rows comes by way of Arrow, as an OSError.
            except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
                raise failure(contract.table, self.queries, error) from error

    def _connect(self) -> adbc_driver_postgresql.dbapi.Connection:
        try:
            connection = adbc_driver_postgresql.dbapi.connect(self.url)
            with connection.cursor() as cursor:
                # An instant without a zone is UTC, whatever zone the server speaks by default.
                cursor.execute("SET TIME ZONE 'UTC'")
        except adbc_driver_manager.Error:
            # From None: the driver's words may quote the URL, and with it the password.
            raise UnreachableError(
                "the source database cannot be reached; check RISK_SOURCE_URL, and that the "
                "server runs and lets this role in"
            ) from None
        return connection


def _wanted(schema: pa.Schema, contract: Contract) -> dict[int, pa.Field]:
    """What the contract makes of the columns, by their place; found as ``conform`` finds them."""
    lower = [name.lower() for name in schema.names]
    wanted: dict[int, pa.Field] = {}
    for column in contract.arrow_schema:
        given = schema.names if column.name in schema.names else lower
        wanted |= {place: column for place, name in enumerate(given) if name == column.name}
    return wanted


def _refuse_money(schema: pa.Schema, contract: Contract) -> None:
    """The driver delivers the type money in hundredths, and nothing tells them from units."""
    for place, wanted in _wanted(schema, contract).items():
        if (schema.field(place).metadata or {}).get(b"POSTGRESQL:type") == b"money":
            raise RisklineError(
                f"table {contract.table}, column {wanted.name}: the type money depends on the "
                "server's locale; cast it to numeric in the source or in the query file "
                f"{contract.table}.sql"
            )


def _with_numbers(rows: pa.RecordBatch, contract: Contract) -> pa.RecordBatch:
    """Rows with columns of the type numeric as numbers, or as text where the contract says so.

    The driver delivers them as text of a type of its own, for no Arrow type holds all of them.
    """
    wanted = _wanted(rows.schema, contract)
    for place, (name, kind) in enumerate(zip(rows.schema.names, rows.schema.types, strict=True)):
        if isinstance(kind, pa.OpaqueType) and kind.type_name == "numeric":
            column = rows.column(place).cast(pa.string())
            goal = wanted.get(place, pa.field(name, pa.float64()))
            if pa.types.is_integer(goal.type):
                column = _whole(column, goal, contract)
            elif not pa.types.is_string(goal.type):
                column = column.cast(pa.float64())
            rows = rows.set_column(place, name, column)
    return rows


def _whole(digits: pa.StringArray, goal: pa.Field, contract: Contract) -> pa.Array:
    """Whole numbers of their digits; not by way of a float, which rounds those beyond 2 ** 53."""
    is_none = pc.equal(pc.utf8_lower(digits), "nan")
    known = pc.if_else(is_none, pa.scalar(None, pa.string()), digits)
    try:
        return pc.replace_substring_regex(known, r"\.0+$", "").cast(goal.type)
    except pa.ArrowInvalid:
        # From None: the words quote the value, which may be personal.
        raise RisklineError(
            f"table {contract.table}, column {goal.name}: a value does not fit {goal.type}; cast "
            f"it in the source or in the query file {contract.table}.sql"
        ) from None
