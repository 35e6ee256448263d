"""What is known at the close of a day: through the source, the lake, the contract, the engine."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.as_of import AsOf, Known, known_at_close
from pipeline.contracts.check import in_order_of_reference
from pipeline.contracts.contract import Contract
from pipeline.contracts.judged import quarantine_table
from pipeline.engines.base import Engine
from pipeline.lake import Lake
from pipeline.sources.pull import pull_table
from pipeline.sources.source import open_source
from tests.spec.ascii_tables import rows_of, to_arrow

UTC = ZoneInfo("UTC")
SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
SANTIAGO = ZoneInfo("America/Santiago")


class Bank:
    """A source folder, and the lake it is pulled into."""

    def __init__(self, folder: Path, contracts: Mapping[str, Contract], engine: Engine) -> None:
        self.source, self.lake = folder / "source", Lake(folder / "lake")
        self.contracts, self.engine = contracts, engine
        self.source.mkdir()

    def records(self, table: str, text: str) -> None:
        schema = self.contracts[table].arrow_schema
        rows = [{"is_deleted": False} | row for row in rows_of(table, text, schema)]
        pq.write_table(to_arrow(rows, schema), self.source / f"{table}.parquet")

    def pulls(self, as_of: date, timezone: ZoneInfo) -> None:
        source = open_source(str(self.source), None)
        for table in in_order_of_reference(self.contracts):
            contract = self.contracts[table]
            if source.has(table):
                pull_table(
                    source, contract, self.lake, self.engine, as_of, timezone, lookback_days=3
                )
                quarantine_table(
                    contract, self.contracts, self.lake, self.engine, as_of, timezone, 3
                )

    def knows(self, as_of: date, timezone: ZoneInfo = UTC) -> Known:
        return known_at_close(self.contracts, self.lake, self.engine, as_of, timezone)

    def regions(self, as_of: date, timezone: ZoneInfo = UTC) -> dict[str, str | None]:
        """Which customers are known, and their region."""
        rows = self.engine.to_arrow(self.knows(as_of, timezone)["customers"]).to_pylist()
        found = {row["customer_id"]: row["region"] for row in rows}
        assert len(found) == len(rows), "a customer is there twice"
        return found


@pytest.fixture
def bank(tmp_path: Path, contracts: Mapping[str, Contract], engine: Engine) -> Bank:
    return Bank(tmp_path, contracts, engine)


def test_the_latest_version_known_counts(bank: Bank) -> None:
    bank.records(
        "customers",
        """
        customer_id | region | known_at
        ------------+--------+--------------------------
        A           | old    | 2024-01-01T09:00:00+00:00
        A           | new    | 2024-01-03T09:00:00+00:00
        B           | same   | 2024-01-01T09:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 1, 5), UTC)
    assert bank.regions(date(2024, 1, 5)) == {"A": "new", "B": "same"}
    assert bank.regions(date(2024, 1, 3)) == {"A": "new", "B": "same"}
    assert bank.regions(date(2024, 1, 2)) == {"A": "old", "B": "same"}
    assert bank.regions(date(2023, 12, 31)) == {}


def test_a_withdrawn_row_is_gone_and_may_come_back(bank: Bank) -> None:
    bank.records(
        "customers",
        """
        customer_id | region | known_at                  | is_deleted
        ------------+--------+---------------------------+-----------
        A           | first  | 2024-01-01T09:00:00+00:00 | no
        A           | first  | 2024-01-02T09:00:00+00:00 | yes
        A           | again  | 2024-01-04T09:00:00+00:00 | no
        """,
    )
    bank.pulls(date(2024, 1, 5), UTC)
    assert bank.regions(date(2024, 1, 1)) == {"A": "first"}
    assert bank.regions(date(2024, 1, 2)) == {}
    assert bank.regions(date(2024, 1, 3)) == {}
    assert bank.regions(date(2024, 1, 4)) == {"A": "again"}


