"""Who defaults within the horizon, as drawn tables."""

from collections.abc import Callable, Mapping
from datetime import date

import pytest

from pipeline.engines.base import Engine
from pipeline.features.build import Frames
from pipeline.features.outcome import DefaultDefinition, Unit, outcomes
from tests.spec.conftest import KnownFrom

THEN = date(2023, 6, 30)
LATER = date(2024, 12, 31)
YEAR = DefaultDefinition(90, 12, Unit.MONTH)

Outcome = Callable[..., None]


@pytest.fixture
def outcome(known_from: KnownFrom, engine: Engine) -> Outcome:
    def outcome(
        expected: Mapping[str, bool],
        repayments: str,
        *,
        definition: DefaultDefinition = YEAR,
        known_on: date = LATER,
    ) -> None:
        known = known_from(known_on, ("Nobody",), repayments=repayments)
        rows = outcomes(THEN, Frames(known, engine), definition, engine)
        ids = rows.column("customer_id").to_pylist()
        assert ids == sorted(ids)
        assert dict(zip(ids, rows.column("is_default").to_pylist(), strict=True)) == expected

    return outcome


def test_a_default_is_so_many_days_past_due_within_the_horizon(outcome: Outcome) -> None:
    # 90 days after 2024-04-01 is the horizon's last day, 2024-06-30.
    outcome(
        {"Last": True, "After": False, "First": True, "Pays": False, "Late": False, "On": True},
        """
        loan_id | due_date   | paid_date
        --------+------------+-----------
        First1  | 2023-04-02 |
        Last1   | 2024-04-01 |
        After1  | 2024-04-02 |
        Pays1   | 2023-09-30 | 2023-09-30
        Late1   | 2023-09-30 | 2023-12-28
        On1     | 2023-09-30 | 2023-12-29
        """,
    )


def test_who_is_in_default_already_is_left_out_unless_cured(outcome: Outcome) -> None:
    # 2023-04-01 is 90 days before the as-of date.
    outcome(
        {"Cured": False, "Again": True},
        """
        loan_id | due_date   | paid_date
        --------+------------+-----------
        In1     | 2023-04-01 |
        In1     | 2023-09-30 | 2023-09-30
        Leaves1 | 2023-04-01 | 2023-07-01
        Leaves1 | 2023-09-30 | 2023-09-30
        Cured1  | 2023-04-01 | 2023-06-30
        Cured1  | 2023-09-30 | 2023-09-30
        Again1  | 2023-01-31 | 2023-06-30
        Again1  | 2023-09-30 |
        """,
    )


def test_who_has_nothing_to_pay_in_the_horizon_is_left_out(outcome: Outcome) -> None:
    outcome(
        {"Due": False, "Arrears": False},
        """
        loan_id  | due_date   | paid_date
        ---------+------------+-----------
        Before1  | 2023-06-30 | 2023-06-30
        Ahead1   | 2023-09-30 | 2023-06-30
        Beyond1  | 2024-07-01 |
        Due1     | 2024-06-30 |
        Arrears1 | 2023-06-30 | 2023-07-02
        """,
    )


def test_part_of_the_amount_is_no_payment_and_nothing_due_is_no_instalment(
    outcome: Outcome,
) -> None:
    outcome(
        {"Partly": True, "Cent": False},
        """
        loan_id | due_date   | due_amount | paid_date  | paid_amount
        --------+------------+------------+------------+------------
        Partly1 | 2023-09-30 | 100        | 2023-10-05 | 99
        Cent1   | 2023-09-30 | 100        | 2023-10-05 | 99.996
        Grace1  | 2023-09-30 | 0          |            |
        """,
    )


def test_one_loan_in_default_is_the_customers_default(outcome: Outcome) -> None:
    outcome(
        {"A": True},
        """
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2023-09-30 | 2023-09-30
        A2      | 2023-10-31 |
        """,
    )


def test_a_horizon_in_days(outcome: Outcome) -> None:
    # Three days past due by 2023-07-30.
    outcome(
        {"Last": True, "After": False, "First": True},
        """
        loan_id | due_date
        --------+-----------
        In1     | 2023-06-27
        First1  | 2023-06-28
        Last1   | 2023-07-27
        After1  | 2023-07-28
        """,
        definition=DefaultDefinition(3, 30, Unit.DAY),
    )


def test_what_is_known_at_the_very_end_is_enough(outcome: Outcome) -> None:
    outcome(
        {"Last": True},
        "loan_id | due_date\n---\nLast1 | 2024-04-01",
        known_on=date(2024, 6, 30),
    )


def test_a_horizon_that_is_not_over_is_refused(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="ends on 2024-06-30, after 2024-06-29"):
        outcome({}, "loan_id | due_date\n---\nA1 | 2024-04-01", known_on=date(2024, 6, 29))


@pytest.mark.parametrize(
    ("as_of", "horizon", "unit", "end"),
    [
        (date(2023, 6, 30), 12, Unit.MONTH, date(2024, 6, 30)),
        (date(2023, 6, 15), 12, Unit.MONTH, date(2024, 6, 15)),
        (date(2023, 2, 28), 12, Unit.MONTH, date(2024, 2, 29)),
        (date(2024, 2, 29), 12, Unit.MONTH, date(2025, 2, 28)),
        (date(2024, 2, 28), 12, Unit.MONTH, date(2025, 2, 28)),
        (date(2023, 11, 30), 3, Unit.MONTH, date(2024, 2, 29)),
        (date(2023, 11, 29), 3, Unit.MONTH, date(2024, 2, 29)),
        (date(2022, 10, 30), 4, Unit.MONTH, date(2023, 2, 28)),
        (date(2023, 9, 30), 1, Unit.MONTH, date(2023, 10, 31)),
        (date(2023, 12, 31), 1, Unit.MONTH, date(2024, 1, 31)),
        (date(2023, 11, 15), 1, Unit.MONTH, date(2023, 12, 15)),
        (date(2023, 12, 15), 12, Unit.MONTH, date(2024, 12, 15)),
        (date(2024, 2, 28), 1, Unit.DAY, date(2024, 2, 29)),
        (date(2023, 2, 28), 1, Unit.DAY, date(2023, 3, 1)),
        (date(2023, 6, 30), 366, Unit.DAY, date(2024, 6, 30)),
    ],
)
def test_the_last_day_of_the_horizon(as_of: date, horizon: int, unit: Unit, end: date) -> None:
    assert DefaultDefinition(90, horizon, unit).horizon_end(as_of) == end
