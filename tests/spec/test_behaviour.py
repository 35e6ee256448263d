"""How the customer uses credit of late, as drawn tables."""

from tests.spec.conftest import Spec

# 2024-04-01 is 90 days back. C's loan is agreed on, and begins tomorrow.
LOANS = """
    loan_id | customer_id | originated_at
    --------+-------------+--------------
    A1      | A           | 2024-06-30
    A2      | A           | 2024-04-02
    A3      | A           | 2024-04-01
    A4      | A           | 2024-07-01
    B1      | B           | 2023-02-28
    C1      | C           | 2024-07-01
"""


def test_days_since_last_loan(spec: Spec) -> None:
    spec("days_since_last_loan", {"A": 0, "B": 488, "C": None, "D": None}, loans=LOANS)


def test_loans_taken_90d(spec: Spec) -> None:
    spec("loans_taken_90d", {"A": 2, "B": 0, "C": None, "D": None}, loans=LOANS)


def test_early_share_6m(spec: Spec) -> None:
    # 2023-12-31 is 182 days back.
    spec(
        "early_share_6m",
        {"A": 2 / 5, "B": None, "C": None, "D": None, "E": 0},
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


def test_days_late_change(spec: Spec) -> None:
    spec(
        "days_late_change",
        {"A": (6 + 4 + 2) / 3 - (1 + 3) / 2, "B": None, "C": None},
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2022-01-31 | 2022-02-01
        A1      | 2024-03-01 | 2024-03-04
        A1      | 2024-04-01 | 2024-04-07
        A1      | 2024-05-01 | 2024-05-05
        A1      | 2024-06-01 | 2024-06-03
        A1      | 2024-07-01 |
        B1      | 2024-04-01 | 2024-04-07
        B1      | 2024-05-01 | 2024-05-05
        B1      | 2024-06-01 | 2024-06-03
        """,
    )
