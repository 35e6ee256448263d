"""The contracts of the repository: that they keep the standard, and say what they mean."""

import json
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from jsonschema import Draft201909Validator

from pipeline.contracts import dictionary
from pipeline.contracts.contract import Contract, Metric, Severity
from pipeline.contracts.expectations import Verdict, check_rows
from pipeline.contracts.odcs import load_contracts

FOLDER = Path(__file__).parents[2] / "data_contracts"
FILES = sorted(FOLDER.rglob("*.yaml"))
SOURCES, OUTPUTS, LAKE = (load_contracts(FOLDER / name) for name in ("sources", "outputs", "lake"))
CONTRACTS = {**SOURCES, **OUTPUTS, **LAKE}

on_every_contract = pytest.mark.parametrize(
    "contract", [pytest.param(contract, id=name) for name, contract in CONTRACTS.items()]
)


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
    assert contract.purpose
    assert contract.grain
    assert contract.key
    sentences = [
        *(column.description for column in contract.columns),
        *(check.description for check in contract.batch_checks),
    ]
    assert [said for said in sentences if not said.endswith((".", "?"))] == []
    allowed = [value for column in contract.columns for value in column.allowed]
    assert [value for value in allowed if not value.description] == []


on_every_source = pytest.mark.parametrize(
    "contract", [pytest.param(contract, id=name) for name, contract in SOURCES.items()]
)


def test_the_tables_are_those_of_the_design() -> None:
    required = {name for name, contract in SOURCES.items() if not contract.is_optional}
    assert required == {"customers", "loans", "repayments"}
    assert SOURCES.keys() - required == {
        "financials",
        "transactions",
        "interactions",
        "assessments",
        "bureau",
        "relationships",
        "industry_outlook",
        "defaults",
        "external_signals",
    }


@on_every_source
def test_a_source_has_versions(contract: Contract) -> None:
    assert contract.is_versioned
    assert contract.key[-1] == "known_at"


@on_every_source
def test_a_source_is_gated(contract: Contract) -> None:
    """Freshness, the share quarantined and references; a fail only where no run can do without."""
    checks = {check.metric: check for check in contract.batch_checks}
    assert {Metric.AGE_DAYS, Metric.HISTORY_QUARANTINED_PCT} <= checks.keys()
    customers = {"customer_id", "related_customer_id"} & set(contract.column_names)
    if contract.table != "customers":
        assert {c.name for c in contract.columns if c.references} >= customers
    assert checks[Metric.LOST_ROWS].severity is Severity.FAIL
    if contract.is_optional:
        fails = [c.metric for c in contract.batch_checks if c.severity is Severity.FAIL]
        assert fails == [Metric.LOST_ROWS]


PERSONAL: dict[str, dict[str, set[str]]] = {
    # what the page says is personal, and the columns that tell of it
    "names a person": {"customers": {"name", "national_id"}},
    "birth": {"customers": {"birth_date"}},
    "family": {
        "customers": {"marital_status", "dependents"},
        "relationships": {"relation", "since", "until"},
    },
    "schooling": {"customers": {"education"}},
    "work": {"customers": {"industry_code", "occupation", "employed_since"}},
    "home": {"customers": {"resident_since"}},
    "single bookings": {
        "transactions": {"posted_at", "amount", "channel", "category", "balance_after"}
    },
    "single contacts": {
        "interactions": {"occurred_at", "channel", "kind", "sentiment", "satisfaction"}
    },
    "what others say of the customer": {"external_signals": {"kind", "value"}},
}


def test_personal_is_what_the_page_says_is_personal() -> None:
    marked = {
        (name, column.name)
        for name, contract in CONTRACTS.items()
        for column in contract.columns
        if column.is_personal
    }
    assert marked == {
        (table, column)
        for tables in PERSONAL.values()
        for table, columns in tables.items()
        for column in columns
    }
    page = " ".join(dictionary.page(SOURCES, OUTPUTS).split())
    definition = page.split("**Personal** marks")[1].split("- **")[0]
    assert [theme for theme in PERSONAL if theme not in definition] == []


