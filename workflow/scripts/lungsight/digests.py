"""Short digests of what is too long to be a parameter of a rule.

Standard library only: it runs while the workflow is parsed.
"""

import hashlib
import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

_DIGITS = 12
_AT_ONCE = 1000  # values


def digest(value: Any) -> str:
    """Digest a value that JSON can hold: twelve hexadecimal digits."""
    return hashlib.sha256(_text(value).encode()).hexdigest()[:_DIGITS]


def digest_of_many(values: Iterable[Any]) -> str:
    """Give the `digest` of a list, as of the rows of a large table; its whole text is never in memory."""
    hashed, separator, left = hashlib.sha256(b"["), "", iter(values)
    while some := list(islice(left, _AT_ONCE)):
        hashed.update(f"{separator}{_text(some)[1:-1]}".encode())
        separator = ", "
    hashed.update(b"]")
    return hashed.hexdigest()[:_DIGITS]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
