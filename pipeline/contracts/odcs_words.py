"""Which words of the Open Data Contract Standard are taken, so that none is passed over in silence.

The standard knows more words than the pipeline acts on. One that is passed over would look like a
promise: whoever writes ``encryptedName`` believes that something is encrypted.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from open_data_contract_standard.model import CustomProperty
from pydantic import BaseModel

from pipeline.errors import RisklineError

PROSE = {
    "apiVersion",
    "authoritativeDefinitions",
    "businessImpact",
    "businessName",
    "context",
    "contractCreatedTs",
    "criticalDataElement",
    "dataProduct",
    "deprecated",
    "description",
    "dimension",
    "domain",
    "driver",
    "examples",
    "id",
    "kind",
    "label",
    "limitations",
    "name",
    "price",
    "support",
    "synonyms",
    "tags",
    "team",
    "tenant",
    "version",
}
"""Words for people, which promise nothing of the data."""


def refuse_unread(item: BaseModel, read: AbstractSet[str], place: str) -> None:
    """Refuse a part of a contract that uses a word which nothing acts on.

    Args:
        item: the part, as the standard's own model holds it.
        read: the words of that part that are acted on, beside those for people.
        place: the part, for errors.

    Raises:
        RisklineError: another word is used, and says more than nothing or false.
    """
    for name, field in type(item).model_fields.items():
        word = field.alias or name
        if word not in read | PROSE and getattr(item, name):
            raise RisklineError(f"{place}: {word} is not understood; take it out")


def custom_properties(
    properties: Sequence[CustomProperty] | None, understood: AbstractSet[str], place: str
) -> Mapping[str, Any]:
    """The custom properties of a part of a contract, by name.

    Raises:
        RisklineError: one is not understood, or stated twice.
    """
    said: dict[str, Any] = {}
    for item in properties or []:
        name = str(item.property)
        if name not in understood:
            raise RisklineError(
                f"{place}: the custom property {name} is not understood, only "
                f"{', '.join(sorted(understood))} is"
            )
        if name in said:
            raise RisklineError(f"{place}: the custom property {name} is stated twice; keep one")
        said[name] = item.value
    return said
