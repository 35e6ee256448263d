"""Where the customer's income, industry and economy are heading, as drawn tables."""

from datetime import date

import pytest

from tests.spec.conftest import Spec

INDUSTRIES = """
    customer_id | industry_code
    ------------+--------------
    A           | retail
    B           | steel
    C           |
    D           | farming
"""
# Retail's last month is revised, and the next one is known but has not ended. Steel's latest
# index is of April, its latest default rate of March.
OUTLOOK = """
    industry_code | month      | outlook_index | industry_default_rate_pct | known_at
    --------------+------------+---------------+---------------------------+------------------
    retail        | 2023-05-31 | 1             | 1                         | 2023-06-20T00:00Z
    retail        | 2023-06-30 | 110           | 2                         | 2023-07-20T00:00Z
    retail        | 2023-12-31 | 105           | 3                         | 2024-01-20T00:00Z
    retail        | 2024-06-30 | 999           | 99                        | 2024-06-30T09:00Z
    retail        | 2024-06-30 | 100           | 5                         | 2024-06-30T18:00Z
    retail        | 2024-07-31 | 1             | 1                         | 2024-06-30T18:00Z
    steel         | 2023-03-31 | 85            | 6                         | 2023-04-20T00:00Z
    steel         | 2023-10-31 | 95.5          |                           | 2023-11-20T00:00Z
    steel         | 2024-03-31 | 70            | 4                         | 2024-04-20T00:00Z
    steel         | 2024-04-30 | 80            |                           | 2024-05-20T00:00Z
"""


@pytest.mark.parametrize(
    ("feature", "retail", "steel"),
    [
        ("industry_outlook_index", 100, 80),
        ("industry_outlook_change_6m", -5, -15.5),
        ("industry_outlook_change_12m", -10, None),
        ("industry_default_rate_pct", 5, 4),
        ("industry_default_rate_change_12m", 3, -2),
    ],
)
def test_each_figure_of_an_industry_counts_from_its_own_latest_month(
    spec: Spec, feature: str, retail: float, steel: float | None
) -> None:
    expected = {"A": retail, "B": steel, "C": None, "D": None}
    spec(feature, expected, customers=INDUSTRIES, industry_outlook=OUTLOOK)


# What the rows of a month say of the economy may differ: their mean counts.
ECONOMY = """
    industry_code | month      | gdp_growth_pct | unemployment_pct | policy_rate_pct
    --------------+------------+----------------+------------------+----------------
    retail        | 2023-08-31 | 4              | 5                | 3
    steel         | 2023-08-31 | 5              | 5                |
    retail        | 2024-01-31 | 9              | 9                | 9
    retail        | 2024-02-29 | 2              | 6                |
    steel         | 2024-02-29 | 1              |                  |
    retail        | 2024-03-31 | 7              | 7                | 7
"""


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("gdp_growth_pct", 1.5),
        ("gdp_growth_change_6m", -3),
        ("unemployment_pct", 6),
        ("unemployment_change_6m", 1),
        ("policy_rate_pct", 9),
        ("policy_rate_change_6m", None),
    ],
)
def test_the_economy_is_the_same_for_all_on_a_leap_day(
    spec: Spec, feature: str, value: float | None
) -> None:
    expected = dict.fromkeys("ABCD", value)
    spec(feature, expected, date(2024, 2, 29), customers=INDUSTRIES, industry_outlook=ECONOMY)


def test_without_the_table_industry_outlook_its_features_are_null(spec: Spec) -> None:
    for feature in (
        "industry_outlook_index",
        "industry_default_rate_pct",
        "gdp_growth_pct",
        "policy_rate_change_6m",
    ):
        spec(feature, dict.fromkeys("ABCD"), customers=INDUSTRIES)


def test_an_outlook_without_a_month_that_has_ended_says_nothing(spec: Spec) -> None:
    outlook = (
        "industry_code | month | outlook_index | gdp_growth_pct\n---\nretail | 2024-07-31 | 1 | 1"
    )
    for feature in ("industry_outlook_index", "gdp_growth_pct"):
        spec(feature, dict.fromkeys("ABCD"), customers=INDUSTRIES, industry_outlook=outlook)


