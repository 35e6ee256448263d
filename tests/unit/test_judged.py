"""What judging leaves in the lake: every landed row on one side, and no byte twice."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import SecretStr

from pipeline import lookups, nightly
from pipeline.contracts.check import in_order_of_reference
from pipeline.contracts.contract import Column, Contract
from pipeline.contracts.judged import (
    TableCounts,
    judged_name,
    quarantine_table,
    quarantined_keys,
    valid_rows,
)
from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.quarantine import REASONS, Split, split
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.errors import RisklineError
from pipeline.lake import UNDATED, Lake
from pipeline.rooms import Rooms
from pipeline.settings import REPOSITORY, Settings

CONTRACTS = load_contracts(REPOSITORY / "data_contracts" / "sources")
CUSTOMERS = CONTRACTS["customers"]
DAY, NEXT = date(2024, 3, 1), date(2024, 3, 2)
ENGINE = DuckDBEngine(1)


def customers(*segments: str, day: date = DAY, prefix: str = "C") -> pa.Table:
    """A customer of each segment, known on the day."""
    known_at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    rows = [
        {
            "customer_id": f"{prefix}{number}",
            "segment": segment,
            "known_at": known_at,
            "is_deleted": False,
        }
        for number, segment in enumerate(segments)
    ]
    schema = CUSTOMERS.arrow_schema
    return pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema)


def judge(lake: Lake, contract: Contract = CUSTOMERS) -> TableCounts:
    return quarantine_table(contract, CONTRACTS, lake, ENGINE, NEXT, ZoneInfo("UTC"), 3)


def valid_file(lake: Lake, day: date = DAY) -> Path:
    return lake.file("valid", judged_name(CUSTOMERS), day)


def quarantined_file(lake: Lake, day: date = DAY) -> Path:
    return lake.file("quarantined", judged_name(CUSTOMERS), day)


def test_a_day_without_a_broken_row_is_not_written_twice(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "customers", DAY, customers("sme", "consumer"))
    assert judge(lake) == TableCounts("customers", landed=2, valid=2, quarantined=0)
    assert valid_file(lake).samefile(lake.file("landed", "customers", DAY))
    assert not quarantined_file(lake).exists()


def test_a_file_system_without_links_holds_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", no_links)
    lake = Lake(tmp_path)
    lake.write("landed", "customers", DAY, customers("sme"))
    assert judge(lake).valid == 1
    assert not valid_file(lake).samefile(lake.file("landed", "customers", DAY))
    stamp = valid_file(lake).stat().st_ino
    assert judge(lake).valid == 1
    assert valid_file(lake).stat().st_ino == stamp, "it was judged again for nothing"


def test_a_day_that_lands_again_is_judged_again_and_the_old_side_goes(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "customers", DAY, customers("sme", "giant", "consumer"))
    assert judge(lake) == TableCounts("customers", landed=3, valid=2, quarantined=1)
    broken = pq.ParquetFile(quarantined_file(lake)).read()
    assert broken["customer_id"].to_pylist() == ["C1"]
    assert broken[REASONS].to_pylist() == [["segment must be one of consumer, sme, corporate"]]

    lake.write("landed", "customers", DAY, customers("sme", "sme"))
    assert judge(lake) == TableCounts("customers", landed=2, valid=2, quarantined=0)
    assert not quarantined_file(lake).exists()


def test_what_was_linked_is_not_changed_by_a_later_landing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "customers", DAY, customers("sme"))
    judge(lake)
    before = valid_file(lake).read_bytes()
    lake.write("landed", "customers", DAY, customers("giant"))
    assert valid_file(lake).read_bytes() == before
    assert judge(lake) == TableCounts("customers", landed=1, valid=0, quarantined=1)
    rows = ENGINE.to_arrow(valid_rows(CUSTOMERS, lake, ENGINE, NEXT))
    assert len(rows) == 0


def test_days_are_judged_apart_however_many_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, one_by_one = Lake(tmp_path / "at_once"), Lake(tmp_path / "one_by_one")
    for lake in (at_once, one_by_one):
        lake.write("landed", "customers", DAY, customers("sme", "giant"))
        lake.write("landed", "customers", NEXT, customers("dwarf", "sme", day=NEXT))
    judge(at_once)
    monkeypatch.setattr("pipeline.contracts.judged.BYTES_AT_ONCE", 1)
    judge(one_by_one)
    for day in (DAY, NEXT):
        for side in (valid_file, quarantined_file):
            assert side(at_once, day).read_bytes() == side(one_by_one, day).read_bytes()


def test_what_is_moved_away_as_advised_is_gone(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.write("landed", "customers", DAY, customers("sme", "giant"))
    lake.write("landed", "customers", UNDATED, customers("dwarf", prefix="U"))
    judge(lake)
    lake.folder("landed", "customers").rename(tmp_path / "away")
    lake.write("landed", "customers", NEXT, customers("consumer", day=NEXT))
    assert judge(lake) == TableCounts("customers", landed=1, valid=1, quarantined=0)
    assert len(ENGINE.to_arrow(valid_rows(CUSTOMERS, lake, ENGINE, NEXT))) == 1
    assert len(quarantined_keys(CUSTOMERS, lake, ENGINE, NEXT)) == 0


def test_rows_never_known_are_counted_on_no_night(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "customers", DAY, customers("sme"))
    before = judge(lake)
    nameless = customers("sme", "sme", prefix="U")
    unknown = pa.nulls(len(nameless), pa.timestamp("us", "UTC"))
    place = nameless.column_names.index("known_at")
    lake.write("landed", "customers", UNDATED, nameless.set_column(place, "known_at", unknown))
    assert judge(lake) == replace(before, undated=2)
    keys = quarantined_keys(CUSTOMERS, lake, ENGINE, NEXT)["customer_id"].to_pylist()
    assert keys == ["U0", "U1"]


def test_a_day_that_lands_while_it_is_judged_is_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    lake.write("landed", "customers", DAY, customers("sme"))

    def split_slowly(rows: pa.Table, contract: Contract, engine: DuckDBEngine) -> Split:
        # As one would that does not ask whether somebody holds the table.
        lake.write("landed", "customers", DAY, customers("giant"))
        return split(rows, contract, engine)

    monkeypatch.setattr("pipeline.contracts.judged.split", split_slowly)
    judge(lake)
    assert not valid_file(lake).samefile(lake.file("landed", "customers", DAY))
    monkeypatch.undo()
    assert judge(lake) == TableCounts("customers", landed=1, valid=0, quarantined=1)


def test_rows_that_no_longer_fit_their_contract_are_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = customers("sme")
    place = rows.column_names.index("dependents")
    halves = rows.set_column(place, "dependents", pa.array([10.5]))
    lake.write("landed", "customers", DAY, halves)
    with pytest.raises(RisklineError, match=r"do not fit the types of this one; move .* away"):
        judge(lake)


def test_tables_come_after_those_they_refer_to() -> None:
    order = list(in_order_of_reference(CONTRACTS))
    assert sorted(order) == sorted(CONTRACTS)
    assert order.index("customers") < order.index("loans") < order.index("repayments")


def test_a_contract_changes_with_those_it_refers_to(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    shutil.copytree(REPOSITORY / "data_contracts" / "sources", folder)
    reworded(folder / "loans.odcs.yaml", lambda text: text.replace("Loans", "All loans"))
    changed = load_contracts(folder)
    differ = {name for name in CONTRACTS if changed[name].sha256 != CONTRACTS[name].sha256}
    assert differ == {"loans", "repayments"}


def reworded(file: Path, change: Callable[[str], str]) -> None:
    text = file.read_text(encoding="utf-8")
    assert change(text) != text
    file.write_text(change(text), encoding="utf-8")


def test_quarantined_rows_come_back_when_the_contract_is_corrected(tmp_path: Path) -> None:
    contracts, source = tmp_path / "contracts", tmp_path / "source"
    shutil.copytree(REPOSITORY / "data_contracts", contracts)
    source.mkdir()
    names = ["sme"] * 60 + ["farmer"]
    pq.write_table(customers(*names), source / "customers.parquet")
    write_loans(source, len(names))
    settings = Settings(
        home=tmp_path / "home", contracts=contracts, source_url=SecretStr(str(source)), threads=1
    )
    nightly.pull(settings, DAY)
    assert nightly.check(settings, DAY)["customers"] == 1
    keys = lookups.quarantined(settings, DAY)["customers"].to_pylist()
    assert [(row["customer_id"], len(row["reasons"])) for row in keys] == [("C60", 1)]

    file = contracts / "sources" / "customers.odcs.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    segment = content["schema"][0]["properties"][1]
    assert segment["name"] == "segment"
    segment["enum"].append({"value": "farmer", "description": "a farm"})
    file.write_text(yaml.safe_dump(content), encoding="utf-8")

    nightly.pull(settings, DAY)
    assert nightly.check(settings, DAY)["customers"] == 0
    assert lookups.quarantined(settings, DAY)["customers"].num_rows == 0
    rooms = Rooms(settings)
    rows = valid_rows(rooms.contracts["customers"], rooms.lake, rooms.engine, DAY)
    assert "farmer" in rooms.engine.to_arrow(rows)["segment"].to_pylist()


def write_loans(source: Path, count: int) -> None:
    """A loan of each customer, with one instalment."""
    known_at = datetime(DAY.year, DAY.month, DAY.day, 13, tzinfo=UTC)
    for name, row in {
        "loans": {
            "principal": 100.0,
            "originated_at": DAY,
            "maturity_date": NEXT,
        },
        "repayments": {"instalment_no": 1, "due_date": NEXT, "due_amount": 101.0},
    }.items():
        schema = CONTRACTS[name].arrow_schema
        every = [
            {
                **row,
                "loan_id": f"L{number}",
                "customer_id": f"C{number}",
                "known_at": known_at,
                "is_deleted": False,
            }
            for number in range(count)
        ]
        rows = [{column: one.get(column) for column in schema.names} for one in every]
        pq.write_table(pa.Table.from_pylist(rows, schema), source / f"{name}.parquet")


def test_tables_that_refer_in_a_circle_are_refused() -> None:
    back = Column(
        "first_loan", "string", "", is_required=False, is_personal=False, references="loans.loan_id"
    )
    circle = replace(CUSTOMERS, columns=(*CUSTOMERS.columns, back))
    with pytest.raises(RisklineError, match=r"in a circle: .*; take one relationship out"):
        in_order_of_reference({"customers": circle, "loans": CONTRACTS["loans"]})
