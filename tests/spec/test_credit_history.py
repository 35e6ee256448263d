"""How the customer has paid so far, as drawn tables."""

from datetime import date

import pytest

from tests.spec.conftest import Spec

# One customer a case. C owes nothing yet; D has no loan.
EDGES = """
    loan_id    | due_date   | paid_date  | paid_amount
    -----------+------------+------------+------------
    Today1     | 2024-06-30 |            |
    Ontime1    | 2024-06-20 | 2024-06-20 | 100
    Late1      | 2024-06-10 | 2024-06-15 | 100
    Early1     | 2024-06-20 | 2024-06-13 | 100
    Open1      | 2024-05-31 |            |
    Partly1    | 2024-05-31 | 2024-06-05 | 40
    Nearly1    | 2024-06-20 | 2024-06-20 | 99.996
    Over1      | 2024-06-20 | 2024-06-20 | 120
    Post1      | 2024-06-20 | 2024-07-01 | 100
    Undated1   | 2024-06-20 |            | 100
    Ahead1     | 2024-07-15 | 2024-06-25 | 100
    Future1    | 2024-07-15 |            |
    Settles1   | 2024-06-20 | 2024-06-30 | 100
"""


def test_days_past_due(spec: Spec) -> None:
    spec(
        "days_past_due",
        {
            "Today": 0, "Ontime": 0, "Late": 0, "Early": 0, "Open": 30, "Partly": 30, "Nearly": 0,
            "Over": 0, "Post": 10, "Undated": 10, "Ahead": 0, "Future": 0, "Settles": 0,
            "Nobody": None,
        },
        repayments=EDGES,
    )  # fmt: skip


