"""Where a simulated bank goes: a database or a folder, whole or not at all, block by block."""

import fcntl
import io
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import adbc_driver_postgresql.dbapi as postgresql
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipeline import cli
from pipeline.errors import RisklineError, UnreachableError
from pipeline.simulator.bank import TABLES, Bank, create, pieces, simulate
from pipeline.simulator.deliver import deliver
from pipeline.simulator.files import MARK, save_pieces
from pipeline.simulator.load import load
from pipeline.simulator.progress import report
from pipeline.warehouse.bank import loaded_bank
from pipeline.warehouse.server import Server, ensure_running
from tests.unit.simulated_bank import BANK, key

SMALL = Bank(customers=600, seed=7)
BLOCKS = Bank(customers=1_500, seed=11, block_customers=400)


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return simulate(BANK)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=160)


# In blocks


def test_the_blocks_together_are_the_bank() -> None:
    blocks: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
    for name, rows in pieces(BLOCKS, create(BLOCKS)):
        blocks[name].append(rows)
    whole = simulate(BLOCKS)
    for name, parts in blocks.items():
        assert len(parts) == (1 if name == "industry_outlook" else 4), name
        assert pa.concat_tables(parts).equals(whole[name])
        by = [(column, "ascending") for column in ["known_at", *key(name)]]
        assert all(rows.equals(rows.sort_by(by)) for rows in parts), name


def test_blocks_share_no_key_and_leave_no_customer_out() -> None:
    whole = simulate(BLOCKS)
    for name, rows in whole.items():
        names = [*key(name), "known_at"]
        assert rows.group_by(names).aggregate([]).num_rows == rows.num_rows, name
        if "customer_id" in rows.column_names:
            # The versions of a row are all of the same customer's.
            owners = rows.group_by(key(name)).aggregate([("customer_id", "count_distinct")])
            assert pc.max(owners["customer_id_count_distinct"]).as_py() == 1, name
    customers = whole["customers"]["customer_id"].unique()
    assert len(customers) == BLOCKS.customers
    for name, least in (("loans", 0.8), ("transactions", 0.95), ("bureau", 0.9)):
        assert len(whole[name]["customer_id"].unique()) > least * BLOCKS.customers
        assert pc.all(pc.is_in(whole[name]["customer_id"], value_set=customers)).as_py()
    loan_ids = whole["loans"]["loan_id"].unique().to_pylist()
    assert set(whole["repayments"]["loan_id"].unique().to_pylist()) == set(loan_ids)
    # A guarantor may stand in another block.
    edges = whole["relationships"]
    ones, others = (
        pc.divide(pc.cast(pc.utf8_slice_codeunits(edges[name], 1), pa.int64()), 400)
        for name in ("customer_id", "related_customer_id")
    )
    assert pc.any(pc.not_equal(ones, others)).as_py()


# In a folder


