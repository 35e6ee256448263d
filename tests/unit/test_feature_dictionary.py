"""What is generated from the declarations of features is what stands in the repository."""

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.contracts.odcs import load_contract
from pipeline.contracts.quarantine import REASONS, split
from pipeline.engines.duckdb import DuckDBEngine
from pipeline.features import dictionary
from pipeline.features.build import features_schema
from pipeline.features.contract import features_contract
from pipeline.features.declaration import Unit
from pipeline.features.registry import FEATURES


def test_the_page_and_the_contract_are_those_of_the_declarations(tmp_path: Path) -> None:
    page, contract = tmp_path / "README.md", tmp_path / "features.odcs.yaml"
    dictionary.write(page, contract)
    remedy = "run: make dictionary"
    assert dictionary.PAGE.read_text(encoding="utf-8") == page.read_text(encoding="utf-8"), remedy
    written = contract.read_text(encoding="utf-8")
    assert dictionary.CONTRACT.read_text(encoding="utf-8") == written, remedy


@pytest.mark.parametrize("name", FEATURES)
def test_each_feature_stands_on_the_page_with_its_words(name: str) -> None:
    declared = FEATURES[name]
    (line,) = (text for text in dictionary.page().splitlines() if text.startswith(f"| `{name}` "))
    for words in (
        declared.description, declared.unit.value, *declared.sources,
        declared.reason.english, declared.reason.chinese,
    ):  # fmt: skip
        assert words in line


def test_the_contract_as_a_file_is_the_one_that_a_night_is_held_to() -> None:
    from_file = load_contract(dictionary.CONTRACT)
    assert from_file == features_contract()
    assert from_file.arrow_schema == features_schema()
    assert from_file.key == ("customer_id",)


@pytest.mark.parametrize(
    ("unit", "value", "is_broken"),
    [
        (Unit.SHARE, 0.0, False),
        (Unit.SHARE, 1.0, False),
        (Unit.SHARE, 1.01, True),
        (Unit.SHARE, -0.01, True),
        (Unit.INSTALMENTS, -1.0, True),
        (Unit.MONEY, -1e12, False),
        (Unit.MONEY, 1e16, True),
        (Unit.DAYS, float("inf"), True),
    ],
)
def test_a_value_that_cannot_be_breaks_the_contract(
    unit: Unit, value: float, *, is_broken: bool
) -> None:
    name = next(feature.name for feature in FEATURES.values() if feature.unit is unit)
    row = dict.fromkeys(FEATURES) | {"customer_id": "A", "segment": "consumer", name: value}
    rows = pa.Table.from_pylist([row], schema=features_schema())
    sides = split(rows, features_contract(), DuckDBEngine(threads=1))
    reasons = [reason for row in sides.quarantined.to_pylist() for reason in row[REASONS]]
    assert [reason.split()[0] for reason in reasons] == ([name] if is_broken else [])
