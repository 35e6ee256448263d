"""Reads Open Data Contract Standard files into contracts, or says in one line why it cannot."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from pipeline.contracts.contract import (
    ARROW_TYPES,
    IS_DELETED,
    POSTGRES_TYPES,
    AllowedValue,
    Column,
    Contract,
)
from pipeline.contracts.odcs_checks import batch_checks
from pipeline.contracts.odcs_file import read_standard
from pipeline.contracts.odcs_rules import row_rules
from pipeline.contracts.odcs_words import custom_properties, refuse_unread
from pipeline.contracts.reference_order import in_order_of_reference
from pipeline.errors import RisklineError

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""PostgreSQL cuts longer names short."""
SYSTEM_COLUMNS = {"cmax", "cmin", "ctid", "oid", "tableoid", "xmax", "xmin"}
"""PostgreSQL has these in every table."""
IN_FORCE = {"active", "deprecated"}
PERSONAL = "personal"
ENUM_TYPES: dict[str, type[str | int]] = {"string": str, "integer": int, "boolean": bool}

CONTRACT_WORDS = {"status", "schema", "slaProperties", "customProperties"}
TABLE_WORDS = {
    "dataGranularityDescription",
    "logicalType",
    "physicalName",
    "physicalType",
    "properties",
    "quality",
    "relationships",
}
COLUMN_WORDS = {
    "classification",
    "enum",
    "logicalType",
    "logicalTypeOptions",
    "physicalName",
    "physicalType",
    "primaryKey",
    "primaryKeyPosition",
    "quality",
    "relationships",
    "required",
    "unique",
}
LINK_WORDS = {"type", "to", "customProperties"}


def load_contracts(folder: Path) -> Mapping[str, Contract]:
    """Every contract of a folder by its table's name, in alphabetical order.

    Raises:
        RisklineError: the folder holds no contract, a file is not one, or a reference leads to
            nothing or round in a circle.
    """
    files = sorted(folder.glob("*.odcs.yaml"))
    if not files:
        raise RisklineError(f"no data contract (*.odcs.yaml) in {folder}; set RISK_CONTRACTS")
    contracts: dict[str, Contract] = {}
    for file in files:
        contract = load_contract(file)
        if contract.table in contracts:
            raise RisklineError(
                f"contract {file.name}: another file of {folder} has the table {contract.table} "
                "too; keep one"
            )
        contracts[contract.table] = contract
    for contract in contracts.values():
        _refuse_dangling_references(contract, contracts)
    in_order_of_reference(contracts)
    return {name: _with_parents(contract, contracts) for name, contract in contracts.items()}


def _with_parents(contract: Contract, contracts: Mapping[str, Contract]) -> Contract:
    """The contract with a hash that also changes with the contracts that it refers to.

    What a reference leads to is looked up among rows that keep the other table's contract.
    """
    tables = {
        column.references.partition(".")[0] for column in contract.columns if column.references
    }
    hashes = [contract.sha256, *(contracts[table].sha256 for table in sorted(tables))]
    return replace(contract, sha256=hashlib.sha256("".join(hashes).encode()).hexdigest())


def load_contract(file: Path) -> Contract:
    """One contract from its file.

    Raises:
        RisklineError: the file cannot be read, breaks the standard's own schema, or asks for
            something that the pipeline cannot check.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RisklineError(f"contract {file.name} cannot be read: {error}") from error
    return read_contract(text, file.name)


# Every stage of a night asks for the contracts, and to hold one to the standard takes a while.
@lru_cache(maxsize=128)
def read_contract(text: str, name: str) -> Contract:
    """One contract from its text.

    Args:
        text: YAML of the standard.
        name: of its file, for what is said where it is none.

    Raises:
        RisklineError: as of ``load_contract``, but for the file.
    """
    place = f"contract {name}"
    odcs = read_standard(text, place)
    return _contract(odcs, place, hashlib.sha256(text.encode()).hexdigest())


def _refuse_dangling_references(contract: Contract, contracts: Mapping[str, Contract]) -> None:
    types = {column.name: column.type for column in contract.columns}
    for check in contract.batch_checks:
        if not check.references:
            continue
        table, _, name = check.references.partition(".")
        parent = contracts.get(table)
        theirs = {c.name: c.type for c in parent.columns} if parent is not None else {}
        if theirs.get(name) != types[check.column]:
            raise RisklineError(
                f"contract of table {contract.table}, column {check.column}: it references "
                f"{check.references}, which is no {types[check.column]} column of these "
                f"contracts; correct {check.name}"
            )


def _contract(odcs: OpenDataContractStandard, place: str, sha256: str) -> Contract:
    if odcs.schema_ is None or len(odcs.schema_) != 1:
        raise RisklineError(f"{place}: exactly one table a file is expected")
    if odcs.status not in IN_FORCE:
        raise RisklineError(
            f"{place}: its status is {odcs.status}, not active; set it active once it is in force, "
            "or move the file away"
        )
    refuse_unread(odcs, CONTRACT_WORDS, place)
    table = odcs.schema_[0]
    properties = table.properties or []
    if not table.name or not properties:
        raise RisklineError(f"{place}: the table needs a name and properties")
    refuse_unread(table, TABLE_WORDS, place)
    _refuse_bad_names(table, place)
    columns = tuple(_column(item, place) for item in properties)
    key = _key(properties, place)
    withdrawn = IS_DELETED if any(column.name == IS_DELETED for column in columns) else None
    rules = row_rules(table, columns, key, withdrawn, place)
    checks = batch_checks(odcs, columns, place)
    _refuse_repeats([rule.name for rule in rules] + [c.name for c in checks], "rules", place)
    said = odcs.description
    return Contract(
        table=table.name,
        description=table.description or "",
        grain=table.dataGranularityDescription or "",
        columns=columns,
        key=key,
        rules=tuple(rules),
        batch_checks=tuple(checks),
        is_optional=_is_optional(odcs, place),
        sha256=sha256,
        purpose=said.purpose or "" if said else "",
        usage=said.usage or "" if said else "",
    )


def _key(properties: Sequence[SchemaProperty], place: str) -> tuple[str, ...]:
    """Names of the key's columns, in the order of their positions."""
    positions: dict[str, int] = {}
    for item in properties:
        if not item.primaryKey:
            if item.primaryKeyPosition is not None and item.primaryKeyPosition != -1:
                raise RisklineError(
                    f"{place}, column {item.name}: it has a primaryKeyPosition and is no primaryKey"
                )
            continue
        if not item.required:
            raise RisklineError(
                f"{place}, column {item.name}: a column of the key must be required"
            )
        positions[str(item.name)] = item.primaryKeyPosition or 0
    if len(set(positions.values())) < len(positions):
        raise RisklineError(
            f"{place}: the columns of the key, {', '.join(positions)}, need a primaryKeyPosition "
            "each, and no two the same"
        )
    return tuple(sorted(positions, key=positions.__getitem__))


