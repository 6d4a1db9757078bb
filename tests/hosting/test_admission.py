"""Few at a time, in the order in which they came, and no place is ever lost."""

import threading

import pytest

from core.device import team
from core.services.search.admission import Line, line

PATIENCE_S = 300.0


class Gone(Exception):
    pass


def go_on() -> None:
    pass


def gone() -> None:
    raise Gone


def in_thread(call) -> object:
    """What ``call()`` gives in a thread of its own."""
    got = []
    thread = threading.Thread(target=lambda: got.append(call()))
    thread.start()
    thread.join(PATIENCE_S)
    return got[0]


def taken(line: Line) -> int:
    """How many places are free, by taking them."""
    free = 0

    def one() -> bool:
        with line.within():
            nonlocal free
            if not line.enter(0.0, go_on):
                return False
            free += 1
            return bool(in_thread(one))

    in_thread(one)
    return free


def test_no_more_than_its_places_at_a_time():
    line = Line(2)
    assert taken(line) == 2
    assert taken(line) == 2, "all were given back"


def test_the_operator_says_how_many_search_at_once(monkeypatch):
    assert taken(line.__wrapped__()) == team() + 1
    monkeypatch.setenv("LOOKALIKE_SEARCHES", "7")
    assert taken(line.__wrapped__()) == 7


def test_who_came_first_is_first():
    line, order, threads, queued = Line(1), [], [], threading.Semaphore(0)

    def come(number: int) -> None:
        with line.within():
            assert not line.enter(0.0, go_on)
            queued.release()
            assert line.enter(PATIENCE_S, go_on), "its ticket was kept"
            order.append(number)

    with line.within():
        assert line.enter(0.0, go_on)
        for number in range(5):
            threads.append(threading.Thread(target=come, args=(number,)))
            threads[-1].start()
            assert queued.acquire(timeout=PATIENCE_S)
        assert line.waited_for
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == list(range(5))
    assert not line.waited_for


def test_who_goes_away_leaves_the_line():
    line = Line(1)

    def come() -> bool:
        with pytest.raises(Gone), line.within():
            line.enter(PATIENCE_S, gone)
        return line.waited_for

    with line.within():
        line.enter(0.0, go_on)
        assert in_thread(come) is False
    assert taken(line) == 1


def test_a_turn_that_came_to_one_who_looked_away_is_passed_on():
    line = Line(1)

    def come() -> bool:
        with line.within():
            line.enter(0.0, go_on)
            first.set()
            assert left.wait(PATIENCE_S)
        return True

    first, left = threading.Event(), threading.Event()
    thread = threading.Thread(target=come)
    with line.within():
        line.enter(0.0, go_on)
        thread.start()
        assert first.wait(PATIENCE_S)
    left.set()
    thread.join(PATIENCE_S)
    assert taken(line) == 1


def test_outside_of_a_page_nobody_waits_and_nobody_takes_a_place():
    line = Line(1)
    assert line.enter(0.0, gone)
    assert line.enter(0.0, gone)
    line.leave()
    assert taken(line) == 1
