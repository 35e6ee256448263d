"""A contract as PostgreSQL: the tables that it asks for, with their comments."""

from collections.abc import Sequence

from psycopg import sql

from pipeline.contracts.contract import IS_DELETED, POSTGRES_TYPES, Column, Contract


def create_table(contract: Contract, schema: str, partition_by: str | None = None) -> sql.Composed:
    """Statements that create the table of rows that keep the contract, where it is missing.

    The key and what is required are constraints; a version that withdraws its row needs its key
    alone, as in the row rules.

    Args:
        contract: of the table.
        schema: the PostgreSQL schema that it goes to.
        partition_by: the column of whose values each has a partition of its own; without it the
            table has none.
    """
    parts: list[sql.Composable] = []
    can_withdraw = IS_DELETED in contract.column_names
    for column in contract.columns:
        always = not can_withdraw or column.name in {*contract.key, IS_DELETED}
        constraint = sql.SQL("")
        if column.is_required and always:
            constraint = sql.SQL(" NOT NULL")
        parts.append(sql.SQL("{}{}").format(column_definition(column), constraint))
        if column.is_required and not always:
            parts.append(
                sql.SQL("CHECK ({} OR {} IS NOT NULL)").format(
                    sql.Identifier(IS_DELETED), sql.Identifier(column.name)
                )
            )
    if contract.key:
        key = sql.SQL(", ").join(sql.Identifier(column) for column in contract.key)
        parts.append(sql.SQL("PRIMARY KEY ({})").format(key))
    rest: sql.Composable = sql.SQL("")
    if partition_by is not None:
        rest = sql.SQL(" PARTITION BY LIST ({})").format(sql.Identifier(partition_by))
    return _statements(contract, schema, parts, rest)


def create_landing_table(contract: Contract, schema: str) -> sql.Composed:
    """Statements that create the table of rows as they come, where it is missing.

    It has the contract's columns and types, and no constraint: a row that breaks its contract
    must land before it can be quarantined with its reasons.

    Args:
        contract: of the table.
        schema: the PostgreSQL schema that it goes to.
    """
    columns = [column_definition(column) for column in contract.columns]
    return _statements(contract, schema, columns, sql.SQL(""))


def _statements(
    contract: Contract,
    schema: str,
    parts: Sequence[sql.Composable],
    rest: sql.Composable,
) -> sql.Composed:
    name = sql.Identifier(schema, contract.table)
    statements: list[sql.Composable] = [
        sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}){}").format(
            name, sql.SQL(", ").join(parts), rest
        ),
        sql.SQL("COMMENT ON TABLE {} IS {}").format(name, sql.Literal(contract.description)),
    ]
    statements += [
        sql.SQL("COMMENT ON COLUMN {} IS {}").format(
            sql.Identifier(schema, contract.table, column.name), sql.Literal(column.description)
        )
        for column in contract.columns
    ]
    return sql.SQL("; ").join(statements)


def column_definition(column: Column) -> sql.Composed:
    """A column's name and type, as a table's definition has them."""
    known = POSTGRES_TYPES[column.type]
    # Looked up in the closed list, so that no text of a contract's gets into a statement.
    kind = known[known.index(column.physical_type)] if column.physical_type else known[0]
    return sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(kind))