def test_a_row_withdrawn_before_it_was_ever_known_is_not_there(bank: Bank) -> None:
    bank.records(
        "customers",
        """
        customer_id | region | known_at                  | is_deleted
        ------------+--------+---------------------------+-----------
        A           | ghost  | 2024-01-01T09:00:00+00:00 | yes
        B           | real   | 2024-01-01T09:00:00+00:00 | no
        """,
    )
    bank.pulls(date(2024, 1, 1), UTC)
    assert bank.regions(date(2024, 1, 1)) == {"B": "real"}


def test_of_two_versions_on_one_day_the_later_counts(bank: Bank) -> None:
    bank.records(
        "customers",
        """
        customer_id | region  | known_at                         | is_deleted
        ------------+---------+----------------------------------+-----------
        A           | evening | 2024-01-01T18:00:00.000001+00:00 | no
        A           | morning | 2024-01-01T18:00:00+00:00        | no
        B           | morning | 2024-01-01T08:00:00+00:00        | no
        B           | gone    | 2024-01-01T09:00:00+00:00        | yes
        """,
    )
    bank.pulls(date(2024, 1, 1), UTC)
    assert bank.regions(date(2024, 1, 1)) == {"A": "evening"}


@pytest.mark.parametrize(
    ("timezone", "close"),
    [
        (UTC, "2024-01-02T00:00:00+00:00"),
        (SHANGHAI, "2024-01-01T16:00:00+00:00"),
        (NEW_YORK, "2024-01-02T05:00:00+00:00"),
    ],
    ids=str,
)
def test_a_day_closes_in_the_banks_own_zone(bank: Bank, timezone: ZoneInfo, close: str) -> None:
    moment = datetime.fromisoformat(close)
    bank.records(
        "customers",
        f"""
        customer_id | region | known_at
        ------------+--------+---------
        A           | before | {moment - timedelta(microseconds=1)}
        B           | close  | {moment}
        C           | after  | {moment + timedelta(microseconds=1)}
        """,
    )
    bank.pulls(date(2024, 1, 2), timezone)
    assert bank.regions(date(2024, 1, 1), timezone) == {"A": "before"}
    assert bank.regions(date(2024, 1, 2), timezone) == {"A": "before", "B": "close", "C": "after"}


def test_the_close_of_the_day_holds_where_the_lake_was_filled_under_another_zone(
    bank: Bank,
) -> None:
    # Both rows lie in one partition, that of UTC's day; Shanghai's day closes between them.
    bank.records(
        "customers",
        """
        customer_id | region | known_at
        ------------+--------+--------------------------
        A           | before | 2024-01-01T15:59:59+00:00
        B           | close  | 2024-01-01T16:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 1, 1), UTC)
    assert bank.regions(date(2024, 1, 1), SHANGHAI).keys() == {"A"}


def test_a_day_closes_once_where_clocks_change(bank: Bank) -> None:
    # New York's 10 March 2024 has 23 hours.
    bank.records(
        "customers",
        """
        customer_id | region   | known_at
        ------------+----------+--------------------------
        A           | new york | 2024-03-11T03:59:59+00:00
        B           | new york | 2024-03-11T04:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 3, 31), NEW_YORK)
    assert bank.regions(date(2024, 3, 10), NEW_YORK).keys() == {"A"}
    assert bank.regions(date(2024, 3, 11), NEW_YORK).keys() == {"A", "B"}


