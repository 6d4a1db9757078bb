"""A class votes over a network, and its server is killed in the middle."""

from __future__ import annotations

import pytest

from tools import voters

ONE, OTHER = (1, "ann"), (1, "ben")


@pytest.mark.parametrize(
    ("counted", "pressed", "in_csv", "in_base", "said"),
    [
        ({ONE: "left"}, {}, {ONE: "left"}, [(*ONE, "left")], ""),
        ({ONE: "left"}, {ONE: {"tie"}}, {ONE: "tie"}, [(*ONE, "tie")], ""),
        ({ONE: "left"}, {}, {}, [], "kept None"),
        ({ONE: "left"}, {}, {ONE: "tie"}, [(*ONE, "tie")], "kept tie"),
        ({ONE: "left"}, {}, {ONE: "left", OTHER: "tie"}, [(*ONE, "left"), (*OTHER, "tie")], "shown None"),
        ({ONE: "left"}, {}, {ONE: "left"}, [(*ONE, "left")] * 2, "twice"),
        ({ONE: "left"}, {}, {}, [(*ONE, "left")], "CSV"),
    ],
)  # fmt: skip
def test_a_vote_that_is_lost_doubled_or_changed_is_found(counted, pressed, in_csv, in_base, said):
    faults = voters.compared(voters.Seen(counted, pressed), in_csv, in_base)
    assert bool(faults) == bool(said)
    assert said in " ".join(faults)


@pytest.mark.slow
def test_forty_vote_for_a_minute_and_the_server_is_killed():
    found = voters.measured()
    assert found["faults"] == []
    assert found["counted"] == found["kept"] == found["voters"] * found["rounds"] == 400
    assert found["reconnected"] >= found["voters"]
