"""How settled the customer's life or business is, as drawn tables."""

from datetime import date, timedelta

import pytest

from pipeline.business_day import months_after
from tests.spec.conftest import Spec


def test_age_years_is_the_persons_or_the_firms(spec: Spec) -> None:
    spec(
        "age_years",
        {"A": 10957 / 365.25, "B": 4, "C": None, "D": 4, "E": None},
        as_of=date(2024, 2, 29),
        customers="""
        customer_id | segment   | birth_date | established_date
        ------------+-----------+------------+-----------------
        A           | consumer  | 1994-03-01 |
        B           | sme       |            | 2020-02-29
        C           | corporate |            |
        D           | consumer  | 2020-02-29 | 1900-01-01
        E           | sme       |            | 2024-03-01
        """,
    )


SETTLED = """
    customer_id | employed_since | resident_since | dependents
    ------------+----------------+----------------+-----------
    A           | 2024-06-30     | 2023-06-30     | 0
    B           | 2023-06-30     | 2024-06-30     | 30
    C           |                |                |
    D           | 2024-07-01     | 2024-07-01     | 1
"""


def test_a_job_or_home_still_to_come_is_no_present_one(spec: Spec) -> None:
    year = 366 / 365.25
    spec("employed_years", {"A": 0, "B": year, "C": None, "D": None}, customers=SETTLED)
    spec("resident_years", {"A": year, "B": 0, "C": None, "D": None}, customers=SETTLED)


def test_dependents(spec: Spec) -> None:
    spec("dependents", {"A": 0, "B": 30, "C": None, "D": 1}, customers=SETTLED)


# 730 days before 2024-06-30 is 2022-07-01. Each line is a version of the customer.
LIVES = """
    customer_id | employed_since | resident_since | known_at                  | is_deleted
    ------------+----------------+----------------+---------------------------+-----------
    Edge        | 2022-07-01     | 2022-06-30     | 2022-08-01T00:00:00+00:00 | no
    Twice       | 2015-01-01     | 2015-01-01     | 2022-08-01T00:00:00+00:00 | no
    Twice       | 2023-05-01     | 2023-05-01     | 2023-06-01T00:00:00+00:00 | no
    Twice       | 2024-05-01     | 2023-05-01     | 2024-05-10T00:00:00+00:00 | no
    Typo        | 2024-01-05     | 2024-05-01     | 2024-02-01T00:00:00+00:00 | no
    Typo        | 2024-02-05     | 2024-03-30     | 2024-02-05T00:00:00+00:00 | no
    Apart       | 2024-01-05     |                | 2024-02-01T00:00:00+00:00 | no
    Apart       | 2024-02-06     |                | 2024-02-05T00:00:00+00:00 | no
    Before      | 2022-06-20     | 2022-05-30     | 2022-08-01T00:00:00+00:00 | no
    Before      | 2022-07-01     | 2022-07-01     | 2022-08-02T00:00:00+00:00 | no
    Ahead       | 2024-07-01     |                | 2024-06-01T00:00:00+00:00 | no
    Later       | 2015-01-01     |                | 2022-08-01T00:00:00+00:00 | no
    Later       | 2024-06-01     |                | 2024-07-01T00:00:00+00:00 | no
    Withdrawn   | 2015-01-01     |                | 2022-08-01T00:00:00+00:00 | no
    Withdrawn   | 2024-01-01     |                | 2024-01-01T00:00:00+00:00 | yes
    Withdrawn   | 2015-01-01     |                | 2024-01-02T00:00:00+00:00 | no
    Leaves      | 2024-05-01     |                | 2024-05-10T00:00:00+00:00 | no
    Leaves      |                |                | 2024-06-10T00:00:00+00:00 | no
"""


def test_job_changes_24m(spec: Spec) -> None:
    # A date at most 31 days after another one is a correction, even of one before the 24 months.
    spec(
        "job_changes_24m",
        {
            "Edge": 1, "Twice": 2, "Typo": 1, "Apart": 2, "Before": 0, "Ahead": 0, "Later": 0,
            "Withdrawn": 0, "Leaves": 1,
        },
        customers=LIVES,
    )  # fmt: skip


def test_address_changes_24m(spec: Spec) -> None:
    # 2024-05-01 is 32 days after 2024-03-30, and 2022-07-01 after 2022-05-30.
    spec(
        "address_changes_24m",
        {
            "Edge": 0, "Twice": 1, "Typo": 2, "Apart": 0, "Before": 1, "Ahead": 0, "Later": 0,
            "Withdrawn": 0, "Leaves": 0,
        },
        customers=LIVES,
    )  # fmt: skip


