"""Who the customers are, from the day they come to the bank: the table `customers`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.simulator import names
from pipeline.simulator.clock import (
    SECONDS_A_DAY,
    Bools,
    Calendar,
    Floats,
    Ints,
    between_hours,
    on_weekdays,
)
from pipeline.simulator.tables import NOTHING, customer_ids, ids, table, versions, words

if TYPE_CHECKING:
    from numpy.random import Generator

    from pipeline.simulator.world import Block

SEGMENTS = ("consumer", "sme", "corporate")
CONSUMER, SME, CORPORATE = range(3)
SEGMENT_SHARES = (0.80, 0.17, 0.03)
MEDIAN_INCOME = np.array([4_200.0, 60_000.0, 2_000_000.0])
INCOME_SPREAD = np.array([0.45, 0.8, 0.7])

INDUSTRIES = ("C10", "C13", "H49", "C28", "F41", "G47", "I55", "J62", "Q86", "D35")
REGIONS = ("Northmark", "Östervik", "Riverlands", "Seaboard", "Highmoor", "Capital")
OCCUPATIONS = ("salaried", "public_service", "self_employed", "hourly")
OCCUPATION_SHARES = (0.55, 0.15, 0.15, 0.15)
SELF_EMPLOYED = 2
MARITAL_STATUSES = ("single", "married", "divorced", "widowed")
EDUCATION = ("basic", "vocational", "bachelor", "master")

YEARS_BEFORE = 8
SHARE_BEFORE_THE_WINDOW, MONTHS_OF_THE_OTHERS = 0.78, 30
"""The others come over a window of so many months; in a longer one, more come, as often."""
NEVER = 10_000_000
"""A day that does not come, for what does not happen to a customer."""


@dataclass(frozen=True)
class People:
    """Customers in the order in which they came; every array has one entry a customer.

    Days on which a thing happens to a customer are `NEVER` where it does not.
    """

    number: Ints
    """0 for the first customer who came."""
    segment: Ints
    onboarded_day: Ints
    onboarded_s: Ints
    birth_or_founding_day: Ints
    region: Ints
    next_region: Ints
    industry: Ints
    occupation: Ints
    marital_status: Ints
    dependents: Ints
    education: Ints
    employed_day: Ints
    job_change_day: Ints
    resident_day: Ints
    move_day: Ints
    base_income: Floats
    frailty: Floats
    due_dom: Ints
    """Day of the month, 1 to 28, on which the customer's instalments fall due."""
    is_mistake: Bools
    """Opened in error and withdrawn within days; such a customer never does anything."""

    @property
    def count(self) -> int:
        """How many customers there are."""
        return len(self.segment)

    @property
    def is_consumer(self) -> Bools:
        """Who is a private person."""
        consumer: Bools = self.segment == CONSUMER
        return consumer


def settle(rng: Generator, calendar: Calendar, count: int) -> People:
    """Draw `count` customers who come over the years before and during the window."""
    end = int(calendar.starts[-1])
    others = (1.0 - SHARE_BEFORE_THE_WINDOW) * max(calendar.months / MONTHS_OF_THE_OTHERS, 1.0)
    came_before = rng.random(count) < SHARE_BEFORE_THE_WINDOW / (SHARE_BEFORE_THE_WINDOW + others)
    from_day = np.where(
        came_before, calendar.window_start - YEARS_BEFORE * 365, calendar.window_start
    )
    until_day = np.where(came_before, calendar.window_start, calendar.last_day + 1)
    days = on_weekdays(rng.integers(from_day, until_day))
    onboarded_s = np.sort(between_hours(rng, days, 9, 17))
    day = onboarded_s // SECONDS_A_DAY

    segment = rng.choice(3, size=count, p=SEGMENT_SHARES)
    consumer = segment == CONSUMER
    age_days = np.where(
        consumer, rng.integers(21 * 365, 66 * 365, count), 180 + rng.exponential(3_000, count)
    ).astype(np.int64)
    adult_days = np.where(consumer, age_days - 18 * 365, age_days)
    education = rng.choice(4, size=count, p=(0.25, 0.35, 0.27, 0.13))
    income = (
        MEDIAN_INCOME[segment]
        * np.exp(INCOME_SPREAD[segment] * rng.standard_normal(count))
        * np.where(consumer, 0.85 + 0.15 * education, 1.0)
    )

    def since(mean_days: float) -> Ints:
        return day - np.minimum(rng.exponential(mean_days, count).astype(np.int64), adult_days)

    def happens(share: float) -> Ints:
        on_day = day + (rng.random(count) * (end - day)).astype(np.int64) + 1
        return np.where(consumer & (rng.random(count) < share), on_day, NEVER)

    return People(
        number=np.arange(count),
        segment=segment,
        onboarded_day=day,
        onboarded_s=onboarded_s,
        birth_or_founding_day=day - age_days,
        region=rng.integers(0, len(REGIONS), count),
        next_region=rng.integers(0, len(REGIONS), count),
        industry=rng.integers(0, len(INDUSTRIES), count),
        occupation=rng.choice(4, size=count, p=OCCUPATION_SHARES),
        marital_status=rng.choice(4, size=count, p=(0.36, 0.49, 0.11, 0.04)),
        dependents=np.minimum(rng.poisson(0.9, count), 8),
        education=education,
        employed_day=since(1_500),
        job_change_day=happens(0.5),
        resident_day=since(2_500),
        move_day=happens(0.25),
        base_income=income,
        frailty=rng.standard_normal(count),
        due_dom=rng.integers(1, 29, count),
        is_mistake=rng.random(count) < 0.003,
    )