def test_industry_late_share_12m(spec: Spec) -> None:
    # Over 30 days late with what fell due from 2023-07-01 on: B and D. G has no dues at all.
    spec(
        "industry_late_share_12m",
        {"A": 1 / 2, "B": 1 / 2, "C": None, "D": 1, "E": 1, "F": None, "G": 1 / 2},
        customers="""
        customer_id | industry_code
        ------------+--------------
        A           | retail
        B           | retail
        C           |
        D           | steel
        E           | steel
        F           | farming
        G           | retail
        """,
        repayments="""
        loan_id | due_date   | paid_date
        --------+------------+-----------
        A1      | 2023-06-30 |
        A1      | 2023-07-01 | 2023-07-31
        A1      | 2024-06-30 |
        A1      | 2024-07-01 | 2024-06-01
        B1      | 2024-01-01 | 2024-02-01
        B1      | 2024-06-01 | 2024-06-01
        C1      | 2024-01-01 |
        D1      | 2024-05-30 |
        """,
    )


def test_income_growth_12m(spec: Spec) -> None:
    # A: April to June against April to June. B lacks two of the months: a gap shifts nothing.
    spec(
        "income_growth_12m",
        {"A": 200 / 100, "B": 300 / 60, "C": None, "D": None, "E": None},
        financials="""
        customer_id | period_end | income
        ------------+------------+-------
        A           | 2023-03-31 | 9000
        A           | 2023-04-30 | 50
        A           | 2023-05-31 | 100
        A           | 2023-06-30 | 150
        A           | 2023-07-31 | 9000
        A           | 2024-03-31 | 9000
        A           | 2024-04-30 | 100
        A           | 2024-05-31 | 200
        A           | 2024-06-30 | 300
        B           | 2023-03-31 | 9000
        B           | 2023-05-31 | 60
        B           | 2023-07-31 | 9000
        B           | 2024-06-30 | 300
        C           | 2024-06-30 | 300
        D           | 2023-06-30 | 0
        D           | 2024-06-30 | 300
        """,
    )


@pytest.mark.parametrize(
    ("feature", "column"),
    [("asset_growth_12m", "assets"), ("liability_growth_12m", "liabilities")],
)
def test_growth_of_a_balance_on_month_ends_of_a_leap_year(
    spec: Spec, feature: str, column: str
) -> None:
    spec(
        feature,
        {"A": 3, "B": None, "C": None},
        date(2024, 2, 29),
        financials=f"""
        customer_id | period_end | {column}
        ------------+------------+-------
        A           | 2023-01-31 | 1
        A           | 2023-02-28 | 100
        A           | 2023-03-31 | 1
        A           | 2024-02-29 | 300
        A           | 2024-03-31 | 1
        B           | 2023-02-28 | 0
        B           | 2024-02-29 | 300
        C           | 2023-01-31 | 100
        C           | 2024-02-29 | 300
        """,
    )


# A: today's counts, tomorrow's does not; 273 days before it is a year before, 272 are not.
# B: 730 days before are; C: 731 are not. D: of two on one day that with the higher number.
ASSESSMENTS = """
    assessment_id | customer_id | assessed_at | management_quality | market_reputation | industry_position
    --------------+-------------+-------------+--------------------+-------------------+------------------
    1             | A           | 2023-09-01  | 5                  | 5                 | 5
    2             | A           | 2023-10-01  | 2                  | 2                 | 2
    3             | A           | 2023-10-02  | 1                  | 1                 | 1
    4             | A           | 2024-06-30  | 4                  | 3                 |
    5             | A           | 2024-07-01  | 1                  | 1                 | 1
    6             | B           | 2022-01-01  | 5                  | 5                 | 5
    7             | B           | 2024-01-01  | 2                  | 3                 | 4
    8             | C           | 2021-12-31  | 5                  | 5                 | 5
    9             | C           | 2024-01-01  |                    |                   |
    D2            | D           | 2024-01-01  | 5                  | 4                 | 3
    D1            | D           | 2024-01-01  | 1                  | 1                 | 1
    D4            | D           | 2023-01-01  | 1                  | 3                 | 2
    D3            | D           | 2023-01-01  | 5                  | 5                 | 5
"""  # noqa: E501 - a table


