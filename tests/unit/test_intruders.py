"""What those would try who may sign in to the warehouse, and want more than they may."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from pipeline.contracts.odcs import load_contracts
from pipeline.errors import UnreachableError
from pipeline.settings import REPOSITORY
from pipeline.warehouse.audit import audited
from pipeline.warehouse.connection import take_turns
from pipeline.warehouse.private import ensure_private
from pipeline.warehouse.publish import publish
from pipeline.warehouse.schema import VIEWS, ensure_schema
from pipeline.warehouse.server import Server
from tests.unit.test_publish import CONTRACTS, NIGHT, night

CUSTOMERS = load_contracts(REPOSITORY / "data_contracts" / "sources")["customers"]
SAY = "INSERT INTO risk.warning_feedback (warning_id, action) VALUES ('text 0000', 'release')"
ASK = (
    "INSERT INTO risk.tier_override (customer_id, tier, reason, expires_on) "
    "VALUES ('text 0000', 'E', 'A lawsuit is pending.', '2099-01-01') RETURNING at"
)
ROLES = ("risk_reader", "alice")
GRANTED_TO_ALL = """
SELECT 'schema ' || nspname FROM pg_namespace, aclexplode(nspacl)
WHERE nspname IN ('risk', 'risk_partitions', 'risk_private') AND grantee = 0
UNION ALL
SELECT 'table ' || relname FROM pg_class, aclexplode(relacl)
WHERE relnamespace IN ('risk'::regnamespace, 'risk_private'::regnamespace) AND grantee = 0
UNION ALL
SELECT 'function ' || proname FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
WHERE pronamespace IN ('risk'::regnamespace, 'risk_private'::regnamespace) AND grantee = 0
"""
#: A domain of the caller's that is found in the place of the type text, if pg_temp is looked into.
SHADOW = """
CREATE FUNCTION pg_temp.seize(said pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM risk.risk_scores;
    RETURN true;
END $$;
CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.seize(VALUE))
"""


@pytest.fixture(scope="module")
def urls(shared_server: Server) -> dict[str, str]:
    """Everybody's URL of a warehouse with a published night, and two officers of their own."""
    writer, root = (shared_server.url("warehouse", r) for r in ("risk_pipeline", "postgres"))
    with psycopg.connect(root, autocommit=True) as connection:
        for person in ("alice", "bob"):
            connection.execute(f"DROP ROLE IF EXISTS {person}".encode())
            connection.execute(
                f"CREATE ROLE {person} LOGIN PASSWORD '{person}' IN ROLE risk_officer".encode()
            )
        connection.execute("DROP SCHEMA IF EXISTS risk, risk_partitions, risk_private CASCADE")
    with psycopg.connect(writer) as connection:
        ensure_schema(connection, CONTRACTS)
        ensure_private(connection, CUSTOMERS)
    publish(writer, NIGHT, night("first"), CONTRACTS)
    place = f"127.0.0.1:{shared_server.port}/warehouse"
    return {
        "writer": writer,
        "root": root,
        "risk_reader": shared_server.url("warehouse", "risk_reader"),
        "alice": f"postgresql://alice:alice@{place}",
        "bob": f"postgresql://bob:bob@{place}",
    }


@pytest.fixture
def temporary_allowed(urls: dict[str, str]) -> Iterator[None]:
    """As on a lender's own server, where everybody may create temporary objects."""
    with psycopg.connect(urls["root"], autocommit=True) as connection:
        connection.execute("GRANT TEMPORARY ON DATABASE warehouse TO PUBLIC")
        yield
        connection.execute("REVOKE TEMPORARY ON DATABASE warehouse FROM PUBLIC")


IMPATIENT = "?options=-c%20lock_timeout%3D300"
NIGHTS_KEY = f"hashtextextended('as_of_date {NIGHT}', 0)"


