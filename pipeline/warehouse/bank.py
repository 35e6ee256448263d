"""Which simulated bank the embedded server holds, as its source database says itself."""

from psycopg import sql

from pipeline.warehouse.connection import connect


def loaded_bank(url: str) -> str:
    """The name of the bank in a source database, or 'no bank' where none was named.

    Raises:
        UnreachableError: the database cannot be reached.
    """
    with connect(url) as connection:
        row = connection.execute(
            "SELECT obj_description('public'::regnamespace, 'pg_namespace')"
        ).fetchone()
    return str(row[0]) if row and row[0] else "no bank"


def name_bank(url: str, name: str) -> None:
    """Write down which bank a source database holds."""
    with connect(url) as connection:
        connection.execute(sql.SQL("COMMENT ON SCHEMA public IS {}").format(sql.Literal(name)))
