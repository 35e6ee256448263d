"""Which day a run stands on, and when a bank's day begins and ends."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.business_day import close_of, resolve_as_of, start_of
from pipeline.errors import RisklineError

# told | logical date | the bank's zone | now | as-of date
RESOLVED = """
2024-06-30 | -                      | UTC              | 2024-07-01T00:00Z | 2024-06-30
2024-06-30 | -                      | UTC              | 2030-01-01T00:00Z | 2024-06-30
2024-02-29 | -                      | UTC              | 2024-07-01T12:00Z | 2024-02-29
2024-06-30 | -                      | Africa/Lagos     | 2024-06-30T23:00Z | 2024-06-30
2024-06-30 | -                      | Asia/Shanghai    | 2024-06-30T16:00Z | 2024-06-30
2024-06-30 | -                      | America/New_York | 2024-07-01T04:00Z | 2024-06-30
2024-03-10 | -                      | America/New_York | 2024-03-11T04:00Z | 2024-03-10
2024-11-03 | -                      | America/New_York | 2024-11-04T05:00Z | 2024-11-03
2024-06-01 | 2024-06-30T02:00Z      | UTC              | 2024-07-01T12:00Z | 2024-06-01
-          | 2024-06-30T02:00Z      | UTC              | 2024-07-01T12:00Z | 2024-06-29
-          | 2024-06-30T00:00Z      | UTC              | 2024-07-01T12:00Z | 2024-06-29
-          | 2024-06-29T23:59Z      | UTC              | 2024-07-01T12:00Z | 2024-06-28
-          | 2024-06-30T01:00Z      | Africa/Lagos     | 2024-07-01T12:00Z | 2024-06-29
-          | 2024-06-29T18:00Z      | Asia/Shanghai    | 2024-07-01T12:00Z | 2024-06-29
-          | 2024-06-29T15:59Z      | Asia/Shanghai    | 2024-07-01T12:00Z | 2024-06-28
-          | 2024-06-30T06:00Z      | America/New_York | 2024-07-01T12:00Z | 2024-06-29
-          | 2024-06-30T03:59Z      | America/New_York | 2024-07-01T12:00Z | 2024-06-28
-          | 2024-03-10T07:00Z      | America/New_York | 2024-07-01T12:00Z | 2024-03-09
-          | 2024-06-30T02:00+08:00 | Asia/Shanghai    | 2024-07-01T12:00Z | 2024-06-29
"""

# told | logical date | the bank's zone | now | words of the refusal
REFUSED = """
-          | -                 | UTC              | 2024-07-01T12:00Z | no as-of date: .*as_of set
yesterday  | -                 | UTC              | 2024-07-01T12:00Z | 'yesterday' is not a date
2024-02-30 | -                 | UTC              | 2024-07-01T12:00Z | give it as YYYY-MM-DD
30.06.2024 | -                 | UTC              | 2024-07-01T12:00Z | give it as YYYY-MM-DD
20240630   | -                 | UTC              | 2024-07-01T12:00Z | did you mean 2024-06-30
2024-W26-7 | -                 | UTC              | 2024-07-01T12:00Z | did you mean 2024-06-30
2024-07-01 | -                 | UTC              | 2024-07-01T12:00Z | give 2024-06-30 or an
2024-07-01 | -                 | UTC              | 2024-07-01T23:59Z | not over yet in UTC
2025-01-01 | -                 | UTC              | 2024-07-01T12:00Z | not over yet
9999-12-31 | -                 | UTC              | 2024-07-01T12:00Z | not over yet
0001-01-01 | -                 | Asia/Shanghai    | 2024-07-01T12:00Z | before 1900-01-01
1899-12-31 | -                 | UTC              | 2024-07-01T12:00Z | did you mistype the year
2024-06-30 | -                 | Africa/Lagos     | 2024-06-30T22:59Z | not over yet in Africa/Lagos
2024-06-30 | -                 | America/New_York | 2024-07-01T03:59Z | today is 2024-06-30
-          | 2024-07-03T02:00Z | UTC              | 2024-07-01T12:00Z | 2024-07-02 is not over yet
"""


def cases(table: str) -> list[list[str]]:
    """The rows of a table."""
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def resolved(told: str, logical: str, zone: str, now: str) -> date:
    return resolve_as_of(
        None if told == "-" else told,
        None if logical == "-" else datetime.fromisoformat(logical),
        ZoneInfo(zone),
        datetime.fromisoformat(now),
    )


@pytest.mark.parametrize(("told", "logical", "zone", "now", "as_of"), cases(RESOLVED))
def test_the_as_of_date(told: str, logical: str, zone: str, now: str, as_of: str) -> None:
    assert resolved(told, logical, zone, now) == date.fromisoformat(as_of)


@pytest.mark.parametrize(("told", "logical", "zone", "now", "words"), cases(REFUSED))
def test_no_as_of_date(told: str, logical: str, zone: str, now: str, words: str) -> None:
    with pytest.raises(RisklineError, match=words) as refused:
        resolved(told, logical, zone, now)
    assert "\n" not in str(refused.value)


def test_an_empty_text_counts_as_not_given() -> None:
    logical = datetime(2024, 6, 30, 2, tzinfo=UTC)
    now = datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert resolve_as_of("", logical, ZoneInfo("UTC"), now) == date(2024, 6, 29)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("UTC", "2024-06-30", "2024-06-30T00:00+00:00", 24),
        ("Africa/Lagos", "2024-06-30", "2024-06-29T23:00+00:00", 24),
        ("Asia/Shanghai", "2024-06-30", "2024-06-29T16:00+00:00", 24),
        ("Asia/Kathmandu", "2024-06-30", "2024-06-29T18:15+00:00", 24),
        ("America/New_York", "2024-03-10", "2024-03-10T05:00+00:00", 23),
        ("America/New_York", "2024-11-03", "2024-11-03T04:00+00:00", 25),
        # Clocks that leap at midnight: the day begins at one, or has two midnights.
        ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00+00:00", 23),
        ("America/Havana", "2024-11-03", "2024-11-03T04:00+00:00", 25),
        # Samoa had no such day.
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00+00:00", 24),
    ],
)
def test_a_day_of_the_bank(zone: str, day: str, start: str, hours: int) -> None:
    begins = datetime.fromisoformat(start)
    assert start_of(date.fromisoformat(day), ZoneInfo(zone)) == begins
    assert close_of(date.fromisoformat(day), ZoneInfo(zone)) == begins + timedelta(hours=hours)
