"""Digests of what is too long to be a parameter."""

import hashlib
import json

import pytest

from lungsight.digests import digest, digest_of_many


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1000, 1001, 2500])
def test_a_long_list_has_the_digest_of_its_whole_text(count: int) -> None:
    rows = [{"patient": f"Müller {number}", "path": "a", "row": number} for number in range(count)]
    text = json.dumps(rows, ensure_ascii=False)
    assert digest_of_many(iter(rows)) == digest(rows) == hashlib.sha256(text.encode()).hexdigest()[:12]