def test_a_day_without_a_midnight_begins_when_its_clocks_do(bank: Bank) -> None:
    # Santiago's 8 September 2024 begins at one o'clock.
    bank.records(
        "customers",
        """
        customer_id | region   | known_at
        ------------+----------+--------------------------
        C           | santiago | 2024-09-08T03:59:59+00:00
        D           | santiago | 2024-09-08T04:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 9, 8), SANTIAGO)
    assert bank.regions(date(2024, 9, 7), SANTIAGO).keys() == {"C"}
    assert bank.regions(date(2024, 9, 8), SANTIAGO).keys() == {"C", "D"}


def test_the_order_of_rows_is_nothing(
    tmp_path: Path, contracts: Mapping[str, Contract], engine: Engine
) -> None:
    lines = [
        "A | one   | 2024-01-01T09:00:00+00:00 | no",
        "A | two   | 2024-01-02T09:00:00+00:00 | no",
        "A | three | 2024-01-03T09:00:00+00:00 | no",
        "B | one   | 2024-01-01T09:00:00+00:00 | no",
        "B | one   | 2024-01-02T09:00:00+00:00 | yes",
    ]
    for number, order in enumerate([lines, lines[::-1], lines[2:] + lines[:2]]):
        folder = tmp_path / str(number)
        folder.mkdir()
        bank = Bank(folder, contracts, engine)
        bank.records(
            "customers",
            "\n".join(["customer_id | region | known_at | is_deleted", "---", *order]),
        )
        bank.pulls(date(2024, 1, 3), UTC)
        assert bank.regions(date(2024, 1, 3)) == {"A": "three"}


def test_the_entity_is_the_whole_key_without_known_at(bank: Bank) -> None:
    bank.records(
        "financials",
        """
        customer_id | period_end | income | known_at
        ------------+------------+--------+--------------------------
        A           | 2024-01-31 | 100    | 2024-02-03T09:00:00+00:00
        A           | 2024-02-29 | 200    | 2024-03-03T09:00:00+00:00
        A           | 2024-01-31 | 150    | 2024-03-04T09:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 3, 31), UTC)
    rows = bank.engine.to_arrow(bank.knows(date(2024, 3, 31))["financials"]).to_pylist()
    assert {row["period_end"]: row["income"] for row in rows} == {
        date(2024, 1, 31): 150,
        date(2024, 2, 29): 200,
    }


def test_what_is_known_may_lie_in_the_future(bank: Bank) -> None:
    bank.records(
        "repayments",
        """
        loan_id | due_date   | known_at
        --------+------------+--------------------------
        A1      | 2031-01-31 | 2024-01-01T09:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 1, 1), UTC)
    assert len(bank.engine.to_arrow(bank.knows(date(2024, 1, 1))["repayments"])) == 1


def test_a_row_in_quarantine_is_not_known_and_supersedes_nothing(bank: Bank) -> None:
    bank.records(
        "customers",
        """
        customer_id | region | dependents | known_at
        ------------+--------+------------+--------------------------
        A           | good   | 1          | 2024-01-01T09:00:00+00:00
        A           | bad    | -1         | 2024-01-02T09:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 1, 2), UTC)
    assert bank.regions(date(2024, 1, 2)) == {"A": "good"}