@on_every_source
def test_what_is_personal_is_published_nowhere(contract: Contract) -> None:
    personal = {column.name for column in contract.columns if column.is_personal}
    # Of a table without customers, a column of the same name tells nothing of one.
    of_customers = [each for each in OUTPUTS.values() if "customer_id" in each.column_names]
    published = {column.name for output in of_customers for column in output.columns}
    assert {"risk_scores", "risk_tiers", "warning_list"} <= {each.table for each in of_customers}
    assert personal & published == set()


@on_every_contract
def test_key_columns_have_values(contract: Contract) -> None:
    required = {c.name for c in contract.columns if c.is_required}
    assert set(contract.key) <= required


@on_every_contract
def test_every_text_and_number_is_bounded(contract: Contract) -> None:
    """Text of a source by a list or a length, numbers by what no infinity keeps."""
    demands = {rule.name for rule in contract.rules}
    for column in contract.columns:
        if column.type == "string":
            assert demands & {f"{column.name}_allowed", f"{column.name}_clean"}
            if contract.is_versioned:
                assert demands & {f"{column.name}_allowed", f"{column.name}_length"}
        elif column.type in {"number", "date", "timestamp"}:
            assert f"{column.name}_in_range" in demands


def test_the_dictionary_is_up_to_date(tmp_path: Path) -> None:
    """To renew it: python -m pipeline.contracts.dictionary."""
    again = tmp_path / "README.md"
    dictionary.write(again)
    assert dictionary.PAGE.read_text(encoding="utf-8") == again.read_text(encoding="utf-8")


def test_the_dictionary_leaves_nothing_out() -> None:
    page = dictionary.page(SOURCES, OUTPUTS)
    for name, contract in {**SOURCES, **OUTPUTS}.items():
        section = page.split(f"### {name}\n")[1].split("\n### ")[0].split("\n## ")[0]
        said = " ".join(section.split())
        for column in contract.columns:
            assert f"| `{column.name}` |" in section
            assert " ".join(column.description.split()) in said
            for value in column.allowed:
                assert value.description in said
        for rule in contract.rules:
            demand = rule.describe()
            subject, _, words = demand.partition(" ")
            assert demand in section or (words in section and f"`{subject}`" in section)
        for check in contract.batch_checks:
            assert f"| `{check.name}` |" in section
            bound = check.threshold.replace(">=", "at least").replace("<=", "at most")
            assert f" | {bound.replace('= 0', 'exactly 0')} | " in section


def test_a_small_bank_or_a_quiet_day_stops_no_night() -> None:
    """Only what can tell a feed that did not come from a day without business stops the run."""
    counted = {
        check.metric: check.severity
        for check in SOURCES["repayments"].batch_checks
        if check.metric is not Metric.DAY_ROWS_AGAINST_PAST
    }
    assert counted[Metric.DAY_ROWS] is Severity.WARN
    assert counted[Metric.HISTORY_ROWS] is counted[Metric.AGE_DAYS] is Severity.FAIL
    against_past = {
        check.name: (check.severity, check.minimum, check.maximum)
        for check in SOURCES["repayments"].batch_checks
        if check.metric is Metric.DAY_ROWS_AGAINST_PAST
    }
    assert against_past == {
        "feed_arrived": (Severity.FAIL, 0.01, None),
        "rows_against_past": (Severity.WARN, 0.1, 10),
    }


def test_a_check_that_cannot_be_run_is_an_error_and_not_a_verdict() -> None:
    contract = SOURCES["repayments"]
    rows = contract.arrow_schema.empty_table().drop_columns(["due_amount"])
    one = pa.table({name: pa.nulls(1, rows.schema.field(name).type) for name in rows.column_names})

    def verdict() -> Verdict:
        return check_rows(contract, one)

    with pytest.raises(RuntimeError, match="due_amount"):
        verdict()
