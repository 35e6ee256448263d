"""What holds for any bank, however small, short or odd."""

from datetime import date

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import example, given, settings

from pipeline.simulator.bank import TABLES, Bank, simulate
from pipeline.simulator.tables import SCHEMAS
from tests.unit.simulated_bank import key, properties

BANKS = st.builds(
    Bank,
    customers=st.integers(1, 200),
    months=st.integers(1, 36),
    last_date=st.dates(date(1992, 12, 1), date(2060, 12, 31)),
    seed=st.integers(0, 2**32),
    block_customers=st.integers(1, 120),
)


@settings(max_examples=12)
@given(BANKS)
@example(Bank(customers=1, months=1, block_customers=1))
@example(Bank(customers=2, months=1, last_date=date(2024, 2, 29)))
def test_any_bank_keeps_shape_keys_and_time(bank: Bank) -> None:
    tables = simulate(bank)
    assert list(tables) == list(TABLES)
    close = pa.scalar(bank.calendar.close_s * 1_000_000, pa.timestamp("us", tz="UTC"))
    customers = tables["customers"]["customer_id"].unique()
    for name, rows in tables.items():
        assert rows.schema.equals(SCHEMAS[name])
        assert pc.all(pc.less(rows["known_at"], close)).as_py() is not False, name
        versions = rows.group_by([*key(name), "known_at"]).aggregate([])
        assert versions.num_rows == rows.num_rows, name
        for column in properties(name):
            if column.get("required"):
                assert rows[column["name"]].null_count == 0, (name, column["name"])
        for reference in ("customer_id", "related_customer_id"):
            if reference in rows.column_names:
                assert pc.all(pc.is_in(rows[reference], value_set=customers)).as_py() is not False


@settings(max_examples=3)
@given(BANKS)
def test_the_same_bank_is_the_same_bank(bank: Bank) -> None:
    once, again = simulate(bank), simulate(bank)
    assert all(rows.equals(again[name]) for name, rows in once.items())
