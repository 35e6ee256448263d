"""What the reader makes of one table's references to another."""

from copy import deepcopy
from pathlib import Path

import pytest

from pipeline.contracts.contract import BatchCheck, Metric, Severity
from pipeline.contracts.odcs import load_contracts
from pipeline.errors import RisklineError
from tests.unit.small_contract import (
    FIRST_DAY,
    KIND,
    SMALL,
    before,
    column,
    link,
    sla,
    write,
)


@pytest.mark.parametrize("target", ["branches.branch_id", "visits.minutes", "visits", "visits.x"])
def test_a_reference_to_nowhere_is_refused(target: str, tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    column(content, KIND)["relationships"] = [{"type": "foreignKey", "to": target}]
    write(tmp_path, content)
    with pytest.raises(RisklineError, match=r"column kind: .*references|breaks the Open Data"):
        load_contracts(tmp_path)


def test_tables_that_refer_to_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    for one, other in (("visits", "calls"), ("calls", "visits")):
        content = deepcopy(SMALL)
        content["schema"][0]["name"] = one
        sla(content)["element"] = f"{one}.known_at"
        column(content, KIND)["relationships"] = [link(f"{other}.visit_id")]
        write(tmp_path, content, name=one)
    with pytest.raises(RisklineError, match=r"in a circle: .*visits.*; take one relationship out"):
        load_contracts(tmp_path)


def test_a_reference_becomes_a_check(tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    column(content, KIND)["relationships"] = [link()]
    write(tmp_path, content)
    checks = load_contracts(tmp_path)["visits"].batch_checks
    assert [c for c in checks if c.references] == [
        BatchCheck(
            "kind_references_visits_visit_id",
            Metric.ORPHANS,
            Severity.WARN,
            "Every row's kind is known (kind leads to visits.visit_id).",
            maximum=0,
            column="kind",
            references="visits.visit_id",
        )
    ]


def test_a_reference_with_a_share_becomes_two_checks(tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    column(content, KIND)["relationships"] = [link(failAbovePct=2.5)]
    write(tmp_path, content)
    checks = load_contracts(tmp_path)["visits"].batch_checks
    assert [(c.name, c.metric, c.severity, c.maximum) for c in checks if c.references] == [
        ("kind_references_visits_visit_id", Metric.ORPHANS, Severity.WARN, 0),
        ("kind_references_visits_visit_id_pct", Metric.ORPHANS_PCT, Severity.FAIL, 2.5),
    ]


def test_a_date_may_be_held_against_that_of_another_table(tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    column(content, KIND)["relationships"] = [link()]
    column(content, FIRST_DAY)["quality"] = [before("visits.last_day", "kind")]
    write(tmp_path, content)
    checks = load_contracts(tmp_path)["visits"].batch_checks
    assert (
        BatchCheck(
            "not_before",
            Metric.BEFORE_REFERENCE,
            Severity.WARN,
            "",
            maximum=0,
            column="first_day",
            references="visits.last_day",
            via="kind",
        )
        in checks
    )


@pytest.mark.parametrize("target", ["visits.known_at", "visits.visit_id", "visits.x"])
def test_a_date_is_held_against_a_date_alone(target: str, tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    column(content, KIND)["relationships"] = [link()]
    column(content, FIRST_DAY)["quality"] = [before(target, "kind")]
    write(tmp_path, content)
    with pytest.raises(RisklineError, match=f"references {target}, which is no date column"):
        load_contracts(tmp_path)