def test_a_folder_holds_the_same_rows(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "bank"
    counts = deliver(BLOCKS, str(folder), quiet())
    whole = simulate(BLOCKS)
    assert counts == {name: len(rows) for name, rows in whole.items()}
    assert {file.name for file in folder.iterdir()} == {
        *(f"{name}.parquet" for name in TABLES),
        MARK,
    }
    for name, rows in whole.items():
        file = pq.ParquetFile(folder / f"{name}.parquet")
        assert file.read().equals(rows)
        assert file.num_row_groups == (1 if name == "industry_outlook" else 4)
    assert not list(folder.parent.glob(".*"))


def test_a_simulated_bank_in_a_folder_is_replaced(tmp_path: Path) -> None:
    deliver(SMALL, str(tmp_path / "bank"), quiet())
    deliver(Bank(customers=100, seed=3), str(tmp_path / "bank"), quiet())
    assert (
        len(pq.read_table(tmp_path / "bank" / "customers.parquet")["customer_id"].unique()) == 100
    )
    assert "customers=100" in (tmp_path / "bank" / MARK).read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["bank"]


@pytest.mark.parametrize("other", ["customers.parquet", "thesis.docx"])
def test_a_folder_of_something_else_is_left_alone(other: str, tmp_path: Path) -> None:
    (tmp_path / other).write_text("dear to somebody")
    with pytest.raises(RisklineError, match="holds something else than a simulated bank"):
        deliver(SMALL, str(tmp_path), quiet())
    assert [file.name for file in tmp_path.iterdir()] == [other]
    assert (tmp_path / other).read_text() == "dear to somebody"


@pytest.mark.parametrize("other", ["mine.parquet", "thesis.docx", "customers.csv"])
def test_a_file_put_beside_a_simulated_bank_is_left_alone(other: str, tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    deliver(SMALL, str(folder), quiet())
    (folder / other).write_text("dear to somebody")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(RisklineError, match="holds something else than a simulated bank"):
        deliver(SMALL, str(folder), quiet())
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["bank"]


def test_a_file_put_there_while_the_bank_is_simulated_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    deliver(SMALL, str(folder), quiet())

    def meanwhile() -> Iterator[tuple[str, pa.Table]]:
        yield from simulate(Bank(customers=100)).items()
        (folder / "mine.parquet").write_text("dear to somebody")

    with pytest.raises(RisklineError, match="holds something else than a simulated bank"):
        save_pieces(meanwhile(), folder, "another bank")
    assert (folder / "mine.parquet").read_text() == "dear to somebody"
    assert "customers=600" in (folder / MARK).read_text()


@pytest.mark.parametrize("beside", [".bank.new", ".bank.old"])
def test_folders_beside_it_are_left_alone(beside: str, tmp_path: Path) -> None:
    (tmp_path / beside).mkdir()
    (tmp_path / beside / "precious.txt").write_text("dear to somebody")
    deliver(SMALL, str(tmp_path / "bank"), quiet())
    deliver(SMALL, str(tmp_path / "bank"), quiet())
    assert (tmp_path / beside / "precious.txt").read_text() == "dear to somebody"


@pytest.mark.parametrize(
    "files",
    [
        ["precious.txt"],
        ["customers.parquet"],
        ["old/customers.parquet"],
        [MARK, "precious.txt"],
        [MARK, "old/precious.txt"],
        [MARK, "new/mine.parquet"],
    ],
)
def test_a_work_folder_with_something_else_is_left_alone(files: list[str], tmp_path: Path) -> None:
    deliver(SMALL, str(tmp_path / "bank"), quiet())
    work = tmp_path / ".bank.simulation"
    for name in files:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("dear to somebody")
    with pytest.raises(RisklineError, match="holds something that no simulation left") as refused:
        deliver(SMALL, str(tmp_path / "bank"), quiet())
    assert str(work) in str(refused.value)
    for name in files:
        assert (work / name).read_text() == "dear to somebody"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "bank").write_text("")
    with pytest.raises(RisklineError, match="name a new folder"):
        deliver(SMALL, str(tmp_path / "bank"), quiet())


def test_what_fails_half_way_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    deliver(SMALL, str(folder), quiet())
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def torn() -> Iterator[tuple[str, pa.Table]]:
        yield "customers", simulate(Bank(customers=100))["customers"]
        raise RuntimeError("the lights went out")

    with pytest.raises(RuntimeError):
        save_pieces(torn(), folder, "half a bank")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["bank"]


ENDLESS = """
import sys
from pathlib import Path
from pipeline.simulator.bank import Bank, simulate
from pipeline.simulator.files import save_pieces
tables = simulate(Bank(customers=100))
def endless():
    while True:
        yield from tables.items()
        print("on", flush=True)
save_pieces(endless(), Path(sys.argv[1]), "endless")
"""


def test_only_one_simulation_writes_and_its_kill_leaves_the_folder_as_it_was(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "bank"
    deliver(SMALL, str(folder), quiet())
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", ENDLESS, str(folder)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        with pytest.raises(RisklineError, match="another simulation is writing to"):
            deliver(SMALL, str(folder), quiet())
        process.send_signal(signal.SIGKILL)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    # The next one clears up after it.
    deliver(SMALL, str(folder), quiet())
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["bank"]


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.simulator.bank import Bank, simulate
from pipeline.simulator.files import save_pieces
rename = Path.rename
def rename_or_die(path, target):
    if path.name == "new":
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)
Path.rename = rename_or_die
save_pieces(simulate(Bank(customers=100)).items(), Path(sys.argv[1]), "killed")
"""


def test_a_kill_between_the_two_renames_is_put_right_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    deliver(SMALL, str(folder), quiet())
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(folder)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert [file.name for file in tmp_path.iterdir()] == [".bank.simulation"]

    def torn() -> Iterator[tuple[str, pa.Table]]:
        # Put right before anything else is done: whoever pulls meanwhile finds the old bank.
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
        yield "customers", simulate(Bank(customers=100))["customers"]
        raise RuntimeError("the lights went out again")

    with pytest.raises(RuntimeError):
        save_pieces(torn(), folder, "half a bank")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["bank"]


def test_simulations_to_one_folder_never_disturb_each_other(tmp_path: Path) -> None:
    banks = {f"bank {number}": simulate(Bank(customers=100, seed=number)) for number in range(4)}
    folder = tmp_path / "bank"

    def one_after_another(bank: str) -> list[str]:
        said = []
        for _ in range(25):
            try:
                save_pieces(banks[bank].items(), folder, bank)
                said.append("written")
            except RisklineError as error:
                said.append(str(error))
        return said

    with ThreadPoolExecutor(4) as pool:
        said = [words for each in pool.map(one_after_another, banks) for words in each]
    refused = [words for words in said if words != "written"]
    assert 0 < len(refused) < len(said)
    assert all("another simulation is writing to" in words for words in refused)
    held = (folder / MARK).read_text().strip()
    for name, rows in banks[held].items():
        assert pq.read_table(folder / f"{name}.parquet").equals(rows)
    assert [file.name for file in tmp_path.iterdir()] == ["bank"]


@pytest.mark.parametrize("is_made_anew", [False, True])
def test_a_work_folder_that_is_removed_before_it_is_claimed_is_not_used(
    is_made_anew: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, work = tmp_path / "bank", tmp_path / ".bank.simulation"
    lock, claims = fcntl.flock, 0

    def another_ends_first(claim: int, operation: int) -> None:
        nonlocal claims
        claims += 1
        if claims == 1:
            work.rmdir()
            if is_made_anew:
                work.mkdir()
        lock(claim, operation)

    monkeypatch.setattr(fcntl, "flock", another_ends_first)
    deliver(SMALL, str(folder), quiet())
    assert claims == 2
    assert [file.name for file in tmp_path.iterdir()] == ["bank"]


@pytest.mark.parametrize("place", ["/proc/bank", "/proc/bank/deep"])
def test_a_place_that_cannot_be_written_is_found_out_at_once(place: str) -> None:
    said = io.StringIO()
    with pytest.raises(OSError, match="/proc"):
        deliver(SMALL, place, Console(file=said))
    assert "months lived" not in said.getvalue()


# In a database


def rows_in(url: str, query: str) -> pa.Table:
    with postgresql.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetch_arrow_table()


def test_load_puts_the_bank_into_postgresql_and_replaces_it(
    bank_url: str, tables: dict[str, pa.Table]
) -> None:
    load(simulate(Bank(customers=100, seed=7)), bank_url)
    load(tables, bank_url)
    for name in TABLES:
        by = ", ".join(["known_at", *key(name)])
        stored = rows_in(bank_url, f'SELECT * FROM public."{name}" ORDER BY {by}')
        order = [(column, "ascending") for column in ["known_at", *key(name)]]
        assert stored.cast(tables[name].schema).sort_by(order).equals(tables[name])
    indexed = rows_in(
        bank_url, "SELECT tablename FROM pg_indexes WHERE indexdef LIKE '%(known_at)'"
    )
    assert set(indexed["tablename"].to_pylist()) >= set(TABLES)
    types = rows_in(
        bank_url,
        "SELECT DISTINCT data_type::text AS kind FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = 'customers'",
    )
    assert set(types["kind"].to_pylist()) == {
        "text", "date", "bigint", "timestamp with time zone", "boolean",
    }  # fmt: skip


def test_load_leaves_the_old_bank_where_it_fails(bank_url: str) -> None:
    small = simulate(SMALL)
    load(small, bank_url)
    odd = pa.table({"known_at": pa.array([1], pa.int8())})
    with pytest.raises(KeyError):
        load({"customers": small["customers"].slice(0, 5), "loans": odd}, bank_url)
    count = rows_in(bank_url, "SELECT count(*) AS n FROM public.customers")["n"][0].as_py()
    assert count == small["customers"].num_rows


@pytest.fixture
def empty_database(shared_server: Server) -> Iterator[str]:
    admin = shared_server.url("postgres", "postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE DATABASE elsewhere OWNER bank")
    yield shared_server.url("elsewhere", "bank")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP DATABASE elsewhere WITH (FORCE)")


def test_a_database_gets_the_same_rows_block_by_block(empty_database: str) -> None:
    counts = deliver(BLOCKS, empty_database, quiet())
    whole = simulate(BLOCKS)
    assert counts == {name: len(rows) for name, rows in whole.items()}
    for name, rows in whole.items():
        by = [(column, "ascending") for column in ["known_at", *key(name)]]
        stored = rows_in(empty_database, f'SELECT * FROM public."{name}"')
        assert stored.cast(rows.schema).sort_by(by).equals(rows.sort_by(by)), name
    # It may be replaced by another simulated bank.
    deliver(Bank(customers=100, seed=3), empty_database, quiet())
    names = rows_in(empty_database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert set(names["tablename"].to_pylist()) == set(TABLES)


def test_a_database_of_something_else_is_left_alone(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE loans (mine int)")
    with pytest.raises(RisklineError, match="already holds a table loans"):
        deliver(SMALL, empty_database, quiet())
    assert rows_in(empty_database, "SELECT mine FROM loans").num_rows == 0


def test_a_database_that_refuses_ends_in_one_line(
    empty_database: str, shared_server: Server
) -> None:
    with psycopg.connect(shared_server.url("elsewhere", "postgres")) as connection:
        connection.execute("ALTER SCHEMA public OWNER TO postgres")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM bank, PUBLIC")
    with pytest.raises(
        RisklineError, match="the database refuses the bank: permission denied for schema public"
    ) as refused:
        deliver(SMALL, empty_database, quiet())
    assert "\n" not in str(refused.value)


# From the command line


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RISK_HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_command_writes_a_folder_and_says_how_much(home: Path) -> None:
    folder = home / "bank"
    command = ["simulate", "--customers", "300", "--months", "20", "--seed", "5"]
    command += ["--last-date", "2023-02-14", "--to", str(folder)]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    *progress, last = result.output.splitlines()
    expected = simulate(Bank(customers=300, months=20, seed=5, last_date=date(2023, 2, 14)))
    assert last.startswith("a bank up to 2023-02-14, rows by table: ")
    assert f"{len(expected['loans']):,} loans" in last
    # In a log: plain lines, no bar.
    assert progress[0] == "45 months lived"
    assert progress[1].startswith("block 1 of 1 written: ")
    assert pq.read_table(folder / "loans.parquet").equals(expected["loans"])
    # The home was not needed for it.
    assert not (home / "home").exists()


def test_the_command_fills_the_embedded_server(
    risk_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISK_HOME", str(risk_home))
    command = ["simulate", "--customers", "300", "--seed", "7"]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    url = ensure_running(risk_home).url("bank", "bank")
    bank = Bank(customers=300, seed=7)
    assert loaded_bank(url) == repr(bank)
    stored = rows_in(url, "SELECT count(*) AS n FROM public.transactions")["n"][0].as_py()
    assert stored == len(simulate(bank)["transactions"])
    # Nights of a bank are never mixed with those of another one.
    (risk_home / "lake").mkdir()
    result = CliRunner().invoke(cli.app, command)
    assert isinstance(result.exception, RisklineError)
    assert "already holds nights of another bank" in str(result.exception)


def test_a_terminal_sees_a_bar() -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100)
    with report(SMALL, terminal) as progress:
        world = create(SMALL, progress.month)
        for _ in progress.following(pieces(SMALL, world)):
            pass
    assert "months lived" in screen.getvalue() or "external_signals" in screen.getvalue()
    assert "━" in screen.getvalue()


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("mysql://root:hunter2@db/bank", "kind mysql://"),
        ("postgresql:/me:hunter2@h/bank", "must go on as in postgresql://"),
        ("postgres:me:hunter2@h/bank", "must go on as in postgresql://"),
        (" PostgreSQL:/me:hunter2@h/bank", "must go on as in postgresql://"),
        ("postgresql+psycopg://me:hunter2@h/bank", "must go on as in postgresql://"),
        ("postgresql://me:hunter2@127.0.0.1:1/bank", "cannot be reached"),
        ("postgresql://me:hunter2@h:badport/bank", "cannot be reached"),
        ("postgresql://me:hun%ter2@127.0.0.1:1/bank", "cannot be reached"),
    ],
)
def test_a_place_that_is_none_ends_in_one_line(
    to: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RisklineError, match=words) as refused:
        deliver(SMALL, to, quiet())
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--seed", "-1", "Invalid value for '--seed'"), ("--last-date", "31.5.2024", "'--last-date'")],
)
def test_an_option_that_is_none_is_named(option: str, value: str, words: str, home: Path) -> None:
    result = CliRunner().invoke(cli.app, ["simulate", option, value, "--to", str(home / "bank")])
    assert result.exit_code == 2
    assert words in result.output
    assert not list(home.iterdir())


def test_a_bank_too_early_is_refused_by_its_dates(home: Path) -> None:
    command = ["simulate", "--last-date", "1962-01-01", "--to", str(home / "bank")]
    result = CliRunner().invoke(cli.app, command)
    assert isinstance(result.exception, RisklineError)
    assert "would begin before 1990-01-01" in str(result.exception)
    assert "as-of" not in str(result.exception)


def test_an_unreachable_database_is_told_apart() -> None:
    with pytest.raises(UnreachableError):
        deliver(SMALL, "postgresql://me@127.0.0.1:1/bank", quiet())


# Time and memory


MEMORY = """
import resource, sys
from pathlib import Path
from rich.console import Console
from pipeline.simulator.bank import Bank
from pipeline.simulator.deliver import deliver
deliver(Bank(customers=int(sys.argv[1]), months=20, block_customers=2_000), sys.argv[2], Console())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_mb(customers: int, folder: Path) -> float:
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEMORY, str(customers), str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(told.stdout.splitlines()[-1]) / 1024


def test_memory_does_not_grow_with_the_tables(tmp_path: Path) -> None:
    small, large = peak_mb(2_000, tmp_path / "small"), peak_mb(10_000, tmp_path / "large")
    tables = sum(pq.read_table(file).nbytes for file in (tmp_path / "large").glob("*.parquet"))
    assert tables / 2**20 > 80
    assert large - small < 0.6 * tables / 2**20
