"""Brings what a source delivers into a contract's columns and types, or says why it cannot."""

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts.contract import Contract
from pipeline.errors import RisklineError


def conform(rows: pa.Table, contract: Contract) -> pa.Table:
    """The contract's columns, in its order and types; nothing is changed but the type.

    Columns that the contract does not name are left behind. A narrower type is widened; a value
    that the contract's type cannot hold without loss is an error, not a null. Not a number (NaN)
    is no value, and there is one zero, so that equal rows have equal bytes.

    Raises:
        RisklineError: a column is missing, or its type or one of its values does not fit.
    """
    columns = []
    for field in contract.arrow_schema:
        if field.name not in rows.column_names:
            raise RisklineError(
                f"table {contract.table} lacks the column {field.name} of its contract; add it in "
                f"the source or in the query file {contract.table}.sql"
            )
        columns.append(_cast(rows.column(field.name), field, contract.table))
    return pa.Table.from_arrays(columns, schema=contract.arrow_schema)


def _cast(column: pa.ChunkedArray, field: pa.Field, table: str) -> pa.ChunkedArray:
    if column.null_count == len(column):
        # A CSV column without a single value shows no type.
        return pa.chunked_array([pa.nulls(len(column), field.type)])
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    remedy = f"cast it in the source or in the query file {table}.sql"
    if not _may_become(column.type, field.type):
        raise RisklineError(
            f"table {table}, column {field.name}: the source delivers {column.type}, the contract "
            f"wants {field.type}; {remedy}"
        )
    try:
        return _converted(column, field.type)
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        raise RisklineError(
            f"table {table}, column {field.name}: a value does not fit {field.type} "
            f"({reason}); {remedy}"
        ) from error


def _converted(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """The column in another type; ArrowInvalid where a value would be lost."""
    is_instant = pa.types.is_timestamp(column.type)
    if is_instant and column.type.tz is None and pa.types.is_timestamp(wanted):
        # A source that knows no time zones is taken to speak UTC.
        column = pc.assume_timezone(column, "UTC")
    if pa.types.is_decimal(column.type) and pa.types.is_floating(wanted):
        # By way of text: Arrow's own cast misses the nearest number by a bit now and then.
        column = column.cast(pa.string())
    converted = column.cast(wanted, safe=True)
    if is_instant and pa.types.is_date(wanted) and not converted.cast(column.type).equals(column):
        raise pa.ArrowInvalid("it has a time of day")
    if pa.types.is_floating(wanted):
        nothing = pa.scalar(None, wanted)
        converted = pc.if_else(pc.is_nan(converted), nothing, pc.add(converted, 0.0))
    return converted


def _may_become(given: pa.DataType, wanted: pa.DataType) -> bool:
    is_whole = bool(pa.types.is_integer(given))
    is_time = bool(pa.types.is_date(given) or pa.types.is_timestamp(given))
    if pa.types.is_string(wanted):
        # Keys are often numbers in a source; their digits are their text.
        return is_whole or given in {pa.string(), pa.large_string(), pa.string_view()}
    if pa.types.is_floating(wanted) or pa.types.is_integer(wanted):
        return is_whole or bool(pa.types.is_floating(given) or pa.types.is_decimal(given))
    if pa.types.is_date(wanted) or pa.types.is_timestamp(wanted):
        return is_time
    return bool(given == wanted)
