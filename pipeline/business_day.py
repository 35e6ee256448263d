"""The bank's days: when one closes, how months are counted, and which day a run stands on."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.errors import RisklineError

FIRST_DAY = date(1900, 1, 1)
"""No run stands on an earlier day; a look-back of any length still finds days before it."""


def close_of(day: date, timezone: ZoneInfo) -> datetime:
    """The first moment, in UTC, that no longer belongs to the bank's day."""
    return start_of(day + timedelta(days=1), timezone)


def start_of(day: date, timezone: ZoneInfo) -> datetime:
    """The first moment, in UTC, of the bank's day."""
    return datetime.combine(day, time.min, tzinfo=timezone).astimezone(UTC)


@lru_cache(maxsize=64)
def clock_changes(
    day: date, timezone: ZoneInfo, days_back: int
) -> tuple[tuple[datetime, timedelta], ...]:
    """When the bank's clocks were changed in the days up to a day's close, and by how much.

    Returns:
        The latest first: the first moment of the new time, in UTC, and by how much the clocks were
        put forward; negative where they were put back.
    """

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(timezone).utcoffset() or timedelta(0)

    found = []
    after = close_of(day, timezone)
    for _ in range(days_back):
        before = after - timedelta(days=1)
        change = offset(after) - offset(before)
        if change:
            same, new = before, after
            while new - same > timedelta(seconds=1):
                # Halves of whole seconds: clocks change on one.
                half = same + timedelta(seconds=(new - same) // timedelta(seconds=2))
                same, new = (half, new) if offset(half) == offset(before) else (same, half)
            found.append((new, change))
        after = before
    return tuple(found)


def is_month_end(day: date) -> bool:
    """Whether a day is the last of its month."""
    return day.day == calendar.monthrange(day.year, day.month)[1]


def months_after(day: date, months: int) -> date:
    """The same day some months later, or earlier where negative.

    The last day of a month leads to the last day of a month, and a day that a month lacks to its
    last one.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, last if is_month_end(day) else min(day.day, last))


def resolve_as_of(
    as_of: str | None, logical_date: datetime | None, timezone: ZoneInfo, now: datetime
) -> date:
    """The as-of date of a run.

    Args:
        as_of: what the run was told, as YYYY-MM-DD, if anything.
        logical_date: the scheduler's own date of the run, if it has one.
        timezone: the bank's.
        now: the present moment, with a zone.

    Returns:
        ``as_of`` if given, else the day before the logical date in the bank's time zone.

    Raises:
        RisklineError: neither is given, the text is no date, or the day is not over yet or lies
            before anything a bank's systems recorded.
    """
    if as_of:
        try:
            day = date.fromisoformat(as_of)
        except ValueError as error:
            raise RisklineError(
                f"as-of date {as_of!r} is not a date; give it as YYYY-MM-DD, such as 2024-06-30"
            ) from error
        if as_of != day.isoformat():
            raise RisklineError(
                f"as-of date {as_of!r} is not written as YYYY-MM-DD; did you mean {day}?"
            )
    elif logical_date is not None:
        day = logical_date.astimezone(timezone).date() - timedelta(days=1)
    else:
        raise RisklineError(
            "no as-of date: the run has neither the param as_of nor a logical date; trigger it "
            "again with as_of set to the night to score"
        )
    today = now.astimezone(timezone).date()
    if day >= today:
        raise RisklineError(
            f"as-of date {day} is not over yet in {timezone.key} (today is {today}); "
            f"give {today - timedelta(days=1)} or an earlier day"
        )
    if day < FIRST_DAY:
        raise RisklineError(f"as-of date {day} lies before {FIRST_DAY}; did you mistype the year?")
    return day
