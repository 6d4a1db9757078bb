"""Networks of a public server run on one core each; elsewhere a call is nothing but a call."""

from __future__ import annotations

import threading

import pytest
import torch

from core.services.hosting import settings
from core.services.search import batching
from tests.hosting.test_batching import Counting, asked, pictures


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """Threads begin anew, on a machine of two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(batching, "team", lambda: 2)
    monkeypatch.setattr(batching, "_pool", None)
    yield
    if batching._pool is not None:
        batching._pool.shutdown()
    torch.set_num_threads(before)


def where() -> tuple[str, int]:
    return threading.current_thread().name, torch.get_num_threads()


def test_each_call_has_one_core_and_other_threads_keep_theirs():
    found = [batching.run(where) for _ in range(4)]
    assert {threads for _, threads in found} == {1}
    assert all(name.startswith("one core") for name, _ in found)
    assert torch.get_num_threads() == 2
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join(300)
    assert later == [2]


def test_no_more_calls_are_at_work_than_there_are_cores():
    gate, guard, inside, most = threading.Event(), threading.Lock(), [0], [0]

    def work() -> None:
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            if inside[0] == 2:
                gate.set()
        assert gate.wait(300)
        with guard:
            inside[0] -= 1

    threads = [threading.Thread(target=batching.run, args=(work,)) for _ in range(3 * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert most == [2]


def test_an_error_comes_to_whoever_called():
    with pytest.raises(ZeroDivisionError):
        batching.run(lambda: 1 / 0)


def test_where_nobody_is_a_stranger_a_call_stays_in_its_thread(monkeypatch):
    monkeypatch.setenv(settings.SWITCH, "0")
    assert batching.run(where) == where()


def test_only_networks_take_a_core_of_their_own():
    class Deep(Counting):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.names = torch.nn.Identity(), set()

        def _encode(self, batch):
            self.names.add(threading.current_thread().name.rpartition("_")[0])
            return super()._encode(batch)

    deep, given = Deep(), pictures(5)
    assert all(found.shape == (1, 3) for found in asked(deep, given))
    assert deep.names == {"one core"}
    assert sum(deep.calls) == 5
    plain = Counting()
    plain.gate.set()
    assert not batching._has_network(plain)
    batching.encode(plain, given[0])
    assert plain.calls == [1]