@pytest.mark.parametrize(
    ("role", "statement", "named"),
    [
        ("risk_reader", f"SELECT pg_advisory_lock({NIGHTS_KEY})", "risk_reader"),
        ("risk_reader", f"SELECT pg_advisory_lock_shared({NIGHTS_KEY})", "risk_reader"),
        ("risk_reader", "SELECT pg_advisory_lock(hashtext('riskline.schema'))", "risk_reader"),
        ("risk_reader", "SELECT pg_advisory_lock(hashtext('riskline.audit'))", "risk_reader"),
        ("alice", SAY, "alice"),
    ],
)
def test_who_holds_a_lock_holds_a_night_up_for_a_while_and_is_named(
    urls: dict[str, str], role: str, statement: str, named: str
) -> None:
    tables = night("held up", rows=5)
    with psycopg.connect(urls[role]) as holder:
        holder.execute(statement.encode())
        with pytest.raises(UnreachableError, match=rf"held by .*{named} \(process \d+\)") as caught:
            publish(urls["writer"] + IMPATIENT, NIGHT, tables, CONTRACTS)
        assert "\n" not in str(caught.value)
        assert count(urls, "risk_scores") == 3
        holder.rollback()
    publish(urls["writer"] + IMPATIENT, NIGHT, tables, CONTRACTS)
    assert count(urls, "risk_scores") == 5
    publish(urls["writer"], NIGHT, night("first"), CONTRACTS)


def test_no_wait_for_a_lock_is_without_end(urls: dict[str, str]) -> None:
    with psycopg.connect(urls["writer"]) as connection:
        take_turns(connection, "any")
        assert connection.execute("SHOW lock_timeout").fetchone() == ("10min",)
        connection.rollback()
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
    with psycopg.connect(urls["risk_reader"]) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(hashtext('riskline.audit'))")
        with (
            pytest.raises(UnreachableError, match="risk_reader"),
            audited(urls["writer"] + IMPATIENT, CONTRACTS, "promote", "1"),
        ):
            pytest.fail("begun without its entry")


def count(urls: dict[str, str], table: str) -> int:
    with psycopg.connect(urls["writer"]) as connection:
        row = connection.execute(f"SELECT count(*) FROM risk.{table}".encode()).fetchone()
    return int(row[0]) if row else 0


def test_nothing_of_ours_is_granted_to_everybody(urls: dict[str, str]) -> None:
    with psycopg.connect(urls["root"]) as connection:
        assert connection.execute(GRANTED_TO_ALL).fetchall() == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("function", ["audit_word('publish', 'warning_id')", "seal_audit()"])
def test_nobody_writes_to_the_audit_log_by_a_table_of_their_own(
    urls: dict[str, str], temporary_allowed: None, role: str, function: str
) -> None:
    before = count(urls, "audit_log")
    with closing(psycopg.connect(urls[role], autocommit=True)) as connection:
        connection.execute("CREATE TEMP TABLE mine (warning_id text)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for fun"):
            connection.execute(
                "CREATE TRIGGER forge BEFORE INSERT ON mine FOR EACH ROW "
                f"EXECUTE FUNCTION risk.{function}".encode()
            )
    assert count(urls, "audit_log") == before


def test_no_type_of_a_callers_runs_with_the_rights_of_the_owner(
    urls: dict[str, str], temporary_allowed: None
) -> None:
    before = count(urls, "risk_scores")
    for person in ("alice", "bob"):
        with closing(psycopg.connect(urls[person], autocommit=True)) as connection:
            connection.execute(SHADOW)
            connection.execute(SAY)
            row = connection.execute(ASK).fetchone()
            other = "bob" if person == "alice" else "alice"
            with closing(psycopg.connect(urls[other], autocommit=True)) as second:
                second.execute(SHADOW)
                second.execute("SELECT risk.approve_override('text 0000', %s)", row)
    assert count(urls, "risk_scores") == before > 0