ONBOARDED, CHANGED_JOB, MOVED, JOB_DATE_FIXED, WITHDRAWN = range(5)


def customers(rng: Generator, calendar: Calendar, block: Block) -> pa.Table:
    """The table `customers`: a version at onboarding, and one for whatever changed since."""
    people = block.people
    n = people.count
    everyone = np.arange(n)
    lasting = people.is_consumer & ~people.is_mistake
    # Hours of their own, so that no two versions of a customer share a known_at.
    job_known_s = between_hours(rng, people.job_change_day + rng.integers(3, 20, n), 9, 12)
    move_known_s = between_hours(rng, people.move_day + rng.integers(3, 40, n), 12, 15)
    fix_known_s = between_hours(rng, people.onboarded_day + rng.integers(30, 200, n), 15, 17)
    withdrawn_s = between_hours(rng, people.onboarded_day + rng.integers(1, 10, n), 9, 17)
    wrong_by_days = rng.integers(200, 900, n)
    is_wrong = lasting & (rng.random(n) < 0.02)

    has_job, has_move = people.job_change_day < NEVER, people.move_day < NEVER
    changed_job, moved = np.flatnonzero(lasting & has_job), np.flatnonzero(lasting & has_move)
    wrong, withdrawn = np.flatnonzero(is_wrong), np.flatnonzero(people.is_mistake)
    who, known_s, event = versions(
        calendar,
        (everyone, people.onboarded_s),
        (changed_job, job_known_s[changed_job]),
        (moved, move_known_s[moved]),
        (wrong, fix_known_s[wrong]),
        (withdrawn, withdrawn_s[withdrawn]),
    )

    consumer = people.is_consumer[who]
    has_new_job = known_s >= job_known_s[who]
    has_moved = known_s >= move_known_s[who]
    still_wrong = is_wrong[who] & (known_s < fix_known_s[who])
    employed = people.employed_day[who] - np.where(still_wrong, wrong_by_days[who], 0)
    employed = np.where(has_new_job, people.job_change_day[who], employed)
    resident = np.where(has_moved, people.move_day[who], people.resident_day[who])
    columns = {
        "customer_id": customer_ids(people.number[who]),
        "segment": words(SEGMENTS, people.segment[who]),
        "name": _names(rng, people).take(pa.array(who)),
        "national_id": _national_ids(people).take(pa.array(who)),
        "birth_date": np.where(consumer, people.birth_or_founding_day[who], NOTHING),
        "established_date": np.where(consumer, NOTHING, people.birth_or_founding_day[who]),
        "region": words(REGIONS, np.where(has_moved, people.next_region[who], people.region[who])),
        "industry_code": words(INDUSTRIES, people.industry[who]),
        "occupation": words(OCCUPATIONS, np.where(consumer, people.occupation[who], -1)),
        "employed_since": np.where(consumer, employed, NOTHING),
        "resident_since": np.where(consumer, resident, NOTHING),
        "marital_status": words(
            MARITAL_STATUSES, np.where(consumer, people.marital_status[who], -1)
        ),
        "dependents": np.where(consumer, people.dependents[who], NOTHING),
        "education": words(EDUCATION, np.where(consumer, people.education[who], -1)),
        "onboarded_at": people.onboarded_day[who],
    }
    return table("customers", columns, known_s, event == WITHDRAWN)


def _names(rng: Generator, people: People) -> pa.Array:
    def draw(vocabulary: tuple[str, ...]) -> pa.Array:
        return words(vocabulary, rng.integers(0, len(vocabulary), people.count))

    persons = pc.binary_join_element_wise(draw(names.GIVEN), draw(names.FAMILY), " ")
    trade = words(names.TRADE, people.industry)
    firms = pc.binary_join_element_wise(draw(names.FIRM), trade, draw(names.LEGAL_FORM), " ")
    return pc.if_else(pa.array(people.is_consumer), persons, firms)


def _national_ids(people: People) -> pa.Array:
    # Multiplying by a number prime to the modulus shuffles without two meeting.
    serial = (people.number * 7_368_787 + 31_415_926) % 1_000_000_000
    prefix = pc.if_else(pa.array(people.is_consumer), "P", "F")
    return pc.binary_join_element_wise(prefix, ids("", serial, 9), "-")
