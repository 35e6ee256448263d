"""A night of the healthy bank that a test may spoil, and what is there to see afterwards."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from pipeline import nightly
from pipeline.contracts.contract import Contract
from pipeline.contracts.judged import judged_name
from pipeline.contracts.references import references_of
from pipeline.errors import RisklineError
from pipeline.lake import UNDATED, Lake
from pipeline.settings import Settings
from tests.integration.corruptions.healthy_bank import CONTRACTS, NIGHT, SECRET

if TYPE_CHECKING:
    from datetime import date

LONGEST_LINE = 600


@dataclass(frozen=True)
class Night:
    """A lake of its own, and a source; contracts of the tables that are asked for."""

    home: Path
    url: str

    @property
    def settings(self) -> Settings:
        return Settings(
            home=self.home,
            source_url=SecretStr(self.url),
            contracts=self.home / "contracts",
            threads=1,
        )

    @property
    def source(self) -> Path:
        return Path(self.url)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake)

    def pull(self) -> None:
        nightly.pull(self.settings, NIGHT)

    def check(self) -> None:
        """Judge and gate what was pulled; no row may be lost on the way, whatever comes of it."""
        try:
            nightly.check(self.settings, NIGHT)
        finally:
            for count in self.lake.read("night", "counts", NIGHT).to_pylist():
                assert count["landed"] == count["valid"] + count["quarantined"]
                contract = CONTRACTS[count["table"]]
                undated = count["undated"]
                assert count["landed"] + undated == len(self.landed(contract.table))
                assert count["valid"] == len(self.valid(contract.table))
                assert count["quarantined"] + undated == len(self.quarantined(contract.table))

    def landed(self, table: str) -> pa.Table:
        """Rows of the days up to the night, and of none."""
        return self._rows("landed", table, CONTRACTS[table].arrow_schema)

    def valid(self, table: str) -> pa.Table:
        contract = CONTRACTS[table]
        return self._rows("valid", judged_name(contract), contract.arrow_schema)

    def quarantined(self, table: str) -> pa.Table:
        contract = CONTRACTS[table]
        schema = contract.arrow_schema.append(pa.field("_reasons", pa.list_(pa.string())))
        return self._rows("quarantined", judged_name(contract), schema)

    def failed_checks(self) -> set[str]:
        """What did not hold, as <table>.<check>, of either severity."""
        checks = self.lake.read("night", "checks", NIGHT).to_pylist()
        return {f"{c['table_name']}.{c['check_name']}" for c in checks if not c["passed"]}

    def refused(self, step: Callable[[], object]) -> str:
        """The one line that a step ends with: one that gives no customer away."""
        with pytest.raises(RisklineError) as refused:
            step()
        said = str(refused.value)
        assert "\n" not in said
        assert SECRET.lower() not in said.lower()
        assert len(said) < LONGEST_LINE
        return said

    def landed_files(self) -> dict[str, bytes]:
        """Each landed partition's bytes."""
        root = self.lake.root / "landed"
        return {str(f.relative_to(root)): f.read_bytes() for f in sorted(root.glob("*/*.parquet"))}

    def _rows(self, layer: str, name: str, schema: pa.Schema) -> pa.Table:
        days: list[date | str] = [day for day in self.lake.days(layer, name) if day <= NIGHT]
        if self.lake.exists(layer, name, UNDATED):
            days.append(UNDATED)
        parts = [self.lake.read(layer, name, day) for day in days]
        return pa.concat_tables([schema.empty_table(), *parts])


def with_references(table: str) -> tuple[str, ...]:
    """A table and those that it refers to, by however many steps."""
    found = {table}
    for reference in references_of(CONTRACTS[table]):
        found |= set(with_references(reference.table))
    return tuple(sorted(found))


def copy_contracts(tables: tuple[str, ...], home: Path) -> None:
    """The contracts of some tables, as if the lender had no others: a night of few is quick."""
    folder = home / "contracts" / "sources"
    folder.mkdir(parents=True)
    given = Settings().contracts
    for table in tables:
        shutil.copy2(given / "sources" / f"{table}.odcs.yaml", folder)
    shutil.copytree(given / "outputs", home / "contracts" / "outputs")


def link_tree(origin: Path, copy: Path) -> None:
    """A copy that shares bytes: files of a lake and of a source are replaced, never rewritten."""
    shutil.copytree(origin, copy, copy_function=os.link)


def replace(folder: Path, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Put another Parquet file in the place of a table's."""
    file = folder / f"{table}.parquet"
    rows = change(pq.read_table(file))
    file.unlink()
    pq.write_table(rows, file)


def with_column(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Rows with another column of that name in its place."""
    return rows.set_column(rows.column_names.index(name), name, values)


def broken_rules(reasons: list[str], contract: Contract) -> set[str]:
    """The names of the rules whose words a quarantined row bears."""
    names = {rule.describe(): rule.name for rule in contract.rules}
    return {names[reason] for reason in reasons}
