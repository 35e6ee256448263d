"""Published customer ids: the bank's own, or pseudonyms that only the holder of a key can link."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.settings import Settings

DIGITS = 32
"""Of a pseudonym: 128 bits, at which two of a billion customers do not meet."""


@dataclass(frozen=True)
class Ids:
    """How customers are called in the warehouse, outside its private schema."""

    key: bytes | None = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "Ids":
        """As the settings have it."""
        key = settings.pseudonym_key
        return cls(None if key is None else key.get_secret_value().encode())

    @property
    def fingerprint(self) -> str | None:
        """Tells keys apart and tells nothing of them; None where customers bear their own ids."""
        return None if self.key is None else self._digest("riskline key")[:16]

    def published(self, customer_ids: Iterable[str]) -> dict[str, str]:
        """The published id of each customer: HMAC-SHA256 (RFC 2104) under the key."""
        if self.key is None:
            return {each: each for each in customer_ids}
        # A prefix keeps an id that reads like the fingerprint's text apart from it.
        return {each: self._digest(f"customer {each}")[:DIGITS] for each in customer_ids}

    def _digest(self, text: str) -> str:
        assert self.key is not None
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
