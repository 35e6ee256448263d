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
SOURCES, OUTPUTS = (load_contracts(FOLDER / name) for name in ("sources", "outputs"))
CONTRACTS = {**SOURCES, **OUTPUTS}

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


@on_every_source
def test_what_is_personal_is_published_nowhere(contract: Contract) -> None:
    personal = {column.name for column in contract.columns if column.is_personal}
    published = {column.name for output in OUTPUTS.values() for column in output.columns}
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
    for name, contract in CONTRACTS.items():
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


def test_a_check_that_cannot_be_run_is_an_error_and_not_a_verdict() -> None:
    contract = SOURCES["repayments"]
    rows = contract.arrow_schema.empty_table().drop_columns(["due_amount"])
    one = pa.table({name: pa.nulls(1, rows.schema.field(name).type) for name in rows.column_names})

    def verdict() -> Verdict:
        return check_rows(contract, one)

    with pytest.raises(RuntimeError, match="due_amount"):
        verdict()
