"""The dictionary page: every contract in words, generated, so that it says what is checked.

``python -m pipeline.contracts.dictionary`` writes it to ``data_contracts/README.md``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.contracts.contract import (
    FIRST_DAY,
    LAST_DAY,
    BatchCheck,
    Column,
    Contract,
    Metric,
    Severity,
)
from pipeline.contracts.facts import FEWEST_ROWS, PAST_DAYS
from pipeline.contracts.odcs import load_contracts
from pipeline.contracts.odcs_rules import LARGEST
from pipeline.contracts.rules import (
    CleanText,
    LengthWithin,
    OfForm,
    Required,
    Rule,
    UnlessWithdrawn,
    Within,
    plain,
)
from pipeline.settings import REPOSITORY

FOLDER = REPOSITORY / "data_contracts"
PAGE = FOLDER / "README.md"

TYPES = {
    "string": "text",
    "date": "date",
    "timestamp": "instant (UTC)",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
}
MEASURES = {
    Metric.DAY_ROWS: "rows of the as-of date",
    Metric.HISTORY_ROWS: "rows up to the as-of date",
    Metric.DAY_ROWS_AGAINST_PAST: (
        "rows of the as-of date, divided by the mean of the same weekday in the four weeks before"
    ),
    Metric.DAY_QUARANTINED_PCT: "rows of the as-of date that are quarantined, in percent",
    Metric.HISTORY_QUARANTINED_PCT: "rows up to the as-of date that are quarantined, in percent",
    Metric.AGE_DAYS: "days since a row last became known",
    Metric.ORPHANS: "rows whose {column} is not in {references}",
    Metric.ORPHANS_PCT: "rows whose {column} is not in {references}, in percent",
    Metric.BEFORE_REFERENCE: "rows whose {column} lies before {references}",
    Metric.LOST_ROWS: "rows landed that are neither valid nor quarantined",
    Metric.DAY_NULL_PCT: "rows of the as-of date without {column}, in percent",
    Metric.DAY_MEDIAN_AGAINST_PAST: (
        "median {column} of the recent rows, divided by that of the 28 days before"
    ),
}
EVERYWHERE = {FIRST_DAY, LAST_DAY, -LARGEST, LARGEST}
"""Bounds that hold whatever a contract says: the page states them once."""
CONSEQUENCES = {Severity.FAIL: "**fail**", Severity.WARN: "warn"}

INTRODUCTION = f"""\
# Data dictionary

Generated from the data contracts beside this page (`python -m pipeline.contracts.dictionary`); do
not edit it. A contract is a file of the Open Data Contract Standard, and what stands here is what
the pipeline checks, no more and no less.

- **Rows.** A row that breaks one of the *row rules* goes to quarantine with every rule it breaks;
  it comes back by itself once it is corrected in the source, or the contract is. A version that
  withdraws its row is asked for its key alone.
- **Batches.** A *batch check* looks at a night's table as a whole. One marked **fail** stops the
  run before anything is published, and last night's tables stay; one marked warn is reported.
  Recent rows are those of the look-back window (`RISK_LOOKBACK_DAYS`), the as-of date included.
- **Few rows.** Four measures say nothing of a handful of rows and are judged only from
  {FEWEST_ROWS} rows on: a median, where the recent rows and the {PAST_DAYS} days before have
  {FEWEST_ROWS} values each and the past median is not 0; the share without a value, where the
  as-of date has {FEWEST_ROWS} valid rows; the share of the as-of date in quarantine, where it has
  {FEWEST_ROWS} rows; and rows against the same weekday, where {FEWEST_ROWS} are usual on it and the
  table goes back four weeks. All else is judged however few the rows are: shares of the whole
  history, references, dates held against another table's, counts of rows, lost rows, and
  freshness of whatever table has a row.
- **Versions.** Source tables keep every version of a row, told apart by `known_at`: the latest
  version known on a date is what a run of that date sees.
- **Personal** marks what names a person, or tells of private life beyond the credit business:
  birth, family, schooling, work and home, single bookings, single contacts, and what others say of
  the customer. Such columns are never published. What the credit business itself consists of is
  not marked: customer numbers, the segment, a region too wide to find anybody by, loans and their
  payments, debts, income, and a credit bureau's report. It is confidential all the same.
- **Bounds.** Dates lie between the years 1000 and 9999, numbers between -10^15 and 10^15, also
  where a table states nothing narrower. Money is in the bank's currency.
