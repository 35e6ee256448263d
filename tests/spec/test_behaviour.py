"""How the customer uses credit and accounts of late, as drawn tables."""

import pytest

from pipeline.features.registry import FEATURES
from tests.spec.conftest import Spec

BOOKINGS = FEATURES["inflow_3m"].frame

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
    spec("loans_taken_90d", {"A": 2, "B": 0, "C": 0, "D": 0}, loans=LOANS)


# 2024-03-31 is 91 days back, 2023-12-31 is 182 and 2023-07-01 is 365. A loan paid out is no money
# in, a loan paid back is money out. Young's bookings go back 182 days, Long's 183. The table's
# last lines are tomorrow's, of a year ago, withdrawn, and corrected.
FLOWS = """
    customer_id | transaction_id | posted_at  | amount | category | is_deleted | known_at
    ------------+----------------+------------+--------+----------+------------+------------------
    A           | a1             | 2023-07-01 | 200    | salary   | no         | 2023-07-02T00:00Z
    A           | a2             | 2023-07-01 | -100   | rent     | no         | 2023-07-02T00:00Z
    A           | a3             | 2024-03-30 | 74     |          | no         | 2024-03-31T00:00Z
    A           | a4             | 2024-03-31 | 400    | salary   | no         | 2024-04-01T00:00Z
    A           | a5             | 2024-05-01 | 5000   | loan     | no         | 2024-05-02T00:00Z
    A           | a6             | 2024-05-01 | -60    | loan     | no         | 2024-05-02T00:00Z
    A           | a7             | 2024-06-20 | -40    |          | no         | 2024-06-21T00:00Z
    A           | a8             | 2024-06-20 | 0      | other    | no         | 2024-06-21T00:00Z
    Young       | y1             | 2023-12-31 | 10     | salary   | no         | 2024-01-01T00:00Z
    Young       | y2             | 2024-06-30 | -30    | rent     | no         | 2024-06-30T12:00Z
    Long        | l1             | 2023-12-30 | 10     | salary   | no         | 2024-01-01T00:00Z
    Long        | l2             | 2024-01-31 | 10     | salary   | no         | 2024-02-01T00:00Z
    Ahead       | z1             | 2024-07-01 | 10     | salary   | no         | 2024-06-30T12:00Z
    Old         | z2             | 2023-06-30 | 10     | salary   | no         | 2023-07-01T00:00Z
    Gone        | z3             | 2024-06-01 | 10     | salary   | no         | 2024-06-01T12:00Z
    Gone        | z3             | 2024-06-01 | 10     | salary   | yes        | 2024-06-01T13:00Z
    Twice       | z4             | 2024-06-01 | 10     | salary   | no         | 2024-06-01T12:00Z
    Twice       | z4             | 2024-06-01 | -12    | rent     | no         | 2024-06-01T13:00Z
"""
NOTHING = {"Ahead": None, "Old": None, "Gone": None}
NOUGHT = {"Ahead": 0, "Old": 0, "Gone": 0}


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("inflow_3m", {"A": 400 / 3, "Young": 0, "Long": 0, "Twice": 0}),
        ("outflow_3m", {"A": 100 / 3, "Young": 10, "Long": 0, "Twice": 4}),
        ("net_flow_share_3m", {"A": 300 / 500, "Young": -1, "Long": None, "Twice": -1}),
        (
            "inflow_change",
            {"A": (400 / 92) / (274 / 274), "Young": None, "Long": 0, "Twice": None},
        ),
        (
            "outflow_change",
            {"A": (100 / 92) / (100 / 274), "Young": None, "Long": None, "Twice": None},
        ),
        (
            "bookings_change",
            {"A": (5 / 92) / (3 / 274), "Young": None, "Long": 0, "Twice": None},
        ),
        ("days_since_last_booking", {"A": 10, "Young": 0, "Long": 151, "Twice": 29}),
    ],
)
def test_money_in_and_out(spec: Spec, feature: str, expected: dict[str, float | None]) -> None:
    spec(feature, expected | NOTHING, transactions=FLOWS)


def test_bookings_3m(spec: Spec) -> None:
    spec("bookings_3m", {"A": 5, "Young": 1, "Long": 0, "Twice": 1} | NOUGHT, transactions=FLOWS)


# Quarters begin on 31 March, 31 December, 1 October and 1 July. Gap has nothing in the second of
# its three: of 3, 0 and 3 the sample deviation is the root of 3, and the mean 2.
QUARTERS = """
    customer_id | posted_at  | amount | category
    ------------+------------+--------+---------
    Gap         | 2023-10-01 | 1      | salary
    Gap         | 2023-12-30 | 2      | salary
    Gap         | 2024-03-31 | 2      | salary
    Gap         | 2024-06-30 | 1      | transfer
    Even        | 2023-12-31 | 3      | revenue
    Even        | 2024-03-30 | 4      | revenue
    Even        | 2024-03-31 | 7      | revenue
    One         | 2024-03-31 | 7      | salary
    Out         | 2024-03-30 | -7     | rent
    Out         | 2024-06-01 | -7     | rent
    Year        | 2023-07-01 | 1      | salary
    Year        | 2023-09-30 | 3      | salary
"""


def test_inflow_volatility_12m(spec: Spec) -> None:
    # Of 4 and three times 0 the sample deviation is 2, and the mean 1.
    expected = {"Gap": 3**0.5 / 2, "Even": 0, "One": None, "Out": None, "Year": 2}
    spec("inflow_volatility_12m", expected, transactions=QUARTERS)


