"""A contract's file as the standard's own model, or one line on why it is none."""

import json
import re
from collections.abc import Hashable
from functools import lru_cache
from importlib import resources
from typing import Any

import pydantic
import yaml
from jsonschema import Draft201909Validator
from open_data_contract_standard.model import OpenDataContractStandard

from pipeline.contracts.odcs_rules import LARGEST
from pipeline.errors import RisklineError

TEXT_TAG = "tag:yaml.org,2002:str"
DEEPEST = 32
"""Levels of a file within each other; a contract has a dozen."""
UNPRINTABLE = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
"""What no comment in a database and no page can hold; line breaks and tabs may be in a text."""


class _Loader(yaml.CSafeLoader):
    """Plain values only, and each name once: of two, YAML would keep the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping, if its names are texts and differ."""
        names = set()
        for key, _ in node.value:
            if key.tag != TEXT_TAG:
                raise yaml.constructor.ConstructorError(
                    None, None, "a name is no text; put it in quotes", key.start_mark
                )
            if key.value in names:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} is stated twice; keep one", key.start_mark
                )
            names.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read_standard(text: str, place: str) -> OpenDataContractStandard:
    """What a file says, held to the standard's own schema.

    Args:
        text: the file's content.
        place: the file, for errors.

    Raises:
        RisklineError: it is no YAML, states a name twice, uses anchors, or breaks the standard.
    """
    try:
        _refuse_anchors_and_depth(text)
        content = _content(text)
        if not isinstance(content, dict):
            raise RisklineError(f"{place}: not a mapping of names to values")
        _refuse_odd_values(content, "", place)
        _refuse_what_breaks_the_standard(content, place)
        return OpenDataContractStandard(**content)
    # A number of thousands of digits or a 31st of April is a ValueError to YAML's reader.
    except (yaml.YAMLError, pydantic.ValidationError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise RisklineError(f"{place} cannot be read: {reason}") from error


def _content(text: str) -> object:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _refuse_anchors_and_depth(text: str) -> None:
    """An anchor that repeats anchors may swell a small file beyond all memory."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise yaml.YAMLError(
                f"the anchor or alias {event.anchor} is not understood; write its content out"
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"it is nested more than {DEEPEST} levels deep")


def _refuse_odd_values(value: object, path: str, place: str) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_odd_values(inner, f"{path}/{name}", place)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_odd_values(inner, f"{path}/{number}", place)
    elif isinstance(value, str) and UNPRINTABLE.search(value):
        raise RisklineError(f"{place}: the text at {path[1:]} has control characters; remove them")
    elif isinstance(value, int | float) and abs(value) > LARGEST:
        raise RisklineError(f"{place}: the number at {path[1:]} is beyond -10^15 to 10^15")


@lru_cache(maxsize=1)
def _standard() -> Draft201909Validator:
    schema = resources.files("open_data_contract_standard").joinpath("schema.json").read_text()
    return Draft201909Validator(json.loads(schema))


def _refuse_what_breaks_the_standard(content: dict[str, Any], place: str) -> None:
    error = next(iter(_standard().iter_errors(content)), None)
    if error is not None:
        path = "/".join(str(part) for part in error.absolute_path) or "the file"
        reason = " ".join(error.message.split())[:200]
        raise RisklineError(f"{place} breaks the Open Data Contract Standard at {path}: {reason}")
