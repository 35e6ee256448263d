"""Questions to the warehouse that change nothing."""

import psycopg

from pipeline.errors import RisklineError
from pipeline.warehouse.connection import connect, in_one_line


def read_only(url: str, query: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Run one query in a transaction that may not write.

    Returns:
        The names of the columns, and the rows.

    Raises:
        RisklineError: the warehouse cannot be reached, or the query fails or gives no rows.
    """
    with connect(url) as connection:
        connection.read_only = True
        try:
            # Prepared, for then it is one statement: a second one could write after a COMMIT.
            cursor = connection.execute(query.encode(), prepare=True)
            names = [column.name for column in cursor.description or []]
            if not names:
                raise RisklineError("the query gives no rows; ask with SELECT")
            return names, cursor.fetchall()
        except psycopg.Error as error:
            raise RisklineError(f"the query fails: {in_one_line(error)}") from error