def test_a_version_without_consent_is_in_quarantine_and_withdraws_its_row(bank: Bank) -> None:
    bank.records("customers", "customer_id | known_at\n---\nA | 2024-01-01T09:00:00+00:00")
    bank.records(
        "external_signals",
        """
        signal_id | customer_id | kind  | provider | observed_at               | value | consent | known_at
        ----------+-------------+-------+----------+---------------------------+-------+---------+--------------------------
        agreed    | A           | court | P        | 2024-01-01T09:00:00+00:00 | 1     | yes     | 2024-01-01T09:00:00+00:00
        refused   | A           | court | P        | 2024-01-01T09:00:00+00:00 | 1     | yes     | 2024-01-01T09:00:00+00:00
        refused   | A           | court | P        | 2024-01-01T09:00:00+00:00 | 1     | no      | 2024-01-02T09:00:00+00:00
        silent    | A           | court | P        | 2024-01-01T09:00:00+00:00 | 1     | yes     | 2024-01-01T09:00:00+00:00
        silent    | A           | court | P        | 2024-01-01T09:00:00+00:00 | 9     |         | 2024-01-02T09:00:00+00:00
        again     | A           | court | P        | 2024-01-01T09:00:00+00:00 | 1     | no      | 2024-01-02T09:00:00+00:00
        again     | A           | court | P        | 2024-01-01T09:00:00+00:00 | 1     | yes     | 2024-01-03T09:00:00+00:00
        both      | A           | court | P        | 2024-01-01T09:00:00+00:00 | 1     | no      | 2024-01-02T09:00:00+00:00
        both      | A           | court | P        | 2024-01-01T09:00:00+00:00 | 2     | yes     | 2024-01-02T09:00:00+00:00
        broken    | A           | court | P        | 2024-01-01T09:00:00+00:00 | 1     | yes     | 2024-01-01T09:00:00+00:00
        broken    | A           | court | P        | 2024-01-01T09:00:00+00:00 | 9     | yes     | 2024-01-02T09:00:00+00:00
        """,  # noqa: E501 - a table is as wide as it is
    )
    bank.pulls(date(2024, 1, 3), UTC)

    def signals(as_of: date) -> set[str]:
        rows = bank.engine.to_arrow(bank.knows(as_of)["external_signals"]).to_pylist()
        return {row["signal_id"] for row in rows}

    assert signals(date(2024, 1, 1)) == {"agreed", "refused", "silent", "broken"}
    assert signals(date(2024, 1, 2)) == {"agreed", "broken"}
    assert signals(date(2024, 1, 3)) == {"agreed", "broken", "again"}


def test_a_table_of_which_every_row_is_in_quarantine_is_not_present(bank: Bank) -> None:
    # Else a bank whose contacts are all misspelt would be one in which nobody complains.
    bank.records("customers", "customer_id | known_at\n---\nA | 2024-01-01T09:00:00+00:00")
    bank.records(
        "interactions",
        """
        customer_id | occurred_at               | kind | known_at
        ------------+---------------------------+------+--------------------------
        A           | 2024-01-01T09:00:00+00:00 | CALL | 2024-01-01T09:00:00+00:00
        A           | 2024-01-02T09:00:00+00:00 | call | 2024-01-02T09:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 1, 2), UTC)
    assert bank.knows(date(2024, 1, 1)).present == {"customers"}
    assert bank.knows(date(2024, 1, 2)).present == {"customers", "interactions"}


@pytest.mark.parametrize(
    ("as_of", "moment", "days"),
    [
        # Berlin's clocks were put forward on 2024-03-31 at 01:00 UTC, and back on 2023-10-29.
        (date(2024, 3, 31), "2024-03-31T21:59:59+00:00", 0),
        (date(2024, 3, 31), "2024-03-30T23:00:00+00:00", 0),
        (date(2024, 3, 31), "2024-03-30T22:59:59+00:00", 1),
        (date(2024, 3, 31), "2024-03-01T23:30:00+00:00", 29),
        (date(2024, 3, 31), "2024-03-01T22:59:59+00:00", 30),
        (date(2024, 6, 30), "2024-01-15T22:30:00+00:00", 167),
        (date(2024, 6, 30), "2024-01-15T23:30:00+00:00", 166),
        (date(2023, 10, 29), "2023-10-28T22:00:00+00:00", 0),
        (date(2023, 10, 29), "2023-10-28T21:59:59+00:00", 1),
        (date(2023, 11, 30), "2023-10-31T22:15:00+00:00", 30),
        (date(2023, 11, 30), "2023-10-31T23:15:00+00:00", 29),
        (date(2023, 11, 30), "2023-10-28T22:15:00+00:00", 32),
    ],
)
def test_days_are_those_of_the_banks_clocks(
    engine: Engine, as_of: date, moment: str, days: int
) -> None:
    at = AsOf(as_of, ZoneInfo("Europe/Berlin"))
    instant = pa.array([datetime.fromisoformat(moment)], pa.timestamp("us", "UTC"))
    rows = engine.table(pa.table({"moment": instant}))
    found = engine.to_arrow(rows.select(days=at.days_since_instant(rows.moment)))
    assert found["days"].to_pylist() == [days]


def test_the_first_of_some_days_begins_by_the_banks_clocks(bank: Bank) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    bank.records("customers", "customer_id | known_at\n---\nA | 2024-01-01T09:00:00+00:00")
    bank.records(
        "interactions",
        """
        interaction_id | customer_id | occurred_at               | kind | known_at
        ---------------+-------------+---------------------------+------+--------------------------
        before         | A           | 2024-03-09T22:59:59+00:00 | call | 2024-03-11T09:00:00+00:00
        first          | A           | 2024-03-09T23:00:00+00:00 | call | 2024-03-11T09:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 3, 31), berlin)
    known = bank.knows(date(2024, 3, 31), berlin)
    rows = bank.engine.to_arrow(known.since("interactions", "occurred_at", days=21)).to_pylist()
    assert [row["interaction_id"] for row in rows] == ["first"]


