"""What the reader says, in one line, to a file that is no contract."""

from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.odcs import load_contract, load_contracts
from pipeline.errors import RisklineError
from tests.unit.small_contract import (
    AGAINST_PAST,
    DAY_ROWS,
    FIRST_DAY,
    KIND,
    LAST,
    MEDIAN,
    MINUTES,
    NULLS,
    PAIR,
    SHARE,
    SMALL,
    VISIT_ID,
    before,
    check,
    column,
    column_check,
    link,
    options,
    prop,
    sla,
    write,
)

UNQUOTED = "unquoted:"
MORE = "mustBeGreaterThan"

Change = Callable[[Any], object]

BROKEN: list[tuple[str, Change, str]] = [
    ("no kind", lambda c: c.pop("kind"), "'kind' is a required property"),
    ("no schema", lambda c: c.pop("schema"), "exactly one table"),
    ("two tables", lambda c: c["schema"].append(deepcopy(c["schema"][0])), "exactly one table"),
    ("no properties", lambda c: c["schema"][0].pop("properties"), "name and properties"),
    ("table's name", lambda c: c["schema"][0].update(name="The Visits"), "'The Visits' is no name"),
    ("column's name", lambda c: column(c, KIND).update(name='a"b'), "'a\"b' is no name"),
    ("column twice", lambda c: column(c, KIND).update(name="minutes"), "two columns are named"),
    ("made-up type", lambda c: column(c, KIND).update(logicalType="text"), "logicalType"),
    ("type not held", lambda c: column(c, LAST).update(logicalType="time"), "logicalType time"),
    ("no type", lambda c: column(c, LAST).pop("logicalType"), "at schema/0/properties/4"),
    ("lookahead", lambda c: options(c, VISIT_ID).update(pattern="V(?=1)"), "read differently"),
    ("digits of any script", lambda c: options(c, VISIT_ID).update(pattern=r"\d+"), "differently"),
    *(
        (f"pattern {it}", lambda c, it=it: options(c, VISIT_ID).update(pattern=it), "differently")
        for it in ("a{,3}", "a{b}", "[[:alpha:]]", "[^[:alpha:]]", "[a&&b]", "[]a]", "a$|b")
    ),
    ("half a set", lambda c: options(c, VISIT_ID).update(pattern="[A-"), "no regular expression"),
    ("format", lambda c: options(c, VISIT_ID).update(format="uuid"), "cannot check format"),
    (
        "length of a number",
        lambda c: options(c, MINUTES).update(maxLength=3),
        "at schema/0/properties/2",
    ),
    ("no length fits", lambda c: options(c, VISIT_ID).update(minLength=9), "between 9 and 8"),
    ("no number fits", lambda c: options(c, MINUTES).update(maximum=-1), "between 0 and -1"),
    (
        "no day fits",
        lambda c: options(c, FIRST_DAY).update(maximum="2000-01-01"),
        "nothing lies between 2001-02-03 and 2000-01-01",
    ),
    *(
        (
            f"bound {day}",
            lambda c, day=day: options(c, FIRST_DAY).update(minimum=day),
            f"column first_day: the bound '{day}' is no date; write it as YYYY-MM-DD",
        )
        for day in ("2024-W01-1", "20240101", "2024-02-30", "10000-01-01")
    ),
    (
        "bound before all dates",
        lambda c: options(c, FIRST_DAY).update(minimum="0999-12-31"),
        "column first_day: the bound 0999-12-31 is not within 1000-01-01 to 9999-12-31",
    ),
    *(
        (
            f"{kind} bound of {len(str(value))} digits",
            lambda c, value=value: options(c, MINUTES).update(maximum=value),
            "number at schema/0/properties/2/logicalTypeOptions/maximum is beyond -10^15 to 10^15",
        )
        for kind, value in (
            ("whole", 10**15 + 1),
            ("huge", 10**400),
            ("fractional", -1.1e15),
            ("endless", float("inf")),
        )
    ),
    (
        "more digits than Python reads",
        lambda c: options(c, MINUTES).update(maximum=UNQUOTED + "9" * 5000),
        "cannot be read: Exceeds the limit",
    ),
    (
        "half a whole number",
        lambda c: column(c, MINUTES).update(
            logicalType="integer", logicalTypeOptions={"minimum": 0.5}
        ),
        "column minutes: the bound 0.5 of a whole number is not whole",
    ),
    (
        "nothing is above 5 and at most 5",
        lambda c: options(c, MINUTES).update(exclusiveMinimum=5, maximum=5),
        "column minutes: nothing lies between 5 and 5",
    ),
    (
        "no text is so long",
        lambda c: options(c, KIND).update(minLength=2_000_000),
        "column kind: nothing lies between 2000000 and 1000000",
    ),
    (
        "bound that is no number",
        lambda c: options(c, MINUTES).update(maximum=float("nan")),
        "column minutes: the bound nan is no number",
    ),
    (
        "exclusive maximum",
        lambda c: column(c, MINUTES)["logicalTypeOptions"].update(exclusiveMaximum=9),
        "column minutes: cannot check exclusiveMaximum",
    ),
    (
        "two minima",
        lambda c: column(c, MINUTES)["logicalTypeOptions"].update(minimum=1),
        "column minutes: cannot check exclusiveMinimum, maximum, minimum",
    ),
    (
        "bound that is no date",
        lambda c: column(c, FIRST_DAY)["logicalTypeOptions"].update(minimum="yesterday"),
        "column first_day: the bound 'yesterday' is no date",
    ),
    (
        "bound of a bare date",
        lambda c: column(c, FIRST_DAY)["logicalTypeOptions"].update(minimum=date(2001, 2, 3)),
        "is not of type 'string'",
    ),
    ("empty enum", lambda c: column(c, KIND).update(enum=[]), "enum"),
    (
        "enum of yes and no",
        lambda c: column(c, KIND).update(enum=[{"value": True}, {"value": False}]),
        "column kind: an enum must list texts",
    ),
    (
        "enum of numbers",
        lambda c: column(c, MINUTES).update(enum=[{"value": "1"}]),
        "column minutes: an enum must list texts",
    ),
    (
        "enum of words and numbers",
        lambda c: column(c, KIND).update(enum=[{"value": "call"}, {"value": 1}]),
        "column kind: an enum must list texts",
    ),
    (
        "enum of 1 for true",
        lambda c: c["schema"][0]["properties"][-1].update(enum=[{"value": 1}]),
        "column is_deleted: an enum must list texts",
    ),
    (
        "key that may be empty",
        lambda c: column(c, VISIT_ID).update(required=False),
        "column visit_id: a column of the key must be required",
    ),
    (
        "two columns first in the key",
        lambda c: c["schema"][0]["properties"][5].update(primaryKeyPosition=1),
        "the columns of the key, visit_id, known_at, need a primaryKeyPosition each",
    ),
    (
        "key without an order",
        lambda c: [p.pop("primaryKeyPosition", None) for p in c["schema"][0]["properties"]],
        "the columns of the key, visit_id, known_at, need a primaryKeyPosition each",
    ),
    (
        "place in the key of what is no key",
        lambda c: column(c, KIND).update(primaryKeyPosition=3),
        "column kind: it has a primaryKeyPosition and is no primaryKey",
    ),
    *(
        (
            f"status {status}",
            lambda c, status=status: c.update(status=status),
            f"its status is {status}, not active",
        )
        for status in ("retired", "draft", "proposed")
    ),
    *(
        (f"contract's {word}", lambda c, word=word, v=v: c.update({word: v}), f"{word} is not und")
        for word, v in (
            ("servers", [{"server": "s", "type": "custom"}]),
            ("roles", [{"role": "reader"}]),
            ("slaDefaultElement", "visits.known_at"),
        )
    ),
    *(
        (
            f"column's {word}",
            lambda c, word=word, value=value: column(c, KIND).update({word: value}),
            f"column kind: {word} is not understood; take it out",
        )
        for word, value in (
            ("customProperties", [prop("mask", True)]),
            ("encryptedName", "kind_encrypted"),
            ("partitioned", True),
            ("transformLogic", "upper(kind)"),
            ("transformSourceObjects", ["branches"]),
        )
    ),
    (
        "table's custom property",
        lambda c: c["schema"][0].update(customProperties=[prop("retention", "10 years")]),
        "customProperties is not understood",
    ),
    (
        "table's other name",
        lambda c: c["schema"][0].update(physicalName="VISITS_V2"),
        "physicalName VISITS_V2 is not understood; give the table the name visits",
    ),
    (
        "arguments of a metric",
        lambda c: column_check(c, NULLS).update(arguments={"nullLike": ["", "n/a"]}),
        "column minutes, check minutes_known: arguments is not understood",
    ),
    (
        "schedule of a check",
        lambda c: check(c, SHARE).update(schedule="0 2 * * *"),
        "check share_quarantined_pct: schedule is not understood",
    ),
    (
        "bound beside a fact",
        lambda c: column_check(c, MEDIAN).update(mustBeLessOrEqualTo=5),
        "at schema/0/properties/2/quality/1: Unevaluated properties are not allowed",
    ),
    (
        "severity of a row rule",
        lambda c: check(c, PAIR).update(severity="warn"),
        "rule last_not_before_first: severity is not understood",
    ),
    (
        "pair of most rows",
        lambda c: check(c, PAIR)["implementation"].update(mostly=0.9),
        "rule last_not_before_first: its implementation must be a type and kwargs, no more",
    ),
    (
        "pair without sides",
        lambda c: check(c, PAIR)["implementation"].update(kwargs=["last_day"]),
        "rule last_not_before_first: its implementation must be a type and kwargs, no more",
    ),
    (
        "schedule of a service level",
        lambda c: sla(c).update(schedule="0 2 * * *"),
        "service level freshness: schedule is not understood",
    ),
    (
        "relationship of another kind",
        lambda c: column(c, KIND).update(relationships=[link() | {"type": "seeAlso"}]),
        "at schema/0/properties/1/relationships/0/type: 'seeAlso' is not one of",
    ),
    (
        "value of an enum with a mark of its own",
        lambda c: column(c, KIND)["enum"][0].update(customProperties=[prop("until", 2020)]),
        "column kind, enum: customProperties is not understood",
    ),
    *(
        (
            f"physicalType {name}",
            lambda c, at=at, name=name: column(c, at).update(physicalType=name),
            f"physicalType '{name}' is not understood of the logicalType",
        )
        for at, name in (
            (KIND, "text; DROP TABLE risk.runs"),
            (KIND, "bigint"),
            (MINUTES, "numeric"),
            (MINUTES, "text"),
        )
    ),
    ("long name", lambda c: column(c, KIND).update(name="k" * 64), "63 at most"),
    (
        "long name of a table",
        lambda c: c["schema"][0].update(name="v" * 64),
        "is no name for a table or column",
    ),
    *(
        (
            f"PostgreSQL's {name}",
            lambda c, name=name: column(c, KIND).update(name=name),
            f"PostgreSQL keeps the column name {name} for itself",
        )
        for name in ("ctid", "xmin", "oid", "tableoid", "cmin", "cmax", "xmax")
    ),
    (
        "no end to a description",
        lambda c: column(c, KIND).update(description="a\0b"),
        "the text at schema/0/properties/1/description has control characters",
    ),
    *(
        (
            f"share of {least} to {most} percent",
            lambda c, least=least, most=most: (
                check(c, SHARE).pop("mustBeLessOrEqualTo"),
                check(c, SHARE).update(mustBeBetween=[least, most]),
            ),
            "history_quarantined_pct is never below 0 or above 100; correct the bound",
        )
        for least, most in ((-1, 5), (0, 100.5), (101, 200))
    ),
    (
        "fewer rows than none",
        lambda c: check(c, DAY_ROWS).update(mustBeLessThan=check(c, DAY_ROWS).pop(MORE) and 0),
        "check rows_of_the_day: day_rows is never below 0; correct the bound",
    ),
    (
        "a part of a row",
        lambda c: check(c, DAY_ROWS).update(
            mustBeBetween=[check(c, DAY_ROWS).pop(MORE) + 0.2, 2.8]
        ),
        "check rows_of_the_day: no whole number lies between 2.2 and 2.8",
    ),
    *(
        (
            f"list for a word: {name}",
            lambda c, at=at, key=key: at(c).update({key: ["x"]}),
            words,
        )
        for name, at, key, words in (
            (
                "fact",
                lambda c: column_check(c, MEDIAN)["implementation"],
                "fact",
                "check minutes_against_past: the fact must be one of",
            ),
            (
                "scope",
                lambda c: check(c, DAY_ROWS)["customProperties"][0],
                "value",
                "check rows_of_the_day: the scope must be day or history",
            ),
            (
                "severity",
                lambda c: sla(c)["customProperties"][0],
                "value",
                "service level freshness: severity must be fail or warn",
            ),
        )
    ),
    (
        "optional twice",
        lambda c: c["customProperties"].append(prop("optional", False)),
        "the custom property optional is stated twice",
    ),
    (
        "scope twice",
        lambda c: check(c, DAY_ROWS)["customProperties"].append(prop("scope", "history")),
        "check rows_of_the_day: the custom property scope is stated twice",
    ),
    (
        "nameless check of a column",
        lambda c: column_check(c, MEDIAN).pop("name"),
        "column minutes, check number 2: it needs a name",
    ),
    (
        "nameless rule",
        lambda c: check(c, PAIR).pop("name"),
        "rule number 1: it needs a name",
    ),
    ("unique column", lambda c: column(c, KIND).update(unique=True), "unique is not understood"),
    (
        "another name in the source",
        lambda c: column(c, KIND).update(physicalName="KIND_CD"),
        "column kind: physicalName KIND_CD is not understood",
    ),
    (
        "another classification",
        lambda c: column(c, KIND).update(classification="PII"),
        "column kind: classification PII is not understood",
    ),
    (
        "two relationships",
        lambda c: column(c, KIND).update(relationships=[{"to": "a.b"}, {"to": "c.d"}]),
        "column kind: one relationship a column",
    ),
    (
        "relationship of the table",
        lambda c: c["schema"][0].update(relationships=[{"from": "visits.kind", "to": "a.b"}]),
        "state relationships at their columns",
    ),
    (
        "misspelt share of a relationship",
        lambda c: column(c, KIND).update(relationships=[link(failAbove=5)]),
        "column kind: the custom property failAbove is not understood",
    ),
    *(
        (
            f"share of a relationship: {share}",
            lambda c, share=share: column(c, KIND).update(relationships=[link(failAbovePct=share)]),
            "column kind: failAbovePct must be a number from 0 to below 100",
        )
        for share in (-1, 100, "5", True, None)
    ),
    (
        "values missing of a column",
        lambda c: column_check(c, NULLS).update(metric="missingValues"),
        "check minutes_known: of a column, the metric nullValues is understood",
    ),
    (
        "nulls in rows",
        lambda c: column_check(c, NULLS).update(unit="rows"),
        "check minutes_known: nullValues are understood in percent of the day",
    ),
    (
        "nulls of the history",
        lambda c: column_check(c, NULLS).update(customProperties=[prop("scope", "history")]),
        "check minutes_known: nullValues are understood in percent of the day",
    ),
    (
        "another engine",
        lambda c: column_check(c, MEDIAN).update(engine="soda"),
        "check minutes_against_past: only the engine riskline",
    ),
    (
        "an engine's own text",
        lambda c: column_check(c, MEDIAN).update(implementation="median > 0"),
        "check minutes_against_past: only the engine riskline",
    ),
    (
        "made-up fact",
        lambda c: column_check(c, MEDIAN)["implementation"].update(fact="mean"),
        "the fact must be one of before_reference, day_median_against_past",
    ),
    (
        "fact of a table",
        lambda c: column_check(c, MEDIAN)["implementation"].update(fact="day_rows_against_past"),
        "the fact must be one of before_reference, day_median_against_past",
    ),
    (
        "fact of a column",
        lambda c: check(c, AGAINST_PAST)["implementation"].update(fact="before_reference"),
        "check rows_against_past: the fact must be one of day_rows_against_past",
    ),
    (
        "misspelt bound",
        lambda c: column_check(c, MEDIAN)["implementation"].update(mustBeAbove=1),
        "check minutes_against_past: mustBeAbove is not understood",
    ),
    (
        "two bounds",
        lambda c: column_check(c, MEDIAN)["implementation"].update(mustBeLessOrEqualTo=1),
        "check minutes_against_past: it needs one bound",
    ),
    (
        "no bound",
        lambda c: column_check(c, MEDIAN)["implementation"].pop("mustBeBetween"),
        "check minutes_against_past: it needs one bound",
    ),
    (
        "bounds that cross",
        lambda c: column_check(c, MEDIAN)["implementation"].update(mustBeBetween=[10, 0.1]),
        "check minutes_against_past: mustBeBetween must be a number, or two in order",
    ),
    (
        "bound without end",
        lambda c: check(c, DAY_ROWS).update(mustBeGreaterThan=float("nan")),
        "check rows_of_the_day: mustBeGreaterThan must be a number",
    ),
    (
        "median of a day",
        lambda c: column(c, FIRST_DAY).update(quality=column(c, MINUTES).pop("quality")[MEDIAN:]),
        "check minutes_against_past: day_median_against_past is no fact of a date",
    ),
    (
        "median by way of a reference",
        lambda c: column_check(c, MEDIAN)["implementation"].update(via="kind"),
        "takes neither references nor via",
    ),
    (
        "before a row that nothing leads to",
        lambda c: column(c, FIRST_DAY).update(quality=[before("visits.last_day", "kind")]),
        "check not_before: references must be table.column of another table",
    ),
    ("service level", lambda c: sla(c).update(property="retention"), "only freshness in days"),
    ("freshness in hours", lambda c: sla(c).update(unit="h"), "only freshness in days"),
    (
        "freshness of another table",
        lambda c: sla(c).update(element="calls.known_at"),
        "service level freshness: the element must be visits.known_at",
    ),
    ("freshness in words", lambda c: sla(c).update(value="soon"), "must be a number of days"),
    ("freshness below 0", lambda c: sla(c).update(value=-1), "must be a number of days"),
    (
        "freshness without severity",
        lambda c: sla(c).pop("customProperties"),
        "service level freshness: severity must be fail or warn",
    ),
    (
        "unknown metric",
        lambda c: check(c, SHARE).update(metric="nullValues"),
        "check share_quarantined_pct: of a table, the metrics rowCount and invalidValues",
    ),
    (
        "made-up metric",
        lambda c: check(c, SHARE).update(metric="rowsPerHour"),
        "breaks the Open Data Contract Standard at schema/0/quality/2",
    ),
    (
        "text check",
        lambda c: c["schema"][0]["quality"].append({"name": "nice", "type": "text"}),
        "check nice: of a table, the metrics",
    ),
    (
        "share in rows",
        lambda c: check(c, SHARE).update(unit="rows"),
        "check share_quarantined_pct: invalidValues are understood in the unit percent",
    ),
    (
        "rows in percent",
        lambda c: check(c, DAY_ROWS).update(unit="percent"),
        "check rows_of_the_day: rowCount is understood in the unit rows",
    ),
    (
        "strict bound of a share",
        lambda c: check(c, SHARE).update(mustBeLessThan=check(c, SHARE).pop("mustBeLessOrEqualTo")),
        "check share_quarantined_pct: mustBeLessThan is not understood of this fact",
    ),
    (
        "anything but",
        lambda c: check(c, DAY_ROWS).update(mustNotBe=check(c, DAY_ROWS).pop("mustBeGreaterThan")),
        "check rows_of_the_day: mustNotBe is not understood of this fact",
    ),
    (
        "misspelt scope",
        lambda c: check(c, DAY_ROWS)["customProperties"][0].update(property="skope"),
        "check rows_of_the_day: the custom property skope is not understood",
    ),
    (
        "unknown scope",
        lambda c: check(c, DAY_ROWS)["customProperties"][0].update(value="hour"),
        "check rows_of_the_day: the scope must be day or history",
    ),
    (
        "nameless check",
        lambda c: check(c, DAY_ROWS).pop("name"),
        "check number 2: it needs a name",
    ),
    ("wrong severity", lambda c: check(c, SHARE).update(severity="error"), "must be fail or warn"),
    ("no severity", lambda c: check(c, SHARE).pop("severity"), "must be fail or warn"),
    (
        "two checks of a name",
        lambda c: check(c, SHARE).update(name="rows_of_the_day"),
        "two rules are named rows_of_the_day",
    ),
    (
        "unknown expectation",
        lambda c: check(c, PAIR)["implementation"].update(type="expect_table_row_count"),
        "rule last_not_before_first: only expect_column_pair",
    ),
    (
        "pair that must differ",
        lambda c: check(c, PAIR)["implementation"]["kwargs"].pop("or_equal"),
        "or_equal must be true",
    ),
    (
        "pair without a side",
        lambda c: check(c, PAIR)["implementation"]["kwargs"].pop("column_B"),
        "dates, instants or numbers, not last_day and None",
    ),
    (
        "pair of types",
        lambda c: check(c, PAIR)["implementation"]["kwargs"].update(column_B="minutes"),
        "dates, instants or numbers, not last_day and minutes",
    ),
    (
        "pair of texts",
        lambda c: check(c, PAIR)["implementation"]["kwargs"].update(
            column_A="kind", column_B="visit_id"
        ),
        "dates, instants or numbers, not kind and visit_id",
    ),
    (
        "pair on a condition",
        lambda c: check(c, PAIR)["implementation"]["kwargs"].update(ignore_row_if="never"),
        "rule last_not_before_first: ignore_row_if is not understood",
    ),
    (
        "misspelt optional",
        lambda c: c["customProperties"][0].update(property="optinal"),
        "the custom property optinal is not understood",
    ),
    (
        "optional in words",
        lambda c: c["customProperties"][0].update(value="false"),
        "optional must be true or false",
    ),
]


