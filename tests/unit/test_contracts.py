"""The contracts of the repository, and what the loader says to those that are none."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import yaml
from jsonschema import Draft201909Validator
from psycopg import sql

from pipeline.contracts.contract import (
    LAST_DAY,
    Contract,
    Metric,
    Severity,
    load_contract,
    load_contracts,
)
from pipeline.contracts.ddl import create_table
from pipeline.contracts.expectations import CheckResult, check_rows
from pipeline.contracts.rules import (
    LengthWithin,
    OneOf,
    Required,
    UniqueKey,
    UnlessWithdrawn,
    Within,
)
from pipeline.contracts.schema import conform
from pipeline.errors import RisklineError
from pipeline.warehouse.server import Server

FOLDER = Path(__file__).parents[2] / "data_contracts"
FILES = sorted(FOLDER.rglob("*.yaml"))
CONTRACTS = {**load_contracts(FOLDER / "sources"), **load_contracts(FOLDER / "outputs")}

on_every_contract = pytest.mark.parametrize(
    "contract", [pytest.param(contract, id=name) for name, contract in CONTRACTS.items()]
)

SMALL: dict[str, Any] = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "test",
    "name": "visits",
    "version": "1.0.0",
    "status": "active",
    "schema": [
        {
            "name": "visits",
            "description": "Visits to a branch.",
            "dataGranularityDescription": "one version of one visit",
            "properties": [
                {
                    "name": "visit_id",
                    "description": "The branch's own \"number\"; it's a text.",
                    "logicalType": "string",
                    "logicalTypeOptions": {"minLength": 1, "maxLength": 8},
                    "required": True,
                    "primaryKey": True,
                    "primaryKeyPosition": 1,
                },
                {
                    "name": "kind",
                    "logicalType": "string",
                    "enum": [{"value": "call"}, {"value": "visit"}],
                    "classification": "personal",
                },
                {
                    "name": "minutes",
                    "logicalType": "number",
                    "logicalTypeOptions": {"exclusiveMinimum": 0, "maximum": 90},
                },
                {
                    "name": "first_day",
                    "logicalType": "date",
                    "logicalTypeOptions": {"minimum": "2001-02-03"},
                },
                {"name": "last_day", "logicalType": "date"},
                {
                    "name": "known_at",
                    "logicalType": "timestamp",
                    "required": True,
                    "primaryKey": True,
                    "primaryKeyPosition": 2,
                },
                {"name": "is_deleted", "logicalType": "boolean", "required": True},
            ],
            "quality": [
                {
                    "name": "last_not_before_first",
                    "type": "custom",
                    "engine": "great-expectations",
                    "implementation": {
                        "type": "expect_column_pair_values_a_to_be_greater_than_b",
                        "kwargs": {
                            "column_A": "last_day",
                            "column_B": "first_day",
                            "or_equal": True,
                        },
                    },
                },
                {
                    "name": "rows_of_the_day",
                    "metric": "rowCount",
                    "mustBeGreaterThan": 2,
                    "severity": "warn",
                    "customProperties": [{"property": "scope", "value": "day"}],
                },
                {
                    "name": "share_quarantined_pct",
                    "metric": "invalidValues",
                    "unit": "percent",
                    "mustBeLessOrEqualTo": 5,
                    "severity": "fail",
                },
            ],
        }
    ],
    "customProperties": [{"property": "optional", "value": True}],
}
VISIT_ID, KIND, MINUTES, FIRST_DAY, LAST = range(5)
PAIR, DAY_ROWS, SHARE = range(3)


def write(folder: Path, content: object, name: str = "visits") -> Path:
    file = folder / f"{name}.odcs.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def column(content: Any, place: int) -> Any:
    return content["schema"][0]["properties"][place]


def check(content: Any, place: int) -> Any:
    return content["schema"][0]["quality"][place]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_contract_keeps_the_standard(file: Path) -> None:
    schema = resources.files("open_data_contract_standard").joinpath("schema.json").read_text()
    validator = Draft201909Validator(json.loads(schema))
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(content)] == []
    assert file.name == f"{content['schema'][0]['name']}.odcs.yaml"


def test_no_file_of_the_folder_is_left_out() -> None:
    assert len(CONTRACTS) == len(FILES)


@on_every_contract
def test_a_contract_says_what_it_is_about(contract: Contract) -> None:
    assert contract.description
    assert contract.grain
    assert [c.name for c in contract.columns if not c.description] == []
    assert [c.name for c in contract.batch_checks if not c.description] == []
    assert contract.key


@pytest.mark.parametrize("table", sorted(load_contracts(FOLDER / "sources")))
def test_a_source_has_versions(table: str) -> None:
    assert CONTRACTS[table].is_versioned
    assert CONTRACTS[table].key[-1] == "known_at"


@on_every_contract
def test_key_columns_have_values(contract: Contract) -> None:
    required = {c.name for c in contract.columns if c.is_required}
    assert set(contract.key) <= required


def test_a_contract_becomes_columns_rules_and_checks(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, SMALL))

    assert contract.arrow_schema == pa.schema(
        [
            ("visit_id", pa.string()),
            ("kind", pa.string()),
            ("minutes", pa.float64()),
            ("first_day", pa.date32()),
            ("last_day", pa.date32()),
            ("known_at", pa.timestamp("us", tz="UTC")),
            ("is_deleted", pa.bool_()),
        ]
    )
    assert (contract.key, contract.entity_key) == (("visit_id", "known_at"), ("visit_id",))
    assert contract.is_optional
    assert [c.name for c in contract.columns if c.is_personal] == ["kind"]
    first, last = date(1000, 1, 1), LAST_DAY
    order = ("visit_id", "known_at", "kind", "minutes", "first_day", "last_day", "is_deleted")
    rules = {rule.name: rule for rule in contract.rules}
    assert rules.pop("last_not_before_first").describe() == (
        "last_day must not lie before first_day"
    )
    assert list(rules.values()) == [
        Required("visit_id"),
        LengthWithin("visit_id", 1, 8),
        UnlessWithdrawn(OneOf("kind", ("call", "visit")), "is_deleted"),
        UnlessWithdrawn(Within("minutes", 0, 90, is_minimum_excluded=True), "is_deleted"),
        UnlessWithdrawn(Within("first_day", date(2001, 2, 3), last), "is_deleted"),
        UnlessWithdrawn(Within("last_day", first, last), "is_deleted"),
        Required("known_at"),
        Within("known_at", first, last),
        Required("is_deleted"),
        UniqueKey(("visit_id", "known_at"), order),
    ]
    found = [(c.name, c.metric, c.severity, c.threshold) for c in contract.batch_checks]
    assert found == [
        ("rows_of_the_day", Metric.DAY_ROWS, Severity.WARN, ">= 3"),
        ("share_quarantined_pct", Metric.HISTORY_QUARANTINED_PCT, Severity.FAIL, "<= 5"),
    ]


def test_another_text_is_another_contract(tmp_path: Path) -> None:
    changed = deepcopy(SMALL)
    column(changed, MINUTES)["logicalTypeOptions"]["maximum"] = 91
    one = load_contract(write(tmp_path, SMALL)).sha256
    assert load_contract(write(tmp_path, changed)).sha256 != one


Change = Callable[[Any], object]

BROKEN: list[tuple[str, Change, str]] = [
    ("no kind", lambda c: c.pop("kind"), "'kind' is a required property"),
    ("no schema", lambda c: c.pop("schema"), "exactly one table"),
    ("two tables", lambda c: c["schema"].append(c["schema"][0]), "exactly one table"),
    ("no properties", lambda c: c["schema"][0].pop("properties"), "name and properties"),
    ("table's name", lambda c: c["schema"][0].update(name="The Visits"), "'The Visits' is no name"),
    ("column's name", lambda c: column(c, KIND).update(name='a"b'), "'a\"b' is no name"),
    ("column twice", lambda c: column(c, KIND).update(name="minutes"), "two columns are named"),
    ("made-up type", lambda c: column(c, KIND).update(logicalType="text"), "logicalType"),
    ("type not held", lambda c: column(c, LAST).update(logicalType="time"), "logicalType time"),
    ("no type", lambda c: column(c, LAST).pop("logicalType"), "at schema/0/properties/4"),
    (
        "pattern",
        lambda c: column(c, VISIT_ID)["logicalTypeOptions"].update(pattern="V.*"),
        "column visit_id: cannot check pattern",
    ),
    (
        "exclusive maximum",
        lambda c: column(c, MINUTES)["logicalTypeOptions"].update(exclusiveMaximum=9),
        "column minutes: cannot check exclusiveMaximum",
    ),
    (
        "two minima",
        lambda c: column(c, MINUTES)["logicalTypeOptions"].update(minimum=1),
        "column minutes: cannot check exclusiveMinimum, maximum, minimum",
    ),
    (
        "bound that is no date",
        lambda c: column(c, FIRST_DAY)["logicalTypeOptions"].update(minimum="yesterday"),
        "column first_day: the bound 'yesterday' is no date",
    ),
    (
        "bound of a bare date",
        lambda c: column(c, FIRST_DAY)["logicalTypeOptions"].update(minimum=date(2001, 2, 3)),
        "is not of type 'string'",
    ),
    ("empty enum", lambda c: column(c, KIND).update(enum=[]), "enum"),
    (
        "enum of yes and no",
        lambda c: column(c, KIND).update(enum=[{"value": True}, {"value": False}]),
        "column kind: an enum must list texts",
    ),
    (
        "enum of numbers",
        lambda c: column(c, MINUTES).update(enum=[{"value": "1"}]),
        "column minutes: an enum must list texts",
    ),
    ("unique column", lambda c: column(c, KIND).update(unique=True), "unique are not understood"),
    (
        "quality of a column",
        lambda c: column(c, KIND).update(quality=[{"metric": "nullValues", "mustBe": 0}]),
        "column kind: quality and unique are not understood",
    ),
    (
        "unknown metric",
        lambda c: check(c, SHARE).update(metric="nullValues"),
        "check share_quarantined_pct: only rowCount",
    ),
    (
        "made-up metric",
        lambda c: check(c, SHARE).update(metric="rowsPerHour"),
        "breaks the Open Data Contract Standard at schema/0/quality/2",
    ),
    (
        "text check",
        lambda c: c["schema"][0]["quality"].append({"name": "nice", "type": "text"}),
        "check nice: only rowCount",
    ),
    (
        "share in rows",
        lambda c: check(c, SHARE).update(unit="rows"),
        "check share_quarantined_pct: only rowCount",
    ),
    (
        "bound of another side",
        lambda c: check(c, DAY_ROWS).update(
            mustBeLessThan=check(c, DAY_ROWS).pop("mustBeGreaterThan")
        ),
        "check rows_of_the_day: only rowCount",
    ),
    (
        "unknown scope",
        lambda c: check(c, DAY_ROWS)["customProperties"][0].update(value="hour"),
        "check rows_of_the_day: it needs a name, and the scope day or history",
    ),
    ("nameless check", lambda c: check(c, DAY_ROWS).pop("name"), "it needs a name"),
    ("wrong severity", lambda c: check(c, SHARE).update(severity="error"), "must be fail or warn"),
    ("no severity", lambda c: check(c, SHARE).pop("severity"), "must be fail or warn"),
    (
        "two checks of a name",
        lambda c: check(c, SHARE).update(name="rows_of_the_day"),
        "two rules are named rows_of_the_day",
    ),
    (
        "unknown expectation",
        lambda c: check(c, PAIR)["implementation"].update(type="expect_table_row_count"),
        "rule last_not_before_first: only expect_column_pair",
    ),
    (
        "pair that must differ",
        lambda c: check(c, PAIR)["implementation"]["kwargs"].pop("or_equal"),
        "or_equal must be true",
    ),
    (
        "pair without a side",
        lambda c: check(c, PAIR)["implementation"]["kwargs"].pop("column_B"),
        "must be two columns of one type, not last_day and None",
    ),
    (
        "pair of types",
        lambda c: check(c, PAIR)["implementation"]["kwargs"].update(column_B="minutes"),
        "must be two columns of one type, not last_day and minutes",
    ),
    (
        "optional in words",
        lambda c: c["customProperties"][0].update(value="false"),
        "optional must be true or false",
    ),
]


@pytest.mark.parametrize(
    ("change", "words"),
    [pytest.param(change, words, id=name) for name, change, words in BROKEN],
)
def test_a_broken_contract_is_refused_in_one_line(
    change: Change, words: str, tmp_path: Path
) -> None:
    content = deepcopy(SMALL)
    change(content)
    file = write(tmp_path, content)

    with pytest.raises(RisklineError) as refused:
        load_contract(file)

    assert words in str(refused.value)
    assert "contract visits.odcs.yaml" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"schema: [", "cannot be read: while parsing"),
        (b"", "not a mapping"),
        (b"- a\n- b\n", "not a mapping"),
        (b"name: \xff\xfe", "cannot be read: 'utf-8'"),
        (b"a: !!python/object:os.system {}", "cannot be read: could not determine"),
    ],
)
def test_what_is_no_contract_at_all_is_refused_in_one_line(
    text: bytes, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "visits.odcs.yaml"
    file.write_bytes(text)

    with pytest.raises(RisklineError) as refused:
        load_contract(file)

    assert str(refused.value).startswith("contract visits.odcs.yaml")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_contract_that_cannot_be_opened_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "visits.odcs.yaml").mkdir()
    with pytest.raises(RisklineError, match=r"contract visits\.odcs\.yaml cannot be read"):
        load_contracts(tmp_path)


def test_a_folder_without_contracts_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RisklineError, match=r"no data contract .* set RISK_CONTRACTS"):
            load_contracts(folder)


def test_two_files_for_one_table_are_refused(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    write(tmp_path, SMALL, name="visits_too")
    with pytest.raises(RisklineError, match=r"visits_too\.odcs\.yaml: another file"):
        load_contracts(tmp_path)


@pytest.mark.parametrize("target", ["branches.branch_id", "visits.minutes", "visits", "visits.x"])
def test_a_reference_to_nowhere_is_refused(target: str, tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    column(content, KIND)["relationships"] = [{"type": "foreignKey", "to": target}]
    write(tmp_path, content)
    with pytest.raises(RisklineError, match=r"column kind: .*references|breaks the Open Data"):
        load_contracts(tmp_path)


def test_a_reference_becomes_a_check(tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    column(content, KIND)["relationships"] = [{"type": "foreignKey", "to": "visits.visit_id"}]
    write(tmp_path, content)
    orphans = load_contracts(tmp_path)["visits"].batch_checks[0]
    assert (orphans.name, orphans.metric) == ("kind_references_visits_visit_id", Metric.ORPHANS)


@on_every_contract
def test_a_contract_becomes_a_table_with_comments(
    contract: Contract, shared_server: Server
) -> None:
    with psycopg.connect(shared_server.url("warehouse", "risk_pipeline")) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA scratch"))
        for _ in range(2):  # what is there already is left alone
            connection.execute(create_table(contract, "scratch"))
        table_comment = "SELECT obj_description(%s::regclass, 'pg_class')"
        name = f"scratch.{contract.table}"
        said = connection.execute(table_comment, [name]).fetchone()
        described = connection.execute(
            "SELECT attname, format_type(atttypid, NULL), attnotnull, "
            "col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            [name],
        ).fetchall()
        key = connection.execute(
            "SELECT array_agg(attname::text ORDER BY place) FROM pg_index, "
            "unnest(indkey) WITH ORDINALITY AS part(attnum, place) "
            "JOIN pg_attribute USING (attnum) WHERE indisprimary AND indrelid = %(table)s::regclass"
            " AND attrelid = %(table)s::regclass",
            {"table": name},
        ).fetchone()
        connection.rollback()
    types = {
        "string": "text",
        "date": "date",
        "timestamp": "timestamp with time zone",
        "number": "double precision",
        "integer": "bigint",
        "boolean": "boolean",
    }
    assert said == (contract.description,)
    assert key == (list(contract.key),)
    assert described == [
        (c.name, c.physical_type or types[c.type], c.is_required, c.description)
        for c in contract.columns
    ]


def test_quotes_in_a_description_stay(tmp_path: Path, shared_server: Server) -> None:
    contract = load_contract(write(tmp_path, SMALL))
    with psycopg.connect(shared_server.url("warehouse", "risk_pipeline")) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA scratch"))
        connection.execute(create_table(contract, "scratch"))
        said = connection.execute(
            "SELECT col_description('scratch.visits'::regclass, 1)"
        ).fetchone()
        connection.rollback()
    assert said == ("The branch's own \"number\"; it's a text.",)


def test_a_physical_type_that_is_not_known_is_refused(tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    column(content, KIND)["physicalType"] = "text; DROP TABLE risk.runs"
    contract = load_contract(write(tmp_path, content))
    with pytest.raises(RisklineError, match="table visits, column kind: physicalType text; DROP"):
        create_table(contract, "scratch")


def rows_of(contract: Contract, **columns: pa.Array) -> pa.Table:
    length = max(len(values) for values in columns.values())
    given = {field.name: pa.nulls(length, field.type) for field in contract.arrow_schema}
    return pa.table({**given, **columns})


UTC_US = pa.timestamp("us", tz="UTC")

FITTING: list[tuple[str, str, pa.Array, object]] = [
    ("a short whole number", "minutes", pa.array([7], pa.int8()), 7.0),
    ("a short float", "minutes", pa.array([0.5], pa.float32()), 0.5),
    ("decimal", "minutes", pa.array(["12.10"]).cast(pa.decimal128(9, 2)), 12.1),
    ("nearest float", "minutes", pa.array(["9007199254740.95"]).cast(pa.decimal128(15, 2)),
     9007199254740.95),
    ("not a number", "minutes", pa.array([float("nan")]), None),
    ("number as key", "visit_id", pa.array([42], pa.int32()), "42"),
    ("large text", "visit_id", pa.array(["a"], pa.large_string()), "a"),
    ("text view", "visit_id", pa.array(["a"], pa.string_view()), "a"),
    ("category", "kind", pa.array(["call"]).dictionary_encode(), "call"),
    ("nothing, untyped", "first_day", pa.array([None]), None),
    ("nothing, of another type", "first_day", pa.array([None], pa.string()), None),
    ("midnight", "first_day", pa.array([0], pa.timestamp("ns")), date(1970, 1, 1)),
    ("milliseconds", "first_day", pa.array([0], pa.date64()), date(1970, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "wanted"), [pytest.param(*case[1:], id=case[0]) for case in FITTING]
)
def test_a_type_that_loses_nothing_is_taken(
    name: str, given: pa.Array, wanted: object, tmp_path: Path
) -> None:
    contract = load_contract(write(tmp_path, SMALL))
    landed = conform(rows_of(contract, **{name: given}), contract)
    assert landed.schema == contract.arrow_schema
    assert landed.column(name).to_pylist() == [wanted]


def test_an_instant_without_a_zone_is_utc(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, SMALL))
    known = pa.array([1_600_000_000], pa.timestamp("s"))
    elsewhere = known.cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("s", "Asia/Shanghai"))
    for given in (known, elsewhere):
        landed = conform(rows_of(contract, known_at=given), contract).column("known_at")
        assert landed.cast(pa.int64()).to_pylist() == [1_600_000_000_000_000]


def test_there_is_one_zero(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, SMALL))
    landed = conform(rows_of(contract, minutes=pa.array([-0.0])), contract)
    assert str(landed.column("minutes")[0].as_py()) == "0.0"


def test_columns_come_in_the_contracts_order_and_others_stay_behind(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, SMALL))
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
    ("a list", "kind", pa.array([["call"]])),
]


@pytest.mark.parametrize(
    ("name", "given"), [pytest.param(*case[1:], id=case[0]) for case in MISFITS]
)
def test_what_does_not_fit_is_refused_in_one_line(
    name: str, given: pa.Array, tmp_path: Path
) -> None:
    contract = load_contract(write(tmp_path, SMALL))
    with pytest.raises(RisklineError) as refused:
        conform(rows_of(contract, **{name: given}), contract)
    said = str(refused.value)
    assert said.startswith(f"table visits, column {name}: ")
    assert said.endswith("cast it in the source or in the query file visits.sql")
    assert "\n" not in said


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, SMALL))
    rows = rows_of(contract, visit_id=pa.array(["a"])).drop_columns(["minutes"])
    with pytest.raises(RisklineError, match="table visits lacks the column minutes"):
        conform(rows, contract)


def test_a_check_that_cannot_be_run_is_an_error_and_not_a_verdict(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, SMALL))
    rows = rows_of(contract, visit_id=pa.array(["a"])).drop_columns(["minutes"])

    def verdicts() -> list[CheckResult]:
        return check_rows(contract, rows)

    with pytest.raises(RuntimeError, match="visits, minutes_in_range"):
        verdicts()