def test_region_late_share_12m(spec: Spec) -> None:
    # A and B have borrowed in the region, E has not. Of A's instalments some count as over 30 days
    # late (2023-07-01 by 31 days), but A is one borrower. G was late by 30 days, and long ago.
    spec(
        "region_late_share_12m",
        {"A": 1 / 3, "B": 1 / 3, "C": 0, "D": None, "E": 1 / 3, "F": None, "G": 1 / 3},
        customers="""
        customer_id | region
        ------------+-------
        A           | north
        B           | north
        C           | south
        D           |
        E           | north
        F           | east
        G           | north
        """,
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2023-06-30 |
        A1      | 2023-07-01 | 2023-08-01
        A1      | 2023-12-01 | 2023-12-31
        A1      | 2024-05-30 |
        A1      | 2024-05-31 |
        A1      | 2024-07-01 |
        B1      | 2024-01-01 | 2024-01-01
        C1      | 2024-01-01 | 2024-01-01
        D1      | 2024-01-01 |
        G1      | 2023-05-01 | 2023-07-01
        G1      | 2024-03-01 | 2024-03-31
        """,
    )


# June is the latest month and January the sixth. Wages of nothing or paid back are no income, nor
# is a loan.
INCOME = """
    customer_id | posted_at  | amount | category
    ------------+------------+--------+----------
    A           | 2023-06-30 | 9000   | salary
    A           | 2023-07-01 | 1      | salary
    A           | 2023-12-31 | 2      | salary
    A           | 2024-01-01 | 3      | revenue
    A           | 2024-01-31 | 4      | salary
    A           | 2024-05-31 | 5      | salary
    A           | 2024-06-29 | -5     | salary
    A           | 2024-06-30 | 0      | salary
    A           | 2024-06-30 | 99     | loan
    A           | 2024-06-30 | 99     |
    Once        | 2024-06-30 | 7      | salary
    None        | 2024-06-30 | 7      | transfer
    Same        | 2024-05-01 | 7      | salary
    Same        | 2024-06-01 | 7      | salary
    Old         | 2023-06-30 | 9000   | salary
"""


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("income_months_6m", {"A": 2, "Once": 1, "None": 0, "Same": 2, "Old": None}),
        ("days_since_income", {"A": 30, "Once": 0, "None": None, "Same": 29, "Old": None}),
        (
            # Of 1 to 5, the sample deviation is the root of 2.5 and the mean 3.
            "income_booking_volatility_12m",
            {"A": 2.5**0.5 / 3, "Once": None, "None": None, "Same": 0, "Old": None},
        ),
    ],
)
def test_income_in_the_accounts(
    spec: Spec, feature: str, expected: dict[str, float | None]
) -> None:
    spec(feature, expected, transactions=INCOME)


@pytest.mark.parametrize(
    ("as_of", "first_day", "last_day"),
    [
        # The month that still runs does not count, unless it ends on the day.
        (date(2024, 6, 30), "2024-01-01", "2024-06-30"),
        (date(2024, 6, 29), "2023-12-01", "2024-05-31"),
        (date(2024, 3, 30), "2023-09-01", "2024-02-29"),
        (date(2024, 2, 29), "2023-09-01", "2024-02-29"),
        (date(2024, 2, 28), "2023-08-01", "2024-01-31"),
        (date(2023, 2, 28), "2022-09-01", "2023-02-28"),
        (date(2024, 1, 1), "2023-07-01", "2023-12-31"),
    ],
    ids=str,
)
def test_full_months_of_the_calendar_count(
    spec: Spec, as_of: date, first_day: str, last_day: str
) -> None:
    first, last = date.fromisoformat(first_day), date.fromisoformat(last_day)
    month_before, month_after = first - timedelta(days=1), last + timedelta(days=1)
    spec(
        "income_months_6m",
        {"A": 2, "B": 0},
        as_of,
        transactions=f"""
        customer_id | posted_at      | amount | category
        ------------+----------------+--------+---------
        A           | {first}        | 1      | salary
        A           | {last}         | 3      | salary
        B           | {month_before} | 1      | salary
        B           | {month_after}  | 1      | salary
        """,
    )


@pytest.mark.parametrize("as_of", [date(2024, month, 30) for month in (1, 3, 4, 5, 7, 10)], ids=str)
@pytest.mark.parametrize("payday", ["first", "last"])
def test_who_is_paid_every_month_is_paid_in_six_of_six(
    spec: Spec, as_of: date, payday: str
) -> None:
    firsts = [months_after(as_of.replace(day=1), 1 - back) for back in range(11)]
    days = firsts if payday == "first" else [day - timedelta(days=1) for day in firsts]
    lines = "\n".join(f"A | {day} | 1 | salary" for day in days)
    spec(
        "income_months_6m",
        {"A": 6},
        as_of,
        transactions=f"customer_id | posted_at | amount | category\n---\n{lines}",
    )


REACHED = """
    customer_id | occurred_at | kind      | channel
    ------------+-------------+-----------+--------
    A           | 2024-06-29  | app_login | mobile
    A           | 2024-06-28  | complaint | email
    A           | 2024-06-20  | visit     | branch
    A           | 2024-05-20  | call      | phone
    A           | 2024-05-19  | call      | phone
    A           | 2024-05-18  | survey    |
    Edge        | 2023-07-01  | advice    | online
    Old         | 2023-06-30  | call      | phone
    Ahead       | 2024-07-01  | call      | phone
    Logins      | 2024-06-30  | app_login | mobile
"""


def test_how_well_the_customer_can_be_reached(spec: Spec) -> None:
    others = {"Old": None, "Ahead": None, "Logins": None}
    spec("days_since_reached", {"A": 10, "Edge": 365, **others}, interactions=REACHED)
    nobody = {"Old": 0, "Ahead": 0, "Logins": 0}
    spec("contact_channels_12m", {"A": 3, "Edge": 1, **nobody}, interactions=REACHED)


@pytest.mark.parametrize(
    "feature",
    [
        "income_months_6m", "days_since_income", "income_booking_volatility_12m",
        "days_since_reached", "contact_channels_12m",
    ],
)  # fmt: skip
def test_what_a_bank_does_not_record_is_null(spec: Spec, feature: str) -> None:
    spec(feature, {"A": None, "B": None, "C": None, "D": None}, customers=SETTLED)
