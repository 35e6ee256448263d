"""What a source may deliver in place of the contract's columns and types, and what not."""

from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.contracts.contract import Contract
from pipeline.contracts.odcs import load_contract
from pipeline.contracts.schema import conform
from pipeline.errors import RisklineError
from tests.unit.small_contract import SMALL, write

CONTENT = deepcopy(SMALL)
CONTENT["schema"][0]["properties"].append({"name": "count", "logicalType": "integer"})


def rows_of(contract: Contract, **columns: pa.Array) -> pa.Table:
    length = max(len(values) for values in columns.values())
    given = {field.name: pa.nulls(length, field.type) for field in contract.arrow_schema}
    return pa.table({**given, **columns})


UTC_US = pa.timestamp("us", tz="UTC")

UUID = pa.array([bytes(range(16))], pa.binary(16)).cast(pa.uuid())
UUID_TEXT = "00010203-0405-0607-0809-0a0b0c0d0e0f"
CITEXT = pa.opaque(pa.string(), "citext", "PostgreSQL")
ADDRESS = pa.opaque(pa.binary(), "inet", "PostgreSQL")
# The bytes of a Latin-1 text, in a column that says it is UTF-8.
LATIN = pa.Array.from_buffers(
    pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\6\0\0\0"), pa.py_buffer(b"M\xfcller")]
)

FITTING: list[tuple[str, str, pa.Array, object]] = [
    ("a short whole number", "minutes", pa.array([7], pa.int8()), 7.0),
    ("a short float", "minutes", pa.array([0.5], pa.float32()), 0.5),
    ("decimal", "minutes", pa.array(["12.10"]).cast(pa.decimal128(9, 2)), 12.1),
    ("nearest float", "minutes", pa.array(["9007199254740.95"]).cast(pa.decimal128(15, 2)),
     9007199254740.95),
    ("not a number", "minutes", pa.array([float("nan")]), None),
    ("half a float", "minutes", pa.array([0.5], pa.float16()), 0.5),
    ("short decimal", "minutes", pa.array(["12.10"]).cast(pa.decimal32(5, 2)), 12.1),
    ("long decimal", "minutes", pa.array(["12.10"]).cast(pa.decimal256(50, 2)), 12.1),
    ("unsigned", "minutes", pa.array([7], pa.uint64()), 7.0),
    ("float that is whole", "count", pa.array([7.0]), 7),
    ("float that is whole, or nothing", "count", pa.array([float("nan")]), None),
    ("decimal that is whole", "count", pa.array(["7.00"]).cast(pa.decimal128(9, 2)), 7),
    ("short decimal that is whole", "count", pa.array(["7.00"]).cast(pa.decimal32(5, 2)), 7),
    ("unsigned that fits", "count", pa.array([7], pa.uint64()), 7),
    ("identifier", "visit_id", UUID, UUID_TEXT),
    ("text of a database's own", "visit_id", pa.array(["a"]).cast(CITEXT), "a"),
    ("json", "kind", pa.array(["{}"]).cast(pa.json_(pa.string())), "{}"),
    ("run-end encoded", "kind", pc.run_end_encode(pa.array(["call"])), "call"),
    ("category of numbers", "count", pa.array([7]).dictionary_encode(), 7),
    ("category of short numbers", "minutes", pa.array([7], pa.int8()).dictionary_encode(), 7.0),
    ("odd letters", "kind", pa.array(["\u00fc\u4e2d\U0001f600\x00"]), "\u00fc\u4e2d\U0001f600\x00"),
    ("number as key", "visit_id", pa.array([42], pa.int32()), "42"),
    ("large text", "visit_id", pa.array(["a"], pa.large_string()), "a"),
    ("text view", "visit_id", pa.array(["a"], pa.string_view()), "a"),
    ("category", "kind", pa.array(["call"]).dictionary_encode(), "call"),
    ("nothing, untyped", "first_day", pa.array([None]), None),
    ("nothing, of another type", "first_day", pa.array([None], pa.string()), None),
    ("midnight", "first_day", pa.array([0], pa.timestamp("ns")), date(1970, 1, 1)),
    ("midnight in UTC", "first_day", pa.array([86_400], pa.timestamp("s", "UTC")),
     date(1970, 1, 2)),
    ("milliseconds", "first_day", pa.array([0], pa.date64()), date(1970, 1, 1)),
    ("a day for an instant", "known_at", pa.array([date(1970, 1, 1)]),
     datetime(1970, 1, 1, tzinfo=UTC)),
    ("whole nanoseconds", "known_at", pa.array([1000], pa.timestamp("ns", "UTC")),
     datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "wanted"), [pytest.param(*case[1:], id=case[0]) for case in FITTING]
)
def test_a_type_that_loses_nothing_is_taken(
    name: str, given: pa.Array, wanted: object, tmp_path: Path
) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    landed = conform(rows_of(contract, **{name: given}), contract)
    assert landed.schema == contract.arrow_schema
    assert landed.column(name).to_pylist() == [wanted]


def test_an_instant_without_a_zone_is_utc(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    known = pa.array([1_600_000_000], pa.timestamp("s"))
    elsewhere = known.cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("s", "Asia/Shanghai"))
    for given in (known, elsewhere):
        landed = conform(rows_of(contract, known_at=given), contract).column("known_at")
        assert landed.cast(pa.int64()).to_pylist() == [1_600_000_000_000_000]


