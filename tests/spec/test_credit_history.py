"""How the customer has paid so far, as drawn tables."""

from datetime import date

import pytest

from tests.spec.conftest import Spec

# One customer a case; Nobody has no loan.
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


CASES = (
    "Today", "Ontime", "Late", "Early", "Open", "Partly", "Nearly", "Over", "Post", "Undated",
    "Ahead", "Future", "Settles", "Nobody",
)  # fmt: skip


@pytest.mark.parametrize(
    ("feature", "values"),
    [
        ("days_past_due", (0, 0, 0, 0, 30, 30, 0, 0, 10, 10, 0, 0, 0, 0)),
        # What is paid ahead has not fallen due, and shows nothing of the customer's punctuality.
        ("last_days_late", (0, 0, 5, -7, 30, 30, 0, 0, 10, 10, None, None, 10, None)),
        ("paid_ratio", (0, 1, 1, 1, 0, 0.4, 1, 1, 0, 0, None, None, 1, None)),
        ("paid_instalments", (0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0)),
        ("instalments_left", (1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0)),
        ("late_instalments_12m", (0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0)),
    ],
)
def test_a_payment_counts_when_it_has_come_in_whole(
    spec: Spec, feature: str, values: tuple[float | None, ...]
) -> None:
    spec(feature, dict(zip(CASES, values, strict=True)), repayments=EDGES)


def test_without_the_table_repayments_nothing_of_it_is_known(spec: Spec) -> None:
    for feature in ("days_past_due", "relapses_24m", "paid_ratio"):
        spec(feature, {"A": None}, customers="customer_id\n---\nA")


