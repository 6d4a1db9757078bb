"""What is kept in the store is made again where it can't be read, and only then."""

from __future__ import annotations

import json

import pytest

from core.store import kept, key, write_meta


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"other": 1}', b"\xff\xfe"])
def test_a_damaged_entry_is_made_again_once(artifacts, damage):
    made = []

    def write(folder):
        made.append(folder)
        (folder / "value.json").write_text(json.dumps({"value": 7}))
        return {}

    def read(folder):
        return json.loads((folder / "value.json").read_text())["value"]

    assert [kept("lab", {"a": 1}, write, read) for _ in range(2)] == [7, 7]
    assert len(made) == 1
    next((artifacts / "cache" / "lab").rglob("value.json")).write_bytes(damage)
    write_meta(
        made[0].parent / key({"a": 1}), {}
    )  # as if this had been written: another version's, say
    assert kept("lab", {"a": 1}, write, read) == 7
    assert len(made) == 2