def test_days_past_due_is_that_of_the_oldest_unpaid_instalment_of_any_loan(spec: Spec) -> None:
    spec(
        "days_past_due",
        {"A": 61, "B": 1},
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-04-30 |
        A1      | 2024-05-31 |
        A2      | 2024-06-10 |
        A2      | 2024-03-31 | 2024-06-29
        B1      | 2024-06-29 |
        """,
    )


def test_an_instalment_of_nothing_is_never_late(spec: Spec) -> None:
    grace = """
        loan_id | due_date   | due_amount | paid_date  | paid_amount
        --------+------------+------------+------------+------------
        A1      | 2024-01-31 | 0          |            |
        A1      | 2024-06-20 | 100        | 2024-06-25 | 100
        B1      | 2024-01-31 | 0          |            |
        C1      | 2024-01-31 | 0.005      |            |
        D1      | 2024-01-31 | 0.01       |            |
        """
    spec("days_past_due", {"A": 0, "B": None, "C": None, "D": 151}, repayments=grace)
    spec("paid_instalments", {"A": 1, "B": None, "C": None, "D": 0}, repayments=grace)
    spec("late_share_12m", {"A": 1, "B": None, "C": None, "D": 1}, repayments=grace)


@pytest.mark.parametrize(
    ("as_of", "late"),
    [
        (date(2024, 2, 29), 29),
        (date(2024, 3, 1), 30),
        (date(2023, 3, 1), 0),
        (date(2024, 12, 31), 335),
        (date(2025, 1, 1), 336),
    ],
    ids=str,
)
def test_days_are_days_of_the_calendar(spec: Spec, as_of: date, late: int) -> None:
    spec(
        "days_past_due",
        {"A": late},
        as_of,
        repayments="""
        loan_id | due_date
        --------+-----------
        A1      | 2024-01-31
        """,
    )


def test_last_days_late(spec: Spec) -> None:
    spec(
        "last_days_late",
        {
            "Today": 0, "Ontime": 0, "Late": 5, "Early": -7, "Open": 30, "Partly": 30, "Nearly": 0,
            "Over": 0, "Post": 10, "Undated": 10, "Ahead": -20, "Future": None, "Settles": 10,
            "Nobody": None,
        },
        repayments=EDGES,
    )  # fmt: skip


def test_last_days_late_takes_the_last_due_then_the_first_loan_and_number(spec: Spec) -> None:
    spec(
        "last_days_late",
        {"A": 2, "B": 3, "C": 4},
        repayments="""
        loan_id | instalment_no | due_date   | paid_date
        --------+---------------+------------+-----------
        A1      | 1             | 2024-05-31 | 2024-06-10
        A1      | 2             | 2024-06-20 | 2024-06-22
        A1      | 3             | 2024-07-20 |
        B2      | 1             | 2024-06-20 | 2024-06-20
        B1      | 1             | 2024-06-20 | 2024-06-23
        C1      | 10            | 2024-06-20 | 2024-06-20
        C1      | 9             | 2024-06-20 | 2024-06-24
        """,
    )


# 2024-03-31 is 91 days back, 2023-07-01 is 365.
WINDOWS = """
    loan_id | due_date   | paid_date
    --------+------------+-----------
    A1      | 2023-06-30 | 2023-09-08
    A1      | 2023-07-01 | 2023-07-31
    A1      | 2024-03-30 | 2024-04-19
    A1      | 2024-03-31 | 2024-04-10
    A1      | 2024-06-30 |
    A1      | 2024-07-01 | 2024-06-01
    B1      | 2023-06-30 | 2023-09-08
    C1      | 2025-06-30 | 2024-06-30
"""


@pytest.mark.parametrize(
    ("feature", "of_a", "of_b"),
    [
        ("worst_days_late_3m", 10, None),
        ("worst_days_late_12m", 30, None),
        ("mean_days_late_3m", (10 + 0) / 2, None),
        ("mean_days_late_12m", (30 + 20 + 10 + 0) / 4, None),
        # Of 30, 20, 10, 0 around 15: the sum of squares is 500, over 4 - 1.
        ("days_late_spread_12m", (500 / 3) ** 0.5, None),
        ("late_instalments_12m", 3, 0),
        ("late_share_12m", 3 / 4, None),
    ],
)
def test_windows_hold_what_fell_due_in_them(
    spec: Spec, feature: str, of_a: float, of_b: float | None
) -> None:
    # C has paid off a loan a year early: nothing of it has fallen due.
    spec(feature, {"A": of_a, "B": of_b, "C": of_b}, repayments=WINDOWS)


def test_early_payments_count_as_negative_lateness(spec: Spec) -> None:
    early = """
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-06-10 | 2024-06-01
        A1      | 2024-06-20 | 2024-06-23
        """
    spec("mean_days_late_3m", {"A": (-9 + 3) / 2}, repayments=early)
    spec("worst_days_late_12m", {"A": 3}, repayments=early)
    spec("late_share_12m", {"A": 1 / 2}, repayments=early)


def test_the_spread_of_one_instalment_is_unknown_and_of_equal_ones_nothing(spec: Spec) -> None:
    spec(
        "days_late_spread_12m",
        {"A": None, "B": 0},
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-06-10 | 2024-06-14
        B1      | 2024-05-10 | 2024-05-14
        B1      | 2024-06-10 | 2024-06-14
        """,
    )


def test_days_since_last_late(spec: Spec) -> None:
    spec(
        "days_since_last_late",
        {
            "Today": None, "Ontime": None, "Late": 20, "Early": None, "Open": 30, "Partly": 30,
            "Nearly": None, "Over": None, "Post": 10, "Undated": 10, "Ahead": None, "Future": None,
            "Settles": 10, "Nobody": None,
        },
        repayments=EDGES,
    )  # fmt: skip


def test_paid_instalments(spec: Spec) -> None:
    spec(
        "paid_instalments",
        {
            "Today": 0, "Ontime": 1, "Late": 1, "Early": 1, "Open": 0, "Partly": 0, "Nearly": 1,
            "Over": 1, "Post": 0, "Undated": 0, "Ahead": 1, "Future": 0, "Settles": 1,
            "Nobody": None,
        },
        repayments=EDGES,
    )  # fmt: skip


def test_an_instalment_without_its_loan_is_nobodys(spec: Spec) -> None:
    spec(
        "days_past_due",
        {"A": None},
        loans="""
        loan_id | customer_id
        --------+------------
        A1      | A
        """,
        repayments="""
        loan_id | due_date
        --------+-----------
        A2      | 2024-01-31
        """,
    )
