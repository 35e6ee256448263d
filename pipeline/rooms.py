"""What the stages of a night work with: contracts, lake, engines, addresses of databases."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pipeline.contracts.contract import Contract
from pipeline.contracts.odcs import load_contracts
from pipeline.engines.base import Engine
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.lake import Lake
from pipeline.settings import Settings
from pipeline.sources.source import name_of
from pipeline.warehouse.bank import loaded_bank
from pipeline.warehouse.connection import connect
from pipeline.warehouse.schema import ensure_schema
from pipeline.warehouse.server import ensure_running


@dataclass(frozen=True)
class Rooms:
    """What the stages work with, opened as they ask for it."""

    settings: Settings

    @cached_property
    def contracts(self) -> Mapping[str, Contract]:
        """The source contracts by table."""
        return load_contracts(self.settings.contracts / "sources")

    @cached_property
    def outputs(self) -> Mapping[str, Contract]:
        """The output contracts by table."""
        return load_contracts(self.settings.contracts / "outputs")

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(self.settings.lake)

    @cached_property
    def engine(self) -> Engine:
        """The engine of one machine, for all but features."""
        return DuckDBEngine(self.settings.threads, spill=self.settings.home / "spill")

    @cached_property
    def feature_engine(self) -> Engine:
        """The engine that was set for features."""
        if self.settings.engine == "duckdb":
            return self.engine
        # pyspark is an extra that few install; and its import takes a second.
        from pipeline.engines.spark import SparkEngine

        return SparkEngine(self.settings.home / "spark", f"local[{self.settings.threads}]")


def source_url(settings: Settings) -> str:
    """Where rows are pulled from: what was set, or the embedded server's own bank."""
    if settings.source_url is not None:
        return settings.source_url.get_secret_value()
    return ensure_running(settings.home).url("bank", "bank")


def ensure_warehouse(settings: Settings) -> None:
    """Create what is missing of the warehouse, so that it can be asked before the first night."""
    with connect(warehouse_url(settings)) as connection:
        ensure_schema(connection, Rooms(settings).outputs)


def lake_owner(settings: Settings, bank: str | None = None) -> str:
    """What a lake is bound to: its rows are those of one source, by days in one time zone.

    Args:
        settings: of the run.
        bank: which simulated bank the embedded server is about to hold, if not the present one.
    """
    if settings.source_url is not None:
        name = name_of(settings.source_url.get_secret_value(), settings.source_queries)
    else:
        name = f"the embedded server: {bank or loaded_bank(source_url(settings))}"
    return f"{name}, days in {settings.bank_timezone}"


def warehouse_url(settings: Settings) -> str:
    """Where nights are published: what was set, or the embedded server."""
    if settings.warehouse_url is not None:
        return settings.warehouse_url.get_secret_value()
    return ensure_running(settings.home).url("warehouse", "risk_pipeline")