def _is_optional(odcs: OpenDataContractStandard, place: str) -> bool:
    is_optional = custom_properties(odcs.customProperties, {"optional"}, place).get(
        "optional", False
    )
    if not isinstance(is_optional, bool):
        raise RisklineError(f"{place}: optional must be true or false")
    return is_optional


def _refuse_bad_names(table: SchemaObject, place: str) -> None:
    names = [str(table.name), *(str(item.name) for item in table.properties or [])]
    for name in names:
        if not NAME.fullmatch(name):
            raise RisklineError(
                f"{place}: {name!r} is no name for a table or column; take lower case letters, "
                "digits and underscores, 63 at most, a letter first"
            )
    if reserved := sorted(SYSTEM_COLUMNS.intersection(names[1:])):
        raise RisklineError(
            f"{place}: PostgreSQL keeps the column name {reserved[0]} for itself; take another"
        )
    if table.physicalName not in {None, table.name}:
        raise RisklineError(
            f"{place}: physicalName {table.physicalName} is not understood; give the table the "
            f"name {table.name} in the source or write the query file {table.name}.sql"
        )
    if table.logicalType not in {None, "object"}:
        raise RisklineError(f"{place}: logicalType {table.logicalType} of a table is no object")
    _refuse_repeats(names[1:], "columns", place)


def _refuse_repeats(names: Sequence[str], what: str, place: str) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise RisklineError(f"{place}: two {what} are named {repeated[0]}; names must differ")


def _column(item: SchemaProperty, place: str) -> Column:
    place = f"{place}, column {item.name}"
    if item.logicalType not in ARROW_TYPES:
        raise RisklineError(
            f"{place}: logicalType {item.logicalType} is not one of {', '.join(ARROW_TYPES)}"
        )
    refuse_unread(item, COLUMN_WORDS, place)
    if item.physicalType not in {None, *POSTGRES_TYPES[item.logicalType]}:
        raise RisklineError(
            f"{place}: physicalType {item.physicalType!r} is not understood of the logicalType "
            f"{item.logicalType}; write {' or '.join(POSTGRES_TYPES[item.logicalType])}, or leave "
            "it out"
        )
    if item.unique:
        raise RisklineError(f"{place}: unique is not understood; state primaryKey")
    if item.physicalName not in {None, item.name}:
        raise RisklineError(
            f"{place}: physicalName {item.physicalName} is not understood; give the column the "
            f"name {item.name} in the source or in the query file"
        )
    if item.classification not in {None, PERSONAL}:
        raise RisklineError(
            f"{place}: classification {item.classification} is not understood; write {PERSONAL} or "
            "leave it out"
        )
    links = item.relationships or []
    if len(links) > 1 or not all(isinstance(link.to, str) for link in links):
        raise RisklineError(
            f"{place}: one relationship a column is understood, to one column of another table"
        )
    for link in links:
        refuse_unread(link, LINK_WORDS, f"{place}, relationship")
    return Column(
        name=str(item.name),
        type=item.logicalType,
        description=item.description or "",
        is_required=bool(item.required),
        is_personal=item.classification == PERSONAL,
        physical_type=item.physicalType,
        references=str(links[0].to) if links else None,
        allowed=_allowed_values(item, place),
    )


def _allowed_values(item: SchemaProperty, place: str) -> tuple[AllowedValue, ...]:
    wanted = ENUM_TYPES.get(str(item.logicalType))
    allowed = []
    for entry in item.enum or []:
        refuse_unread(entry, {"value"}, f"{place}, enum")
        # bool is int to Python, and yes is True to YAML: neither may stand for the other.
        if wanted is None or type(entry.value) is not wanted:
            raise RisklineError(
                f"{place}: an enum must list texts of a string column, whole numbers of an "
                "integer one, or true and false of a boolean one; put texts such as 'yes' and '1' "
                "in quotes"
            )
        allowed.append(AllowedValue(entry.value, entry.description or ""))
    return tuple(allowed)