def test_there_is_one_zero(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    landed = conform(rows_of(contract, minutes=pa.array([-0.0])), contract)
    assert str(landed.column("minutes")[0].as_py()) == "0.0"


def test_columns_come_in_the_contracts_order_and_others_stay_behind(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    rows = rows_of(contract, visit_id=pa.array(["a"]), extra=pa.array([1]))
    assert conform(rows.select(rows.column_names[::-1]), contract).column_names == list(
        contract.column_names
    )


MISFITS: list[tuple[str, str, pa.Array]] = [
    ("text for a number", "minutes", pa.array(["7"])),
    ("float for a text", "visit_id", pa.array([1.5])),
    ("whole number for a boolean", "is_deleted", pa.array([1])),
    ("number for a date", "first_day", pa.array([20240101])),
    ("an hour for a date", "first_day", pa.array([3600], pa.timestamp("s"))),
    ("nanoseconds", "known_at", pa.array([1], pa.timestamp("ns", "UTC"))),
    ("a whole number no float holds", "minutes", pa.array([2**53 + 1])),
    (
        "midnight somewhere",
        "first_day",
        pa.array([16 * 3600], pa.timestamp("s", "Asia/Shanghai")),
    ),
    ("an hour in milliseconds", "first_day", pa.array([3_600_000], pa.int64()).cast(pa.date64())),
    ("an instant beyond all", "known_at", pa.array([2**62], pa.timestamp("s", "UTC"))),
    ("a time without a day", "known_at", pa.array([1], pa.time64("us"))),
    ("a float for a whole number", "count", pa.array([1.5])),
    ("infinity for a whole number", "count", pa.array([float("inf")])),
    ("a decimal for a whole number", "count", pa.array(["7.50"]).cast(pa.decimal128(9, 2))),
    ("a whole number too large", "count", pa.array([2**63], pa.uint64())),
    ("a boolean for a number", "minutes", pa.array([True])),
    ("a boolean for a text", "kind", pa.array([True])),
    ("a day for a text", "kind", pa.array([date(2024, 1, 1)])),
    ("a text for a day", "first_day", pa.array(["2024-01-01"])),
    ("bytes for a text", "kind", pa.array([b"call"])),
    ("bytes of a database's own", "kind", pa.array([b"call"]).cast(ADDRESS)),
    ("a text in Latin-1", "kind", LATIN),
    ("a category in Latin-1", "kind", LATIN.dictionary_encode()),
    ("a list", "kind", pa.array([["call"]])),
    ("a record", "kind", pa.array([{"kind": "call"}])),
]


@pytest.mark.parametrize(
    ("name", "given"), [pytest.param(*case[1:], id=case[0]) for case in MISFITS]
)
def test_what_does_not_fit_is_refused_in_one_line(
    name: str, given: pa.Array, tmp_path: Path
) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    with pytest.raises(RisklineError) as refused:
        conform(rows_of(contract, **{name: given}), contract)
    said = str(refused.value)
    assert said.startswith(f"table visits, column {name}: ")
    assert said.endswith("cast it in the source or in the query file visits.sql")
    assert "\n" not in said


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    rows = rows_of(contract, visit_id=pa.array(["a"])).drop_columns(["minutes"])
    with pytest.raises(RisklineError, match="table visits lacks the column minutes"):
        conform(rows, contract)


def test_capitals_do_not_matter(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    rows = rows_of(contract, visit_id=pa.array(["a"]))
    capitals = rows.rename_columns([name.upper() for name in rows.column_names])
    assert conform(capitals, contract).equals(conform(rows, contract))


def test_a_name_in_the_contracts_own_case_goes_first(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    rows = rows_of(contract, visit_id=pa.array(["a"]))
    both = rows.add_column(0, "VISIT_ID", pa.array(["b"]))
    assert conform(both, contract).column("visit_id").to_pylist() == ["a"]


@pytest.mark.parametrize("second", ["visit_id", "Visit_Id"])
def test_a_column_that_is_there_twice_is_refused(second: str, tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    rows = rows_of(contract, visit_id=pa.array(["a"]))
    names = [second.upper() if second != "visit_id" else second, *rows.column_names[1:]]
    twice = rows.rename_columns(names).append_column(second, pa.array(["b"]))
    with pytest.raises(RisklineError, match="table visits has the column visit_id twice"):
        conform(twice, contract)


def test_a_batch_of_no_rows_has_the_contracts_columns(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, CONTENT))
    nothing = pa.table({name: pa.nulls(0) for name in contract.column_names})
    assert conform(nothing, contract).equals(contract.arrow_schema.empty_table())


def test_what_lies_in_many_chunks_or_in_the_midst_of_one_is_taken(tmp_path: Path) -> None:
    """A slice of a batch keeps the whole batch's buffers, also those of its odd types."""
    contract = load_contract(write(tmp_path, CONTENT))
    ids = pa.array([bytes([n]) * 16 for n in range(4)], pa.binary(16)).cast(pa.uuid())
    kinds = pa.array(["call", None, "visit", "call"]).dictionary_encode()
    rows = rows_of(contract, visit_id=ids, kind=kinds)
    whole = conform(rows, contract)
    parts = pa.concat_tables([rows.slice(0, 1), rows.slice(1, 2), rows.slice(3)])
    assert conform(parts, contract).equals(whole)
    assert conform(rows.slice(2), contract).equals(whole.slice(2))