@pytest.mark.parametrize(
    ("change", "words"),
    [pytest.param(change, words, id=name) for name, change, words in BROKEN],
)
def test_a_broken_contract_is_refused_in_one_line(
    change: Change, words: str, tmp_path: Path
) -> None:
    content = deepcopy(SMALL)
    change(content)
    file = write(tmp_path, content)
    file.write_text(file.read_text().replace(UNQUOTED, ""))

    with pytest.raises(RisklineError) as refused:
        load_contract(file)

    assert words in str(refused.value)
    assert "contract visits.odcs.yaml" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"schema: [", "cannot be read: while parsing"),
        (b"", "not a mapping"),
        (b"- a\n- b\n", "not a mapping"),
        (b"name: \xff\xfe", "cannot be read: 'utf-8'"),
        (b"a: !!python/object:os.system {}", "cannot be read: could not determine"),
        (b"a: 1\na: 2\n", "cannot be read: a is stated twice; keep one"),
        (b"a: {b: {c: 1, 'c': 2}}", "cannot be read: c is stated twice; keep one"),
        (b"1: a\n", "cannot be read: a name is no text; put it in quotes"),
        (b"{[a]: b}", "cannot be read: a name is no text; put it in quotes"),
        (b"a: {<<: {b: 1}}", "cannot be read: a name is no text; put it in quotes"),
        (b"a: &a [1]\nb: *a\n", "cannot be read: the anchor or alias a is not understood"),
        (b"a: &a 1\n", "cannot be read: the anchor or alias a is not understood"),
        (b"&a\n- *a\n", "cannot be read: the anchor or alias a is not understood"),
        (b"a: " + b"[" * 100_000, "cannot be read: it is nested more than 32 levels deep"),
        (b"a: " + b"[" * 100 + b"]" * 100, "it is nested more than 32 levels deep"),
        (b"a: 2024-02-30\n", "cannot be read: day is out of range for month"),
        (b'a: "\\ud800"\n', "cannot be read: "),
        (b"a: 1\n---\nb: 1\n", "cannot be read: expected a single document"),
    ],
)
def test_what_is_no_contract_at_all_is_refused_in_one_line(
    text: bytes, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "visits.odcs.yaml"
    file.write_bytes(text)

    with pytest.raises(RisklineError) as refused:
        load_contract(file)

    assert str(refused.value).startswith("contract visits.odcs.yaml")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_contract_that_cannot_be_opened_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "visits.odcs.yaml").mkdir()
    with pytest.raises(RisklineError, match=r"contract visits\.odcs\.yaml cannot be read"):
        load_contracts(tmp_path)


def test_a_folder_without_contracts_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RisklineError, match=r"no data contract .* set RISK_CONTRACTS"):
            load_contracts(folder)


def test_two_files_for_one_table_are_refused(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    write(tmp_path, SMALL, name="visits_too")
    with pytest.raises(RisklineError, match=r"visits_too\.odcs\.yaml: another file"):
        load_contracts(tmp_path)