def test_a_table_that_the_source_lacks_is_empty_and_not_present(bank: Bank) -> None:
    bank.records(
        "customers",
        """
        customer_id | region | known_at
        ------------+--------+--------------------------
        A           | here   | 2024-01-01T09:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 1, 1), UTC)
    known = bank.knows(date(2024, 1, 1))
    assert known.present == {"customers"}
    assert len(bank.engine.to_arrow(known["relationships"])) == 0


def test_nobody_but_as_of_sees_known_at(bank: Bank) -> None:
    known = bank.knows(date(2024, 1, 1))
    for name in bank.contracts:
        for rows in (known[name], known.history(name), known.where(name, lambda rows: True)):
            assert not {"known_at", "is_deleted"} & set(rows.columns)


BOOKINGS = """
    transaction_id | customer_id | posted_at                 | amount | known_at                  | is_deleted
    ---------------+-------------+---------------------------+--------+---------------------------+-----------
    early          | A           | 2024-03-20T23:59:59+00:00 | 1      | 2024-03-21T00:00:00+00:00 | no
    first          | A           | 2024-03-21T00:00:00+00:00 | 1      | 2024-03-21T00:00:00+00:00 | no
    last           | A           | 2024-03-31T23:59:59+00:00 | 1      | 2024-03-31T23:59:59+00:00 | no
    corrected      | A           | 2024-03-25T09:00:00+00:00 | 1      | 2024-03-25T09:00:00+00:00 | no
    corrected      | A           | 2024-03-25T09:00:00+00:00 | 2      | 2024-03-28T09:00:00+00:00 | no
    corrected      | A           | 2024-03-25T09:00:00+00:00 | 3      | 2024-04-01T00:00:00+00:00 | no
    withdrawn      | A           | 2024-03-25T09:00:00+00:00 | 1      | 2024-03-25T09:00:00+00:00 | no
    withdrawn      | A           | 2024-03-25T09:00:00+00:00 | 1      | 2024-03-28T09:00:00+00:00 | yes
    into           | A           | 2024-01-25T09:00:00+00:00 | 1      | 2024-01-25T09:00:00+00:00 | no
    into           | A           | 2024-03-25T09:00:00+00:00 | 2      | 2024-03-28T09:00:00+00:00 | no
    out of         | A           | 2024-03-25T09:00:00+00:00 | 1      | 2024-03-25T09:00:00+00:00 | no
    out of         | A           | 2024-01-25T09:00:00+00:00 | 2      | 2024-03-28T09:00:00+00:00 | no
    known late     | A           | 2024-03-22T09:00:00+00:00 | 7      | 2024-03-31T09:00:00+00:00 | no
"""  # noqa: E501 - a table


def test_what_happened_of_late_is_told_from_the_latest_versions(bank: Bank) -> None:
    bank.records("customers", "customer_id | known_at\n---\nA | 2023-01-01T09:00:00+00:00")
    bank.records("transactions", BOOKINGS)
    bank.pulls(date(2024, 4, 5), UTC)
    recent = bank.knows(date(2024, 3, 31)).since("transactions", "posted_at", days=10)
    found = {
        row["transaction_id"]: row["amount"] for row in bank.engine.to_arrow(recent).to_pylist()
    }
    assert found == {"first": 1, "last": 1, "corrected": 2, "into": 2, "known late": 7}


def test_of_late_is_asked_only_where_nothing_is_known_before_it_happens(bank: Bank) -> None:
    with pytest.raises(ValueError, match="contract of financials lets rows be known before"):
        bank.knows(date(2024, 3, 31)).since("financials", "period_end", days=10)


def test_a_history_has_every_version_but_what_is_withdrawn_or_comes_later(bank: Bank) -> None:
    bank.records(
        "customers",
        """
        customer_id | region | known_at                  | is_deleted
        ------------+--------+---------------------------+-----------
        A           | first  | 2024-01-01T09:00:00+00:00 | no
        A           | second | 2024-01-03T23:59:59+00:00 | no
        A           | third  | 2024-01-04T00:00:00+00:00 | no
        B           | gone   | 2024-01-02T09:00:00+00:00 | no
        B           | gone   | 2024-01-03T09:00:00+00:00 | yes
        C           | never  | 2024-01-01T09:00:00+00:00 | no
        C           | never  | 2024-01-02T09:00:00+00:00 | yes
        C           | again  | 2024-01-03T09:00:00+00:00 | no
        """,
    )
    bank.pulls(date(2024, 1, 5), UTC)

    def told(as_of: date) -> set[tuple[str, str]]:
        rows = bank.engine.to_arrow(bank.knows(as_of).history("customers"))
        return {(row["customer_id"], row["region"]) for row in rows.to_pylist()}

    assert told(date(2024, 1, 3)) == {("A", "first"), ("A", "second"), ("C", "again")}
    # On the day before, B was not withdrawn yet, and C had just been.
    assert told(date(2024, 1, 2)) == {("A", "first"), ("B", "gone")}


def test_rows_that_a_condition_holds_for_are_looked_up_in_their_latest_version(bank: Bank) -> None:
    bank.records(
        "loans",
        """
        loan_id | customer_id | known_at                  | is_deleted
        --------+-------------+---------------------------+-----------
        mine    | A           | 2024-01-01T09:00:00+00:00 | no
        taken   | A           | 2024-01-01T09:00:00+00:00 | no
        taken   | B           | 2024-01-02T09:00:00+00:00 | no
        got     | B           | 2024-01-01T09:00:00+00:00 | no
        got     | A           | 2024-01-02T09:00:00+00:00 | no
        gone    | A           | 2024-01-01T09:00:00+00:00 | no
        gone    | A           | 2024-01-02T09:00:00+00:00 | yes
        """,
    )
    bank.pulls(date(2024, 1, 5), UTC)

    def of_a(as_of: date) -> set[str]:
        rows = bank.knows(as_of).where("loans", lambda rows: rows.customer_id == "A")
        return {row["loan_id"] for row in bank.engine.to_arrow(rows).to_pylist()}

    assert of_a(date(2024, 1, 1)) == {"mine", "taken", "gone"}
    assert of_a(date(2024, 1, 3)) == {"mine", "got"}


def test_a_table_that_begins_later_is_not_present_before(bank: Bank) -> None:
    # Else what is null for want of the table would become 0 once it lands.
    bank.records("customers", "customer_id | known_at\n---\nA | 2024-01-01T09:00:00+00:00")
    bank.records(
        "interactions",
        """
        interaction_id | customer_id | occurred_at               | kind | known_at
        ---------------+-------------+---------------------------+------+--------------------------
        first          | A           | 2024-01-03T09:00:00+00:00 | call | 2024-01-03T09:00:00+00:00
        """,
    )
    bank.pulls(date(2024, 1, 5), UTC)
    assert bank.knows(date(2024, 1, 2)).present == {"customers"}
    assert bank.knows(date(2024, 1, 3)).present == {"customers", "interactions"}