@pytest.mark.parametrize(
    ("feature", "of_a", "of_b", "of_c", "of_d"),
    [
        ("management_quality", 4, 2, None, 5),
        ("market_reputation", 3, 3, None, 4),
        ("industry_position", None, 4, None, 3),
        ("assessment_mean", 3.5, 3, None, 4),
        ("assessment_change", 1.5, -2, None, 2),
    ],
)
def test_the_latest_assessment_counts_and_one_about_a_year_before(
    spec: Spec, feature: str, of_a: float | None, of_b: float, of_c: None, of_d: float
) -> None:
    expected = {"A": of_a, "B": of_b, "C": of_c, "D": of_d, "Alone": None}
    spec(feature, expected, assessments=ASSESSMENTS)


# Retail: consumers A, B and C have a median, and D, the only firm, one of its own. Steel: of two
# customers it lies between them. Farming: it is 0. E has no industry, K no figures.
PEERS = """
    customer_id | industry_code | segment
    ------------+---------------+---------
    A           | retail        | consumer
    B           | retail        | consumer
    C           | retail        | consumer
    K           | retail        | consumer
    D           | retail        | sme
    E           |               | consumer
    G           | steel         | consumer
    H           | steel         | consumer
    I           | farming       | consumer
"""
MEANS = """
    customer_id | period_end | income | expense | assets | liabilities | liquid_assets
    ------------+------------+--------+---------+--------+-------------+--------------
    A           | 2024-06-30 | 100    | 100     | 100    | 100         | 100
    B           | 2024-06-30 | 200    | 100     | 100    | 200         | 200
    C           | 2024-06-30 | 800    | 100     | 100    | 800         | 800
    D           | 2024-06-30 | 700    | 100     | 100    | 700         | 700
    E           | 2024-06-30 | 100    | 100     | 100    | 100         | 100
    G           | 2024-06-30 | 100    | 100     | 100    | 100         | 100
    H           | 2024-06-30 | 300    | 100     | 100    | 300         | 300
    I           | 2024-06-30 | 0      | 100     | 100    | 0           | 0
"""


@pytest.mark.parametrize("feature", ["income_to_peers", "leverage_to_peers", "liquidity_to_peers"])
def test_the_median_of_an_industry_and_segment(spec: Spec, feature: str) -> None:
    expected = {
        "A": 0.5, "B": 1, "C": 4, "D": 1, "E": None, "G": 0.5, "H": 1.5, "I": None, "K": None,
    }  # fmt: skip
    spec(feature, expected, customers=PEERS, financials=MEANS)
    spec(feature, dict.fromkeys(expected), customers=PEERS)


# The last 12 months begin with 2023-07-01, and end with the as-of date.
SIGNALS = """
    signal_id | customer_id | kind   | observed_at               | value
    ----------+-------------+--------+---------------------------+------
    1         | A           | {kind} | 2023-06-30T23:59:59+00:00 | -1
    2         | A           | {kind} | 2023-07-01T00:00:00+00:00 | 0.1
    3         | A           | {kind} | 2024-06-30T23:59:59+00:00 | 0.4
    4         | A           | {kind} | 2024-06-01T00:00:00+00:00 |
    5         | A           | court  | 2024-06-01T00:00:00+00:00 | -1
    6         | B           | {kind} | 2024-06-01T00:00:00+00:00 |
    7         | C           | court  | 2024-06-01T00:00:00+00:00 | 1
"""


@pytest.mark.parametrize(
    ("feature", "kind"),
    [
        ("reputation_signal_12m", "public_reputation"),
        ("employment_signal_12m", "employment"),
        ("online_spending_signal_12m", "online_spending"),
    ],
)
def test_signals_of_one_kind_in_the_last_12_months(spec: Spec, feature: str, kind: str) -> None:
    expected = {"A": 0.25, "B": None, "C": None, "Alone": None}
    spec(feature, expected, external_signals=SIGNALS.format(kind=kind))
    spec(feature, dict.fromkeys(expected), customers="customer_id\n---\nA\nB\nC\nAlone")
