"""A model as text, with a hash by which damage and edits by hand are found.

The hash is no signature: who can rewrite the text can rewrite the hash.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pipeline.errors import RisklineError


def content_hash(content: object) -> str:
    """SHA-256 of the content, in hexadecimal: equal contents have equal hashes."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def seal(content: object) -> str:
    """Content and hash as text; the same content gives the same bytes on every machine."""
    return _canonical({"content": content, "sha256": content_hash(content)}) + "\n"


def unseal(text: str) -> Any:
    """Return the content of a text that `seal` wrote, or raise a RisklineError."""
    try:
        document = json.loads(text)
        content, stated = document["content"], document["sha256"]
        actual = content_hash(content)
    except (ValueError, KeyError, TypeError) as error:
        raise RisklineError("the model text is not a dimension model's JSON") from error
    if actual != stated:
        raise RisklineError(
            f"the model text was changed: its content hashes to {actual}, it states {stated}"
        )
    return content


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
