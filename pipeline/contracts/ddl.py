"""A contract as PostgreSQL: the table, its comments, and who may read it."""

from psycopg import sql

from pipeline.contracts.contract import Column, Contract
from pipeline.errors import RisklineError

POSTGRES_TYPES = {
    "string": "text",
    "date": "date",
    "timestamp": "timestamptz",
    "number": "double precision",
    "integer": "bigint",
    "boolean": "boolean",
}


def create_table(contract: Contract, schema: str) -> sql.Composed:
    """Statements that create the contract's table where it is missing, with its comments."""
    name = sql.Identifier(schema, contract.table)
    parts: list[sql.Composable] = [_column(column, contract.table) for column in contract.columns]
    if contract.key:
        key = sql.SQL(", ").join(sql.Identifier(column) for column in contract.key)
        parts.append(sql.SQL("PRIMARY KEY ({})").format(key))
    statements: list[sql.Composable] = [
        sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(name, sql.SQL(", ").join(parts)),
        sql.SQL("COMMENT ON TABLE {} IS {}").format(name, sql.Literal(contract.description)),
    ]
    statements += [
        sql.SQL("COMMENT ON COLUMN {} IS {}").format(
            sql.Identifier(schema, contract.table, column.name), sql.Literal(column.description)
        )
        for column in contract.columns
    ]
    return sql.SQL("; ").join(statements)


def _column(column: Column, table: str) -> sql.Composed:
    kind = column.physical_type or POSTGRES_TYPES[column.type]
    # The type's name comes from a contract; a closed list keeps it from being anything else.
    if kind not in {*POSTGRES_TYPES.values(), "json"}:
        raise RisklineError(
            f"contract of table {table}, column {column.name}: physicalType {kind} is not one of "
            f"{', '.join([*POSTGRES_TYPES.values(), 'json'])}"
        )
    return sql.SQL("{} {}{}").format(
        sql.Identifier(column.name),
        sql.SQL(kind),
        sql.SQL(" NOT NULL") if column.is_required else sql.SQL(""),
    )
