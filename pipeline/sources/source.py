"""A source of tables, whichever kind it is, and how one is opened from its URL."""

from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from pipeline.contracts.contract import Contract
from pipeline.errors import RisklineError
from pipeline.sources.files import FolderSource
from pipeline.sources.postgres import PostgresSource


class Source(Protocol):
    """Something rows can be pulled from."""

    def has(self, table: str) -> bool:
        """Whether the source holds the table, by itself or by a query file."""
        ...

    def read(self, contract: Contract, since: datetime | None, until: datetime) -> pa.Table:
        """Rows with since <= known_at < until, and the rows without any known_at.

        Columns and types are the source's own, as far as it knows types.

        Raises:
            RisklineError: the source cannot be reached or the table cannot be read.
        """
        ...


def open_source(url: str, queries: Path | None) -> Source:
    """The source that a URL or a folder's path names.

    Args:
        url: ``postgresql://...`` or the path of a folder of Parquet or CSV files.
        queries: folder of <table>.sql files, or None where the tables are as the contracts say.

    Raises:
        RisklineError: there is no such folder, or no such kind of source.
    """
    if queries is not None and not queries.is_dir():
        raise RisklineError(f"query folder {queries} does not exist; set RISK_SOURCE_QUERIES")
    if url.startswith(("postgresql://", "postgres://")):
        return PostgresSource(url, queries)
    if "://" in url:
        kind = url.split("://", 1)[0]
        raise RisklineError(
            f"a source of kind {kind}:// is not known; RISK_SOURCE_URL takes postgresql://... or "
            "the path of a folder"
        )
    folder = Path(url)
    if not folder.is_dir():
        if "@" in url:
            # A database's URL gone wrong: what stands in it is nobody's business.
            raise RisklineError(
                "RISK_SOURCE_URL is neither a folder nor starts with postgresql://; correct it"
            )
        raise RisklineError(f"source folder {folder} does not exist; set RISK_SOURCE_URL")
    return FolderSource(folder, queries)