#: What no reader and no officer may do; what touches what is personal is in test_private.py, and
#: plain writes to each table are in test_publish.py and test_officers.py.
REFUSED = [
    # Become another.
    "SET ROLE risk_pipeline",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION risk_pipeline",
    "GRANT risk_pipeline TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER CREATEROLE",
    "ALTER ROLE risk_pipeline PASSWORD 'known'",
    "ALTER ROLE risk_pipeline SET search_path = pg_temp",
    "CREATE ROLE mine SUPERUSER",
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_shadow",
    # Put code where others find it.
    "CREATE SCHEMA mine",
    "CREATE FUNCTION risk.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_catalog.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE c AS 'libc', 'system'",
    "CREATE TEMP TABLE mine (id int)",
    "CREATE OR REPLACE VIEW risk.current_risk AS SELECT 1",
    "CREATE RULE mine AS ON SELECT TO risk.runs DO INSTEAD SELECT 1",
    "CREATE TRIGGER mine AFTER INSERT ON risk.runs EXECUTE FUNCTION risk.refuse_change()",
    "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION risk.refuse_change()",
    "ALTER FUNCTION risk.seal_audit RESET ALL",
    "ALTER TABLE risk.audit_log DISABLE TRIGGER ALL",
    "DROP TRIGGER seal_audit ON risk.audit_log",
    "LOAD '/tmp/mine'",
    # Reach the machine.
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "COPY risk.runs FROM PROGRAM 'id'",
    "COPY (SELECT 1) TO '/tmp/mine'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_stat_file('postgresql.conf')",
    "SELECT pg_current_logfile()",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/mine')",
    "SELECT data FROM pg_largeobject",
    # Bend the server.
    "ALTER SYSTEM SET listen_addresses = '*'",
    "ALTER DATABASE warehouse SET search_path = pg_temp",
    "SET session_replication_role = replica",
    "SET log_statement = 'all'",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "CREATE PUBLICATION mine FOR ALL TABLES",
    "CREATE SUBSCRIPTION mine CONNECTION '' PUBLICATION mine",
    "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
    # Stand in the way.
    "BEGIN; LOCK TABLE risk.runs IN SHARE MODE",
    "BEGIN; LOCK TABLE risk.audit_log IN ACCESS EXCLUSIVE MODE",
    "SELECT * FROM risk.runs FOR SHARE",
    "SELECT * FROM risk.audit_log FOR UPDATE",
    "SELECT pg_terminate_backend({writer_pid})",
    "SELECT pg_cancel_backend({writer_pid})",
    # The audit log.
    "INSERT INTO risk.audit_log (event, subject, detail) VALUES ('publish', 'x', '{{}}')",
    "INSERT INTO risk.audit_log SELECT * FROM risk.audit_log ON CONFLICT DO NOTHING",
    "MERGE INTO risk.audit_log USING risk.runs ON true WHEN MATCHED THEN DELETE",
    "UPDATE risk.audit_log SET actor = 'eve'",
    "DELETE FROM risk.audit_log",
    "TRUNCATE risk.audit_log",
]


@pytest.mark.parametrize("role", ROLES)
def test_nobody_goes_beyond_their_rights(urls: dict[str, str], role: str) -> None:
    succeeded = []
    with (
        closing(psycopg.connect(urls["writer"], autocommit=True)) as writer,
        closing(psycopg.connect(urls[role], autocommit=True)) as connection,
    ):
        for statement in REFUSED:
            try:
                connection.execute(statement.format(writer_pid=writer.info.backend_pid).encode())
            except psycopg.errors.InsufficientPrivilege:
                connection.rollback()
            else:
                succeeded.append(statement)
                connection.rollback()
        assert writer.execute("SELECT 1").fetchone() == (1,)
    assert succeeded == []


@pytest.mark.parametrize("role", ROLES)
def test_nobody_sees_what_another_session_asks(urls: dict[str, str], role: str) -> None:
    with psycopg.connect(urls["writer"]) as writer, psycopg.connect(urls[role]) as connection:
        writer.execute("SELECT 'a secret that is asked for'")
        seen = connection.execute(
            "SELECT query FROM pg_stat_activity WHERE pid = %s", [writer.info.backend_pid]
        ).fetchone()
    assert seen == ("<insufficient privilege>",)


@pytest.mark.parametrize("table", [*CONTRACTS, *VIEWS])
def test_an_officer_writes_to_no_table_but_says_what_is_an_officers(
    urls: dict[str, str], table: str
) -> None:
    with psycopg.connect(urls["alice"]) as connection:
        rights = connection.execute(
            "SELECT has_table_privilege(%(t)s, 'SELECT'), has_table_privilege(%(t)s, "
            "'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'), "
            "has_any_column_privilege(%(t)s, 'UPDATE, REFERENCES'), "
            "has_any_column_privilege(%(t)s, 'INSERT')",
            {"t": f"risk.{table}"},
        ).fetchone()
    assert rights == (True, False, False, table in {"warning_feedback", "tier_override"})
