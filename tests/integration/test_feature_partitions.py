"""A night's features as the lake keeps them, and the command that shows a customer's."""

import os
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline import lookups, nightly
from pipeline.cli import app
from pipeline.errors import RisklineError
from pipeline.features import cohorts
from pipeline.features.cohorts import FEATURES, partition_name, read_or_build
from pipeline.features.registry import FEATURES as DECLARED
from pipeline.lake import Lake
from pipeline.rooms import Rooms, source_url
from pipeline.settings import Settings
from pipeline.simulator.bank import Bank, simulate
from pipeline.sources.pull import pull_table
from pipeline.sources.source import open_source

AS_OF = date(2024, 3, 31)
LATER = AS_OF + timedelta(days=3)
BANK = Bank(customers=150, months=4, last_date=date(2024, 4, 30))


@pytest.fixture(scope="module")
def bank() -> Mapping[str, pa.Table]:
    return simulate(BANK)


@pytest.fixture(scope="module")
def pulled(bank: Mapping[str, pa.Table], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bank as a source, and a home into which it was pulled and checked."""
    folder = tmp_path_factory.mktemp("pulled")
    (folder / "source").mkdir()
    for name, rows in bank.items():
        pq.write_table(rows, folder / "source" / f"{name}.parquet")
    with pytest.MonkeyPatch.context() as environment:
        shutil.copytree(folder / "source", folder / "live" / "source")
        environment.setenv("RISK_HOME", str(folder / "live" / "home"))
        environment.setenv("RISK_SOURCE_URL", str(folder / "live" / "source"))
        nightly.pull(Settings(), AS_OF)
        nightly.check(Settings(), AS_OF)
        _features(Settings())
    (folder / "live" / "home").rename(folder / "home")
    return folder


@pytest.fixture
def settings(pulled: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Both as they were, for each test; in the same place, for a lake is bound to its source."""
    live = pulled / "live"
    shutil.rmtree(live, ignore_errors=True)
    shutil.copytree(pulled / "source", live / "source")
    # As links: whatever is renewed is written beside the old and takes its name.
    shutil.copytree(pulled / "home", live / "home", copy_function=os.link, symlinks=True)
    monkeypatch.setenv("RISK_HOME", str(live / "home"))
    monkeypatch.setenv("RISK_SOURCE_URL", str(live / "source"))
    return Settings()


def _features(settings: Settings, as_of: date = AS_OF) -> pa.Table:
    rooms = Rooms(settings)
    return read_or_build(rooms.contracts, rooms.lake, rooms.engine, as_of, settings.timezone)


def _partition(settings: Settings, as_of: date = AS_OF) -> Path:
    rooms = Rooms(settings)
    return rooms.lake.file(FEATURES, partition_name(rooms.contracts, settings.timezone), as_of)


def _change(settings: Settings, customer: str, **columns: Any) -> None:
    """A version of a customer, recorded on the evening before the as-of date but landed after."""
    assert settings.source_url is not None
    file = Path(settings.source_url.get_secret_value()) / "customers.parquet"
    rows = pq.read_table(file)
    evening = datetime(2024, 3, 30, 22, tzinfo=UTC)
    known = [row for row in rows.to_pylist() if row["known_at"] < evening]
    last = max(
        (row for row in known if row["customer_id"] == customer), key=lambda row: row["known_at"]
    )
    late = pa.Table.from_pylist([last | {"known_at": evening} | columns], schema=rows.schema)
    pq.write_table(pa.concat_tables([rows, late]), file)


def test_what_is_kept_is_read_and_not_built_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = _features(settings)

    def refuse(*_: object, **__: object) -> pa.Table:
        raise AssertionError("built again")

    monkeypatch.setattr(cohorts, "build_features", refuse)
    assert _features(settings).equals(built)
    with pytest.raises(AssertionError, match="built again"):
        _features(settings, AS_OF - timedelta(days=1))


def test_a_row_that_lands_late_has_past_partitions_built_again(settings: Settings) -> None:
    before = _features(settings)
    earlier = _features(settings, AS_OF - timedelta(days=10))
    stamp = _partition(settings).stat().st_mtime_ns
    stamp_earlier = _partition(settings, AS_OF - timedelta(days=10)).stat().st_mtime_ns
    customer = before["customer_id"][0].as_py()
    _change(settings, customer, dependents=29)
    nightly.pull(settings, AS_OF)
    nightly.check(settings, AS_OF)
    after = _features(settings)
    assert _partition(settings).stat().st_mtime_ns > stamp
    assert after["dependents"][0].as_py() == 29
    others = [name for name in after.column_names if name != "dependents"]
    assert after.select(others).equals(before.select(others))
    # What was known ten days before has not changed, and neither has that partition.
    assert _features(settings, AS_OF - timedelta(days=10)).equals(earlier)
    assert _partition(settings, AS_OF - timedelta(days=10)).stat().st_mtime_ns == stamp_earlier


def test_a_partition_without_its_mark_is_built_again(settings: Settings) -> None:
    # As if the process had been killed between the two.
    built = _features(settings)
    rooms = Rooms(settings)
    folder = rooms.lake.folder(FEATURES, partition_name(rooms.contracts, settings.timezone))
    (folder / f"through_{AS_OF}").unlink()
    stamp = _partition(settings).stat().st_mtime_ns
    assert _features(settings).equals(built)
    assert _partition(settings).stat().st_mtime_ns > stamp


def test_a_value_that_cannot_be_stops_the_build_and_leaves_what_was_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = _features(settings)

    def impossible(*_: object, **__: object) -> pa.Table:
        shares = pa.array([1.5, *([None] * (len(built) - 1))], pa.float64())
        place = built.schema.get_field_index("late_share_12m")
        return built.set_column(place, "late_share_12m", shares)

    monkeypatch.setattr(cohorts, "build_features", impossible)
    rooms = Rooms(settings)
    with pytest.raises(RisklineError, match=r"features of 1 of .* late_share_12m must"):
        cohorts.build_partition(rooms.contracts, rooms.lake, rooms.engine, AS_OF, settings.timezone)
    assert _features(settings).equals(built)


def test_other_code_means_other_partitions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = Rooms(settings).contracts
    name = partition_name(contracts, settings.timezone)
    monkeypatch.setattr(cohorts, "_code_hash", lambda: "other")
    assert partition_name(contracts, settings.timezone) != name


def test_the_command_shows_every_feature_with_its_words_and_rows(settings: Settings) -> None:
    customer = _features(settings)["customer_id"][0].as_py()
    shown = _shown("--as-of", str(AS_OF), "--customer", customer, "--rows", "3")
    for feature in DECLARED.values():
        assert feature.name in shown
    for table in ("customers", "loans", "repayments", "transactions", "relationships"):
        assert f"{table}: " in shown
    assert "what is personal is left out" in shown


def test_personal_columns_are_shown_on_demand_only(settings: Settings) -> None:
    customer = _features(settings)["customer_id"][0].as_py()
    (person,) = lookups.customer_view(settings, AS_OF, customer).rows["customers"].to_pylist()
    asked = ("--as-of", str(AS_OF), "--customer", customer)
    # What is personal of a customer stays so in other tables, and in what is computed from it.
    open_to_all = lookups.without_personal(
        lookups.customer_view(settings, AS_OF, customer), settings
    )
    columns = {column for rows in open_to_all.rows.values() for column in rows.column_names}
    assert not columns & {"name", "national_id", "birth_date", "industry_code", "employed_since"}
    assert "industry_outlook" not in open_to_all.rows
    assert not open_to_all.values.keys() & {"age_years", "dependents", "employed_years"}
    assert open_to_all.values.keys() >= {"days_past_due", "income", "job_changes_24m"}
    # A name may be folded into two lines.
    for word in person["name"].split():
        assert word not in _shown(*asked)
        assert word in _shown(*asked, "--personal")


def test_a_night_whose_pull_ended_part_way_is_not_shown(settings: Settings) -> None:
    customer = _features(settings)["customer_id"][0].as_py()
    rooms = Rooms(settings)
    pull_table(
        open_source(source_url(settings), None),
        rooms.contracts["customers"],
        rooms.lake,
        rooms.engine,
        LATER,
        settings.timezone,
        settings.lookback_days,
    )
    with pytest.raises(RisklineError, match=rf"rows of \w+ .* reach {LATER}, only {AS_OF}; run: "):
        lookups.customer_view(settings, LATER, customer)


def test_every_version_is_shown_where_a_feature_looks_at_it(settings: Settings) -> None:
    customer = _features(settings)["customer_id"][0].as_py()
    before = len(lookups.customer_view(settings, AS_OF, customer).rows["customers, every version"])
    _change(settings, customer, dependents=29)
    nightly.pull(settings, AS_OF)
    nightly.check(settings, AS_OF)
    view = lookups.customer_view(settings, AS_OF, customer)
    assert len(view.rows["customers"]) == 1
    assert len(view.rows["customers, every version"]) == before + 1


def test_the_rows_are_those_of_the_customer_alone(
    settings: Settings, bank: Mapping[str, pa.Table]
) -> None:
    loans = bank["loans"].to_pylist()
    known = [row for row in loans if row["known_at"].date() <= AS_OF]
    customer = known[0]["customer_id"]
    view = lookups.customer_view(settings, AS_OF, customer)
    latest = {row["loan_id"]: row for row in sorted(known, key=lambda row: row["known_at"])}
    own = {
        loan
        for loan, row in latest.items()
        if row["customer_id"] == customer and not row["is_deleted"]
    }
    assert set(view.rows["loans"]["loan_id"].to_pylist()) == own
    assert set(view.rows["repayments"]["loan_id"].to_pylist()) <= own
    assert set(view.rows["transactions"]["customer_id"].to_pylist()) <= {customer}
    for row in view.rows["relationships"].to_pylist():
        assert customer in {row["customer_id"], row["related_customer_id"]}
    (person,) = view.rows["customers"].to_pylist()
    assert set(view.rows["industry_outlook"]["industry_code"].to_pylist()) <= {
        person["industry_code"]
    }
    assert view.values["days_past_due"] is not None


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (("--as-of", str(AS_OF), "--customer", "Nobody"), "no customer 'Nobody' is known on"),
        (("--as-of", str(AS_OF), "--customer", "x' or 1=1 --"), 'no customer "x\' or 1=1 --"'),
        (("--as-of", str(LATER), "--customer", "C0000001"), f"do not reach {LATER}, only"),
        (("--as-of", "tomorrow", "--customer", "C0000001"), "is not a date"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(
    settings: Settings, asked: tuple[str, ...], line: str
) -> None:
    result = CliRunner().invoke(app, ["features", *asked])
    assert result.exit_code != 0
    assert isinstance(result.exception, RisklineError)
    assert line in str(result.exception)
    assert "\n" not in str(result.exception)


def test_rows_that_are_not_checked_against_the_contract_as_it_is_now_are_not_shown(
    settings: Settings, tmp_path: Path
) -> None:
    customer = _features(settings)["customer_id"][0].as_py()
    contracts = tmp_path / "contracts"
    shutil.copytree(settings.contracts, contracts)
    with (contracts / "sources" / "transactions.odcs.yaml").open("a") as changed:
        changed.write("# changed\n")
    with pytest.raises(RisklineError) as refused:
        lookups.customer_view(settings.model_copy(update={"contracts": contracts}), AS_OF, customer)
    assert re.fullmatch(
        r"the rows of transactions that landed for 20\d\d-\d\d-\d\d are not checked against the "
        rf"contract as it is now; run: riskline run --as-of {AS_OF}",
        str(refused.value),
    )
    assert lookups.customer_view(settings, AS_OF, customer).values


def test_a_lake_that_holds_nothing_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISK_HOME", str(tmp_path))
    with pytest.raises(RisklineError, match=f"do not reach {AS_OF}; run: riskline run"):
        lookups.customer_view(Settings(), AS_OF, "C0000001")
    assert not Lake(tmp_path / "lake").root.exists()


def _shown(*asked: str) -> str:
    result = CliRunner().invoke(app, ["features", *asked])
    assert result.exit_code == 0, result.exception
    return result.stdout