def test_months_since_last_late(spec: Spec) -> None:
    # What was overdue until it was paid was overdue that day; what is open is overdue today.
    month = 365.25 / 12
    spec(
        "months_since_last_late",
        {
            "Today": None, "Ontime": None, "Late": 15 / month, "Early": None, "Open": 0,
            "Partly": 0, "Nearly": None, "Over": None, "Post": 0, "Undated": 0, "Ahead": None,
            "Future": None, "Settles": 0, "Nobody": None,
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
    spec("days_past_due", {"A": 0, "B": 0, "C": 0, "D": 151}, repayments=grace)
    spec("paid_instalments", {"A": 1, "B": 0, "C": 0, "D": 0}, repayments=grace)
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


def test_last_days_late_is_the_worst_of_the_last_day_on_which_something_fell_due(
    spec: Spec,
) -> None:
    spec(
        "last_days_late",
        {"A": 2, "B": 3, "C": -4, "D": -40, "E": 8000},
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-05-31 | 2024-06-10
        A1      | 2024-06-20 | 2024-06-22
        A1      | 2024-07-20 | 2024-06-01
        B2      | 2024-06-20 | 2024-06-20
        B1      | 2024-06-20 | 2024-06-23
        C1      | 2024-06-20 | 2024-06-10
        C1      | 2024-06-20 | 2024-06-16
        D1      | 2024-06-30 | 2024-05-21
        D1      | 2024-06-29 |
        E1      | 2002-08-05 |
        """,
    )


# Back from 2024-06-30: 2024-03-31 is 91 days, 2023-12-31 182, 2023-07-01 365, 2022-07-01 730.
WINDOWS = """
    loan_id | due_date   | paid_date
    --------+------------+-----------
    A1      | 2022-06-30 | 2023-06-30
    A1      | 2022-07-01 | 2022-09-29
    A1      | 2023-06-30 | 2023-09-08
    A1      | 2023-07-01 | 2023-07-31
    A1      | 2023-12-30 | 2024-01-24
    A1      | 2023-12-31 | 2024-01-15
    A1      | 2024-03-30 | 2024-04-19
    A1      | 2024-03-31 | 2024-04-10
    A1      | 2024-06-30 |
    A1      | 2024-07-01 | 2024-06-01
    B1      | 2022-06-30 | 2023-06-30
    C1      | 2025-06-30 | 2024-06-30
"""


@pytest.mark.parametrize(
    ("feature", "of_a", "of_b"),
    [
        ("worst_days_late_3m", 10, None),
        ("worst_days_late_6m", 20, None),
        ("worst_days_late_12m", 30, None),
        ("worst_days_late_24m", 90, None),
        ("mean_days_late_3m", (10 + 0) / 2, None),
        ("mean_days_late_12m", (30 + 25 + 15 + 20 + 10 + 0) / 6, None),
        ("days_late_trend", 5 - (30 + 25 + 15 + 20) / 4, None),
        # Around their mean of 100 / 6, over 6 - 1: as the sum of squares less the mean's.
        ("days_late_spread_12m", ((2250 - 100**2 / 6) / 5) ** 0.5, None),
        ("late_instalments_12m", 5, 0),
        ("late_share_12m", 5 / 6, None),
        ("late_1_to_29d_12m", 4, 0),
        ("late_30_to_59d_12m", 1, 0),
        ("late_60_to_89d_12m", 0, 0),
        ("late_90d_24m", 1, 0),
    ],
)
def test_windows_hold_what_fell_due_in_them(
    spec: Spec, feature: str, of_a: float, of_b: float | None
) -> None:
    # C has paid off a loan a year early: nothing of it has fallen due.
    spec(feature, {"A": of_a, "B": of_b, "C": of_b}, repayments=WINDOWS)


@pytest.mark.parametrize(
    ("feature", "count"),
    [
        ("late_1_to_29d_12m", 2),
        ("late_30_to_59d_12m", 3),
        ("late_60_to_89d_12m", 4),
        ("late_90d_24m", 2),
    ],
)
def test_buckets_of_lateness_have_no_gap_and_no_overlap(
    spec: Spec, feature: str, count: int
) -> None:
    # Days late by line: 0, 1, 29, 30, 31, 59, 60, 61, 88, 89, 90, and of the open one 91.
    spec(
        feature,
        {"A": count},
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-01-01 | 2024-01-01
        A1      | 2024-01-01 | 2024-01-02
        A1      | 2024-01-01 | 2024-01-30
        A1      | 2024-01-01 | 2024-01-31
        A1      | 2024-01-01 | 2024-02-01
        A1      | 2024-01-01 | 2024-02-29
        A1      | 2024-01-01 | 2024-03-01
        A1      | 2024-01-01 | 2024-03-02
        A1      | 2024-01-01 | 2024-03-29
        A1      | 2024-01-01 | 2024-03-30
        A1      | 2024-01-01 | 2024-03-31
        A1      | 2024-03-31 |
        """,
    )


def test_the_trend_needs_both_times(spec: Spec) -> None:
    spec(
        "days_late_trend",
        {"A": None, "B": None, "C": -3},
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-06-10 | 2024-06-12
        B1      | 2024-02-10 | 2024-02-12
        C1      | 2024-02-10 | 2024-02-12
        C1      | 2024-06-10 | 2024-06-09
        """,
    )


def test_paid_ratio_is_of_money_that_has_fallen_due(spec: Spec) -> None:
    # Of A's 400 due so far 330 are paid: what is paid too much on one is not paid on another.
    spec(
        "paid_ratio",
        {"A": 330 / 400, "B": None},
        repayments="""
        loan_id | due_date   | due_amount | paid_date  | paid_amount
        --------+------------+------------+------------+------------
        A1      | 2015-01-31 | 100        | 2015-01-31 | 150
        A1      | 2024-05-31 | 200        | 2024-05-31 | 200
        A2      | 2024-06-30 | 100        | 2024-06-30 | 30
        A2      | 2024-07-01 | 100        | 2024-06-30 | 100
        B1      | 2024-07-01 | 100        |            |
        """,
    )


def test_early_share_6m(spec: Spec) -> None:
    spec(
        "early_share_6m",
        {"A": 2 / 5, "B": None, "C": None, "D": None, "E": 0},
        loans="""
        loan_id | customer_id
        --------+------------
        A1      | A
        B1      | B
        C1      | C
        D1      | D
        E1      | E
        """,
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2023-12-30 | 2023-12-01
        A1      | 2023-12-31 | 2023-12-26
        A1      | 2024-01-31 | 2024-01-27
        A1      | 2024-02-29 | 2024-02-24
        A1      | 2024-03-31 | 2024-04-10
        A1      | 2024-06-30 |
        A1      | 2024-07-31 | 2024-06-01
        B1      | 2023-12-30 | 2023-12-01
        C1      | 2024-07-31 | 2024-06-01
        E1      | 2024-06-20 |
        """,
    )


def test_loans_settled_early(spec: Spec) -> None:
    spec(
        "loans_settled_early",
        {"A": 2, "B": 0, "C": 0, "D": 0, "E": 1, "F": 0},
        loans="""
        loan_id | customer_id | maturity_date
        --------+-------------+--------------
        A1      | A           | 2024-07-31
        A2      | A           | 2024-12-31
        A3      | A           | 2024-07-31
        A4      | A           | 2025-12-31
        B1      | B           | 2024-12-31
        C1      | C           | 2024-12-31
        E1      | E           | 2024-12-31
        F1      | F           | 2024-12-31
        """,
        # Of E's loan two instalments fall due on its last day; an earlier one of F's is open.
        repayments="""
        loan_id | due_date   | paid_date  | paid_amount
        --------+------------+------------+------------
        A1      | 2024-06-30 | 2024-06-30 | 100
        A1      | 2024-07-31 | 2024-06-30 | 100
        A2      | 2024-12-31 | 2024-01-31 | 100
        A3      | 2024-07-31 | 2024-07-31 | 100
        A4      | 2025-11-30 | 2024-01-31 | 100
        A4      | 2025-12-31 |            |
        B1      | 2024-12-31 | 2024-07-01 | 100
        C1      | 2024-12-31 | 2024-01-31 | 99
        E1      | 2024-12-31 | 2024-01-31 | 100
        E1      | 2024-12-31 | 2024-01-31 | 100
        F1      | 2023-01-31 |            |
        F1      | 2024-12-31 | 2024-01-31 | 100
        """,
    )


def test_a_loan_paid_off_29_days_before_its_end_is_not_settled_early(spec: Spec) -> None:
    spec(
        "loans_settled_early",
        {"A": 0, "B": 1},
        loans="""
        loan_id | customer_id | maturity_date
        --------+-------------+--------------
        A1      | A           | 2024-06-30
        B1      | B           | 2024-06-30
        """,
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-06-30 | 2024-06-01
        B1      | 2024-06-30 | 2024-05-31
        """,
    )


def test_relapses_24m(spec: Spec) -> None:
    # A is late throughout; B clears its arrears on the day the next is due, C twice; D's first
    # time lies before the 24 months, I's on the first day of them; E's other loan is open all the
    # while; F is late the same day on two loans, once; G is late again with two on one day, and
    # that is one relapse.
    spec(
        "relapses_24m",
        {"A": 0, "B": 1, "C": 2, "D": 0, "E": 0, "F": 0, "G": 1, "H": 0, "I": 1},
        loans="""
        loan_id | customer_id
        --------+------------
        A1      | A
        B1      | B
        C1      | C
        D1      | D
        E1      | E
        E2      | E
        F1      | F
        F2      | F
        G1      | G
        G2      | G
        H1      | H
        I1      | I
        """,
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-03-31 | 2024-05-01
        A1      | 2024-04-30 | 2024-06-01
        A1      | 2024-05-31 |
        B1      | 2024-03-31 | 2024-04-30
        B1      | 2024-04-30 | 2024-05-01
        C1      | 2023-03-31 | 2023-04-05
        C1      | 2023-04-30 | 2023-04-30
        C1      | 2023-05-31 | 2023-06-05
        C1      | 2023-06-30 | 2023-06-25
        C1      | 2024-06-28 |
        D1      | 2022-06-30 | 2022-07-05
        D1      | 2022-07-31 | 2022-08-05
        I1      | 2022-07-01 | 2022-07-05
        I1      | 2022-07-31 | 2022-08-05
        E1      | 2024-03-31 | 2024-04-05
        E1      | 2024-04-30 | 2024-05-05
        E2      | 2024-03-31 |
        F1      | 2024-03-31 | 2024-04-05
        F2      | 2024-03-31 | 2024-04-10
        G1      | 2024-03-31 | 2024-04-05
        G1      | 2024-04-30 | 2024-05-02
        G2      | 2024-04-30 | 2024-05-09
        """,
    )


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


def test_an_instalment_without_its_loan_is_nobodys(spec: Spec) -> None:
    spec(
        "days_past_due",
        {"A": 0},
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


def test_credit_age_years_is_that_of_the_first_loan(spec: Spec) -> None:
    spec(
        "credit_age_years",
        {"A": 366 / 365.25, "B": 0, "C": None, "D": None},
        loans="""
        loan_id | customer_id | originated_at
        --------+-------------+--------------
        A1      | A           | 2024-06-30
        A2      | A           | 2023-06-30
        B1      | B           | 2024-06-30
        C1      | C           | 2024-07-01
        """,
    )


DEFAULTS = """
    customer_id | default_date | kind
    ------------+--------------+-----------
    A           | 2024-06-30   | bankruptcy
    A           | 2024-06-29   | past_due
    A           | 2024-07-01   | write_off
    B           | 2023-06-30   | past_due
    C           | 2024-07-01   | past_due
"""


def test_recorded_defaults(spec: Spec) -> None:
    spec("recorded_defaults", {"A": 2, "B": 1, "C": 0, "D": 0}, defaults=DEFAULTS)


def test_months_since_recorded_default(spec: Spec) -> None:
    expected = {"A": 0, "B": 366 / (365.25 / 12), "C": None, "D": None}
    spec("months_since_recorded_default", expected, defaults=DEFAULTS)


# 2023-06-30 is 366 days before 2024-06-30, 2023-07-02 is 364. B's latest has no score, D's none
# a year before does; what C's bureau says tomorrow is not known.
REPORTS = """
    customer_id | pulled_at  | external_score | inquiries_3m | open_loans_elsewhere | debt_elsewhere | overdue_elsewhere
    ------------+------------+----------------+--------------+----------------------+----------------+------------------
    A           | 2022-01-31 | 900            | 9            | 9                    | 9              | 9
    A           | 2023-06-30 | 700            | 8            | 8                    | 8              | 8
    A           | 2023-07-02 | 500            | 7            | 7                    | 7              | 7
    A           | 2024-06-30 | 600            | 3            | 2                    | 4000           | 1000
    B           | 2023-01-31 | 700            | 1            | 1                    | 10             | 10
    B           | 2024-06-29 |                |              |                      |                |
    C           | 2023-07-01 | 0              | 0            | 0                    | 0              | 0
    C           | 2024-07-01 | 600            | 6            | 6                    | 6              | 6
    D           | 2022-06-30 | 550            | 0            | 0                    | 0              | 0
    D           | 2023-05-31 |                | 0            | 0                    | 0              | 0
    D           | 2024-06-30 | 1000           | 0            | 1                    | 5              | 0
"""  # noqa: E501 - a table is as wide as it is


@pytest.mark.parametrize(
    ("feature", "of_a", "of_c", "of_d"),
    [
        ("external_score", 600, 0, 1000),
        ("external_score_change", -100, None, 450),
        ("inquiries_3m", 3, 0, 0),
        ("open_loans_elsewhere", 2, 0, 1),
        ("debt_elsewhere", 4000, 0, 5),
        ("overdue_elsewhere", 1000, 0, 0),
        ("overdue_share_elsewhere", 1 / 4, None, 0),
    ],
)
def test_the_latest_report_counts(
    spec: Spec, feature: str, of_a: float, of_c: float | None, of_d: float
) -> None:
    # B's latest says nothing; of no debt, C's, no share is overdue.
    spec(feature, {"A": of_a, "B": None, "C": of_c, "D": of_d, "E": None}, bureau=REPORTS)


def test_bureau_report_age_months(spec: Spec) -> None:
    month = 365.25 / 12
    expected = {"A": 0, "B": 1 / month, "C": 365 / month, "D": 0, "E": None}
    spec("bureau_report_age_months", expected, bureau=REPORTS)


def test_a_report_of_a_year_less_a_day_before_is_no_years_change(spec: Spec) -> None:
    spec(
        "external_score_change",
        {"A": None, "B": 7},
        bureau="""
        customer_id | pulled_at  | external_score
        ------------+------------+---------------
        A           | 2022-03-01 | 500
        A           | 2023-02-28 | 507
        B           | 2022-03-01 | 500
        B           | 2023-03-01 | 507
        """,
    )


# The days are counted from the close: what was observed 366 days before it is out.
SIGNALS = """
    signal_id | customer_id | kind      | value | observed_at
    ----------+-------------+-----------+-------+---------------------------------
    1         | A           | utilities | -0.5  | 2024-06-30T23:59:59.999999+00:00
    2         | A           | utilities | 0.2   | 2023-07-01T00:00:00+00:00
    3         | A           | utilities | 1     | 2023-06-30T23:59:59.999999+00:00
    4         | A           | utilities |       | 2024-06-01T00:00:00+00:00
    5         | A           | court     | -1    | 2024-06-01T00:00:00+00:00
    6         | A           | employment | 0.9  | 2024-06-01T00:00:00+00:00
    7         | B           | court     | 1     | 2023-06-01T00:00:00+00:00
    8         | C           | utilities | 0     | 2024-06-01T00:00:00+00:00
"""


def test_utilities_signal_12m(spec: Spec) -> None:
    expected = {"A": -0.15, "B": None, "C": 0, "D": None}
    spec("utilities_signal_12m", expected, external_signals=SIGNALS)


def test_court_signal_12m(spec: Spec) -> None:
    expected = {"A": -1, "B": None, "C": None, "D": None}
    spec("court_signal_12m", expected, external_signals=SIGNALS)


@pytest.mark.parametrize(
    "feature",
    [
        "recorded_defaults", "months_since_recorded_default", "external_score",
        "external_score_change", "debt_elsewhere", "utilities_signal_12m", "court_signal_12m",
    ],
)  # fmt: skip
def test_without_its_optional_table_a_feature_is_null(spec: Spec, feature: str) -> None:
    spec(feature, {"Late": None}, repayments=EDGES)


@pytest.mark.parametrize(
    ("as_of", "late"), [(date(2024, 6, 19), 0), (date(2024, 6, 20), 19)], ids=str
)
def test_a_withdrawn_payment_and_the_later_version_of_a_day_count(
    spec: Spec, as_of: date, late: int
) -> None:
    # Paid on the 10th; on the 20th that turns out to be another's money, and is taken back.
    spec(
        "days_past_due",
        {"A": late},
        as_of,
        repayments="""
        loan_id | instalment_no | due_date   | paid_date  | known_at                         | is_deleted
        --------+---------------+------------+------------+----------------------------------+-----------
        A1      | 1             | 2024-06-01 |            | 2024-01-01T09:00:00+00:00        | no
        A1      | 1             | 2024-06-01 | 2024-06-10 | 2024-06-10T09:00:00+00:00        | no
        A1      | 1             | 2024-06-01 |            | 2024-06-20T09:00:00+00:00        | no
        A1      | 1             | 2024-06-01 | 2024-06-10 | 2024-06-20T08:59:59.999999+00:00 | no
        A1      | 2             | 2024-01-01 |            | 2024-01-01T09:00:00+00:00        | no
        A1      | 2             | 2024-01-01 |            | 2024-01-01T09:00:01+00:00        | yes
        """,  # noqa: E501 - a table is as wide as it is
    )


def test_a_day_far_ahead_breaks_nothing(spec: Spec) -> None:
    # Its lateness, squared, takes more than 32 bits, in a row that no window counts.
    spec(
        "days_late_spread_12m",
        {"A": 2**0.5},
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2024-05-01 | 2024-05-03
        A1      | 2024-06-01 | 2024-06-01
        A1      | 9999-12-31 | 2024-06-01
        """,
    )