BALANCES = """
    customer_id | posted_at  | amount | balance_after
    ------------+------------+--------+--------------
    A           | 2023-06-30 | -10    | 90000
    A           | 2023-07-01 | -10    | 300
    A           | 2024-03-30 | -10    | 100
    A           | 2024-03-31 | -30    | -50
    A           | 2024-05-01 | -30    | 110
    A           | 2024-06-01 | 10     | 0
    A           | 2024-06-02 | -15    |
    Debt        | 2024-01-01 | -10    | -100
    Debt        | 2024-06-01 | 10     | -50
    Nought      | 2024-01-01 | -10    | 0
    Nought      | 2024-06-01 | -30    | 50
    Past        | 2024-03-30 | -10    | 100
    Grown       | 2024-03-30 | 10     | 100
    Grown       | 2024-06-30 | -30    | 150
"""


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (
            "lowest_balance_3m",
            {"A": -50, "Debt": -50, "Nought": 50, "Past": None, "Grown": 150},
        ),
        (
            # A spent 25 a month.
            "lowest_balance_to_outflow",
            {"A": -2, "Debt": None, "Nought": 5, "Past": None, "Grown": 15},
        ),
        (
            # Of a mean balance of 200, A kept a tenth. There is no part of what was not there.
            "balance_drain_3m",
            {"A": 0.9, "Debt": None, "Nought": None, "Past": None, "Grown": -0.5},
        ),
        (
            "overdrawn_share_3m",
            {"A": 1 / 3, "Debt": 1, "Nought": 0, "Past": None, "Grown": 0},
        ),
    ],
)
def test_balances(spec: Spec, feature: str, expected: dict[str, float | None]) -> None:
    spec(feature, expected, transactions=BALANCES)


# What comes in is no spending: a win, a refund, cash paid in.
SPENDING = """
    customer_id | posted_at  | amount | category | channel
    ------------+------------+--------+----------+---------
    A           | 2023-07-01 | -60    | rent     | transfer
    A           | 2023-12-30 | -40    | leisure  | mobile
    A           | 2023-12-31 | -50    | gambling | online
    A           | 2024-03-30 | -50    | cash     | atm
    A           | 2024-03-31 | -30    | leisure  | card
    A           | 2024-05-01 | -70    |          | mobile
    A           | 2024-06-30 | 500    | gambling |
    A           | 2024-06-30 | 500    | leisure  | mobile
    A           | 2024-06-30 | 500    | cash     | branch
    Income      | 2024-06-30 | 500    | salary   |
    Past        | 2023-12-30 | -500   | gambling | mobile
"""


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("gambling_share_6m", {"A": 50 / 200, "Income": None, "Past": None}),
        ("gambling_bookings_6m", {"A": 1, "Income": 0, "Past": 0, "Nobody": 0}),
        ("cash_share_6m", {"A": 50 / 200, "Income": None, "Past": None}),
        ("leisure_share_6m", {"A": 30 / 200, "Income": None, "Past": None}),
        ("leisure_change", {"A": 100 * (30 / 100 - 40 / 200), "Income": None, "Past": None}),
        # A booking without a channel is neither digital nor not.
        ("digital_share_6m", {"A": 3 / 6, "Income": None, "Past": None}),
        ("digital_share_change", {"A": 100 * (2 / 4 - 2 / 4), "Income": None, "Past": None}),
        ("channels_used_6m", {"A": 5, "Income": 0, "Past": 0, "Nobody": 0}),
    ],
)
def test_what_money_goes_for_and_how(
    spec: Spec, feature: str, expected: dict[str, float | None]
) -> None:
    spec(feature, {"Nobody": None} | expected, transactions=SPENDING)


@pytest.mark.parametrize(
    "feature",
    [
        "inflow_3m", "outflow_3m", "net_flow_share_3m", "inflow_change", "outflow_change",
        "inflow_volatility_12m", "lowest_balance_3m", "lowest_balance_to_outflow",
        "balance_drain_3m", "overdrawn_share_3m", "gambling_share_6m", "gambling_bookings_6m",
        "cash_share_6m", "leisure_share_6m", "leisure_change", "digital_share_6m",
        "digital_share_change", "channels_used_6m", "bookings_3m", "bookings_change",
        "days_since_last_booking",
    ],
)  # fmt: skip
def test_what_a_bank_without_the_table_transactions_does_not_know_is_null(
    spec: Spec, feature: str
) -> None:
    spec(feature, {"A": None, "B": None, "C": None, "D": None}, loans=LOANS)


def test_a_day_ends_at_the_close_and_a_year_begins_365_days_before(spec: Spec) -> None:
    spec(
        "days_since_last_booking",
        {"Late": 0, "Early": 0, "Eve": 1, "First": 365, "Before": None, "After": None},
        transactions="""
        customer_id | posted_at
        ------------+----------------------------
        Late        | 2024-06-30T23:59:59.999999Z
        Early       | 2024-06-30T00:00Z
        Eve         | 2024-06-29T23:59:59.999999Z
        First       | 2023-07-01T00:00Z
        Before      | 2023-06-30T23:59:59.999999Z
        After       | 2024-07-01T00:00Z
        """,
    )


TRILLION = 10**12
HIGHEST = """
    customer_id | posted_at  | amount         | balance_after
    ------------+------------+----------------+---------------
    A           | 2024-06-30 | 1000000000000  | 1000000000000
    A           | 2024-06-30 | 1000000000000  | 1000000000000
    A           | 2024-06-30 | -1000000000000 | -1000000000000
"""


@pytest.mark.parametrize("feature", [f.name for f in FEATURES.values() if f.frame is BOOKINGS])
def test_the_highest_amounts_of_the_contract_fit(spec: Spec, feature: str) -> None:
    said = {"inflow_3m": {"A": 2 * TRILLION / 3}, "lowest_balance_3m": {"A": -TRILLION}}
    # Of the others it is enough that nothing overflows.
    spec(feature, said.get(feature, {}), transactions=HIGHEST)
