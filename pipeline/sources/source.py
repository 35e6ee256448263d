"""A source of tables, whichever kind it is, and how one is opened from its URL."""

from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import psycopg
import pyarrow as pa
from psycopg.conninfo import conninfo_to_dict

from pipeline.contracts.contract import Contract
from pipeline.errors import RisklineError
from pipeline.sources.files import FolderSource
from pipeline.sources.postgres import PostgresSource

SOURCE_PARTS = ("host", "hostaddr", "port", "dbname", "options")
MALFORMED = (
    "RISK_SOURCE_URL cannot be read; give it as postgresql://role:password@host/database, with "
    "special characters of the password as %XX"
)


class Source(Protocol):
    """Something rows can be pulled from."""

    @property
    def queries(self) -> Path | None:
        """The folder of query files, where there is one."""
        ...

    def has(self, table: str) -> bool:
        """Whether the source holds the table, by itself or by a query file."""
        ...

    def read(
        self, contract: Contract, since: datetime | None, until: datetime
    ) -> Generator[pa.RecordBatch, None, None]:
        """Rows with since <= known_at < until, and the rows without any known_at.

        Columns and types are the source's own, as far as it knows types. The first batch may
        have no rows: it shows the columns.

        Raises:
            RisklineError: the source cannot be reached or the table cannot be read.
        """
        ...


def name_of(url: str, queries: Path | None) -> str:
    """A source as it may be written down: where it is, and nothing that lets anyone in.

    Raises:
        RisklineError: the URL cannot be read without doubt.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        name = url
    else:
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # From None, as everywhere: the driver's words quote the URL, and with it the password.
            raise RisklineError(MALFORMED) from None
        kept = [f"{key}={parts[key]}" for key in SOURCE_PARTS if parts.get(key)]
        if any("@" in part for part in kept):
            raise RisklineError(MALFORMED)
        name = " ".join(kept)
    return name if queries is None else f"{name} by {queries}"


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
        name_of(url, queries)
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
