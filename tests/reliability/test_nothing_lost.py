"""The hostile corpus, the kills and visitors who all ask at once, whole: minutes. What they found stands in docs/reliability.md
(`tools/reliability.py` runs the same and writes it)."""

from __future__ import annotations

import pytest

from tests.reliability import corpus, hostile, kills
from tools import load

pytestmark = pytest.mark.slow


def test_no_hostile_file_does_harm_and_what_is_read_is_read_right(tmp_path):
    found = hostile.run(tmp_path)
    assert found["faults"] == []
    assert found["inputs"] >= 1000
    assert all(refused for _, refused in found["kinds"].values())
    assert all(read for read, _ in found["kinds"].values())
    assert found["compared with Pillow"] > 200


def test_what_is_killed_or_finds_the_disk_full_ends_as_if_undisturbed(tmp_path):
    found = kills.run(tmp_path)
    assert found["faults"] == []
    assert found["kills"] == 60
    assert found["full disks"] == 20


def test_the_same_seed_makes_the_same_corpus_and_another_another():
    first, again, other = (dict(corpus.pictures(seed, each=1)) for seed in (1, 1, 2))
    assert first == again
    assert {name for name in first if first[name] != other.get(name)}


def test_twenty_visitors_who_ask_at_once_meet_no_error():
    found = load.run(load.VISITORS, 30.0)
    assert found["first_error"] == ""
    assert found["queries"] >= load.VISITORS, "each was answered"
