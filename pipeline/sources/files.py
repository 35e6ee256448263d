"""A folder of Parquet or CSV files as a source."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from pipeline.contracts.contract import Contract
from pipeline.engines.base import EngineError
from pipeline.engines.folder import query_folder, tables_in
from pipeline.errors import RisklineError
from pipeline.sources.queries import failure, query_file, selection


@dataclass(frozen=True)
class FolderSource:
    """Each file is a table named by the file; query files may build the contracts' tables."""

    folder: Path
    queries: Path | None

    def has(self, table: str) -> bool:
        """Whether there is a file or a query file of that name."""
        return query_file(table, self.queries) is not None or table in tables_in(self.folder)

    def read(
        self, contract: Contract, since: datetime | None, until: datetime
    ) -> Generator[pa.RecordBatch, None, None]:
        """Rows with since <= known_at < until, and the rows without any known_at.

        Raises:
            RisklineError: the file is missing or broken, or its query fails.
        """
        table = contract.table
        if not self.has(table):
            raise RisklineError(
                f"table {table}: no file {table}.parquet, {table}.csv or {table}.csv.gz in "
                f"{self.folder}; supply it, or give a query file {table}.sql"
            )
        condition = "known_at < $until" + ("" if since is None else " AND known_at >= $since")
        sql = selection(table, self.queries, condition)
        parameters: dict[str, object] = {"until": until}
        if since is not None:
            parameters["since"] = since
        try:
            yield from query_folder(self.folder, sql, parameters, self._csv_types(contract))
        except EngineError as error:
            raise failure(table, self.queries, error, "correct the file") from error

    def _csv_types(self, contract: Contract) -> Mapping[str, pa.Schema]:
        if query_file(contract.table, self.queries) is not None:
            return {}
        # A CSV file has no types: the long number of an account is not to become a float.
        return {contract.table: contract.arrow_schema}
