"""What the button of the tray says."""

from __future__ import annotations

import pytest

from core.services.jobs import JobStatus
from pages.parts import tray


def job(state: str) -> JobStatus:
    return JobStatus("one", "Build", ("build",), state, 0, 0, 0.0, None, "", 0.0, 0.0)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ("", "Jobs"),
        ("done done cancelled", "Jobs · 2 done"),
        ("cancelled", "Jobs · 1 stopped"),
        ("done failed", "Jobs · 1 failed"),
    ],
)
def test_the_tray_counts_what_ended_by_how_it_ended(states, said):
    assert tray._label([], [job(state) for state in states.split()]) == said
