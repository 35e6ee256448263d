"""A small contract that uses every word the reader understands, for tests to change."""

from pathlib import Path
from typing import Any

import yaml

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
                    "quality": [
                        {
                            "name": "minutes_known",
                            "metric": "nullValues",
                            "unit": "percent",
                            "mustBeLessOrEqualTo": 12.5,
                            "severity": "warn",
                        },
                        {
                            "name": "minutes_against_past",
                            "type": "custom",
                            "engine": "riskline",
                            "severity": "fail",
                            "implementation": {
                                "fact": "day_median_against_past",
                                "mustBeBetween": [0.1, 10],
                            },
                        },
                    ],
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
                {
                    "name": "rows_against_past",
                    "type": "custom",
                    "engine": "riskline",
                    "severity": "warn",
                    "implementation": {
                        "fact": "day_rows_against_past",
                        "mustBeGreaterOrEqualTo": 0.5,
                    },
                },
            ],
        }
    ],
    "slaProperties": [
        {
            "id": "freshness",
            "property": "freshness",
            "element": "visits.known_at",
            "value": 4,
            "unit": "d",
            "description": "Somebody visits within four days.",
            "customProperties": [{"property": "severity", "value": "fail"}],
        }
    ],
    "customProperties": [{"property": "optional", "value": True}],
}
VISIT_ID, KIND, MINUTES, FIRST_DAY, LAST = range(5)
PAIR, DAY_ROWS, SHARE, AGAINST_PAST = range(4)
NULLS, MEDIAN = range(2)


def write(folder: Path, content: object, name: str = "visits") -> Path:
    file = folder / f"{name}.odcs.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def column(content: Any, place: int) -> Any:
    return content["schema"][0]["properties"][place]


def check(content: Any, place: int) -> Any:
    return content["schema"][0]["quality"][place]


def column_check(content: Any, place: int) -> Any:
    return column(content, MINUTES)["quality"][place]


def options(content: Any, place: int) -> Any:
    return column(content, place).setdefault("logicalTypeOptions", {})


def sla(content: Any) -> Any:
    return content["slaProperties"][0]


def prop(name: str, value: object) -> dict[str, object]:
    """A custom property."""
    return {"property": name, "value": value}


def link(to: str = "visits.visit_id", **custom: object) -> dict[str, object]:
    """A relationship to a column."""
    return {"to": to, "customProperties": [prop(name, value) for name, value in custom.items()]}


def before(references: str, via: str) -> dict[str, object]:
    """A demand that a date is not before that of another table."""
    return {
        "name": "not_before",
        "type": "custom",
        "engine": "riskline",
        "severity": "warn",
        "implementation": {
            "fact": "before_reference",
            "references": references,
            "via": via,
            "mustBeLessOrEqualTo": 0,
        },
    }
