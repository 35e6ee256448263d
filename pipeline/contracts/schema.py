"""Brings what a source delivers into a contract's columns and types, or says why it cannot."""

import re
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts.contract import Contract
from pipeline.errors import RisklineError

TEXT_TYPES = {pa.string(), pa.large_string(), pa.string_view()}
VALUE = re.compile(r"""(?<![\w.])-?\d[\w.:+-]*|(["']).*\1""")
"""A number or a quoted text in an error's words; the digits of int64 are none."""


def conform(rows: pa.Table, contract: Contract) -> pa.Table:
    """The contract's columns, in its order and types; nothing is changed but the type.

    Columns that the contract does not name are left behind, and their order and the case of their
    names do not matter. A narrower type is widened; a value that the contract's type cannot hold
    without loss is an error, not a null. Not a number (NaN) is no value, and there is one zero, so
    that equal rows have equal bytes.

    Args:
        rows: all that a source delivers of a table, or any part of it.
        contract: of the table.

    Raises:
        RisklineError: a column is missing or there twice, or its type or one of its values does
            not fit.
    """
    columns = [
        _cast(rows.column(_place(rows, field.name, contract.table)), field, contract.table)
        for field in contract.arrow_schema
    ]
    return pa.Table.from_arrays(columns, schema=contract.arrow_schema)


def _place(rows: pa.Table, name: str, table: str) -> int:
    names = rows.column_names
    # A name in the contract's own case goes before one that some system wrote in capitals.
    places = [i for i, given in enumerate(names) if given == name] or [
        i for i, given in enumerate(names) if given.lower() == name
    ]
    if not places:
        raise RisklineError(
            f"table {table} lacks the column {name} of its contract; add it in the source or in "
            f"the query file {table}.sql"
        )
    if len(places) > 1:
        raise RisklineError(
            f"table {table} has the column {name} twice; keep one in the source or in the query "
            f"file {table}.sql"
        )
    return places[0]


def _cast(column: pa.ChunkedArray, field: pa.Field, table: str) -> pa.ChunkedArray:
    if column.null_count == len(column):
        # A CSV column without a single value shows no type.
        return pa.chunked_array([pa.nulls(len(column), field.type)])
    remedy = f"cast it in the source or in the query file {table}.sql"
    given = column.type
    column = _in_plain_type(column)
    if not _may_become(column.type, field.type):
        raise RisklineError(
            f"table {table}, column {field.name}: the source delivers {given}, the contract "
            f"wants {field.type}; {remedy}"
        )
    try:
        return _converted(column, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        # Without the value itself, which may be personal.
        reason = VALUE.sub("…", " ".join(str(error).split()))
        raise RisklineError(
            f"table {table}, column {field.name}: a value does not fit {field.type} "
            f"({reason}); {remedy}"
        ) from None


def _in_plain_type(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without what a source wraps a type in: categories, runs, and names of its own for text."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_run_end_encoded(column.type):
        column = pa.chunked_array([pc.run_end_decode(chunk) for chunk in column.chunks])
    if isinstance(column.type, pa.UuidType):
        return pa.chunked_array([_uuid_text(chunk.storage) for chunk in column.chunks])
    if isinstance(column.type, pa.BaseExtensionType) and column.type.storage_type in TEXT_TYPES:
        return column.cast(column.type.storage_type)
    return column


def _uuid_text(values: pa.FixedSizeBinaryArray) -> pa.StringArray:
    """Identifiers of 16 bytes in their usual form of 36 characters, such as 1b4e28ba-2fa1-..."""
    texts = [None if value is None else str(UUID(bytes=value)) for value in values.to_pylist()]
    return pa.array(texts, pa.string())


def _converted(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """The column in another type; ArrowInvalid where a value would be lost."""
    is_instant = pa.types.is_timestamp(column.type)
    if is_instant and column.type.tz is None and pa.types.is_timestamp(wanted):
        # A source that knows no time zones is taken to speak UTC.
        column = pc.assume_timezone(column, "UTC")
    if pa.types.is_floating(column.type):
        # Some systems write a whole number that may be missing as a float with NaN.
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if pa.types.is_decimal(column.type) and pa.types.is_floating(wanted):
        # By way of text: Arrow's own cast misses the nearest number by a bit now and then.
        column = column.cast(pa.string())
    elif pa.types.is_decimal(column.type) and pa.types.is_integer(wanted):
        # Arrow's own cast of its short decimals finds whole numbers out of bounds.
        column = column.cast(pa.decimal128(38, column.type.scale))
    converted = column.cast(wanted, safe=True)
    if is_instant and pa.types.is_date(wanted) and not converted.cast(column.type).equals(column):
        raise pa.ArrowInvalid("it has a time of day")
    if pa.types.is_string(wanted):
        # Some databases and files hold bytes of any encoding and call them text.
        converted.validate(full=True)
    if pa.types.is_floating(wanted):
        # A decimal, too, may be no number in some databases.
        nothing = pa.scalar(None, wanted)
        converted = pc.if_else(pc.is_nan(converted), nothing, pc.add(converted, 0.0))
    return converted


def _may_become(given: pa.DataType, wanted: pa.DataType) -> bool:
    is_whole = bool(pa.types.is_integer(given))
    is_time = bool(pa.types.is_date(given) or pa.types.is_timestamp(given))
    if pa.types.is_string(wanted):
        # Keys are often numbers in a source; their digits are their text.
        return is_whole or given in TEXT_TYPES
    if pa.types.is_floating(wanted) or pa.types.is_integer(wanted):
        return is_whole or bool(pa.types.is_floating(given) or pa.types.is_decimal(given))
    if pa.types.is_date(wanted) or pa.types.is_timestamp(wanted):
        return is_time
    return bool(given == wanted)