"""


def page(sources: Mapping[str, Contract], outputs: Mapping[str, Contract]) -> str:
    """The whole page as Markdown.

    Args:
        sources: contracts of what the pipeline reads, by table.
        outputs: contracts of what it publishes, by table.
    """
    parts = [
        INTRODUCTION,
        _contents(sources, outputs),
        "## Source tables: what the bank delivers\n",
        *(_section(contract) for contract in sources.values()),
        "## Output tables: what the pipeline publishes\n",
        *(_section(contract) for contract in outputs.values()),
    ]
    return "\n".join(parts)


def _contents(sources: Mapping[str, Contract], outputs: Mapping[str, Contract]) -> str:
    rows = [
        [
            f"[{contract.table}](#{contract.table})",
            "output" if name in outputs else "optional" if contract.is_optional else "required",
            contract.purpose or contract.description,
        ]
        for name, contract in [*sources.items(), *outputs.items()]
    ]
    return _table(["table", "kind", "what it is"], rows)


def _section(contract: Contract) -> str:
    facts = {
        "What it is": contract.description,
        "One row is": f"{contract.grain}.",
        "Key": f"{', '.join(f'`{name}`' for name in contract.key)}.",
    }
    if contract.is_versioned:
        facts["Needed"] = "optional." if contract.is_optional else "required: no run without it."
    for check in contract.batch_checks:
        if check.metric is Metric.AGE_DAYS:
            facts["Freshness"] = (
                f"there is news at least every {plain(check.maximum or 0)} days, else "
                f"{CONSEQUENCES[check.severity]}."
            )
    # The description of most outputs is their purpose, and need not be said twice.
    prose = [text for text in (contract.purpose, contract.usage) if text != contract.description]
    return "\n".join(
        [
            f"### {contract.table}\n",
            *([f"{' '.join(text for text in prose if text)}\n"] if any(prose) else []),
            *(f"- **{name}**: {text}" for name, text in facts.items()),
            "",
            _columns(contract),
            "Row rules:\n",
            *(f"- {words}" for words in _rule_words(contract.rules)),
            "",
            *([_checks(contract.batch_checks)] if contract.batch_checks else []),
        ]
    )


def _columns(contract: Contract) -> str:
    rows = [
        [
            f"`{column.name}`",
            column.physical_type or TYPES[column.type],
            "yes" if column.is_required else "",
            "personal" if column.is_personal else "",
            column.description + (f" See `{column.references}`." if column.references else ""),
            _allowed(column, contract.rules),
        ]
        for column in contract.columns
    ]
    return _table(["column", "type", "required", "personal", "meaning", "allowed"], rows)


def _allowed(column: Column, rules: Iterable[Rule]) -> str:
    if column.allowed:
        return "<br>".join(f"`{_word(v.value)}`: {v.description}" for v in column.allowed)
    said = []
    for rule in map(_inner, rules):
        if isinstance(rule, Within) and rule.column == column.name:
            rule = replace(
                rule,
                minimum=None if rule.minimum in EVERYWHERE else rule.minimum,
                maximum=None if rule.maximum in EVERYWHERE else rule.maximum,
            )
            if (rule.minimum, rule.maximum) == (None, None):
                continue
        elif not isinstance(rule, LengthWithin | OfForm) or rule.column != column.name:
            continue
        words = rule.describe().removeprefix(f"{column.name} must ")
        said.append(words.removeprefix("be ").removeprefix("have "))
    return ", ".join(said)


def _rule_words(rules: Sequence[Rule]) -> Sequence[str]:
    """Each rule as a quarantined row's reason states it; what many columns share is said once."""
    plain_rules = [_inner(rule) for rule in rules]
    required = [f"`{rule.column}`" for rule in plain_rules if isinstance(rule, Required)]
    texts = [rule for rule in plain_rules if isinstance(rule, CleanText)]
    words = []
    if required:
        words.append(f"must have a value: {', '.join(required)}")
    if texts:
        demand = texts[0].describe().removeprefix(f"{texts[0].column} ")
        words.append(f"{demand}: {', '.join(f'`{rule.column}`' for rule in texts)}")
    words += [rule.describe() for rule in plain_rules if not isinstance(rule, Required | CleanText)]
    return words


def _checks(checks: Sequence[BatchCheck]) -> str:
    rows = [
        [
            f"`{check.name}`",
            CONSEQUENCES[check.severity],
            MEASURES[check.metric].format(
                column=f"`{check.column}`", references=f"`{check.references}`"
            ),
            _bound(check),
            check.description,
        ]
        for check in checks
    ]
    return "Batch checks:\n\n" + _table(["check", "severity", "measure", "bound", "why"], rows)


def _bound(check: BatchCheck) -> str:
    words = check.threshold.replace(">=", "at least").replace("<=", "at most")
    return words.replace("=", "exactly")


def _inner(rule: Rule) -> Rule:
    return rule.rule if isinstance(rule, UnlessWithdrawn) else rule


def _word(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def write(page_file: Path = PAGE, folder: Path = FOLDER) -> None:
    """Write the page of the contracts in a folder.

    Raises:
        RisklineError: a contract is none.
    """
    text = page(load_contracts(folder / "sources"), load_contracts(folder / "outputs"))
    page_file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
