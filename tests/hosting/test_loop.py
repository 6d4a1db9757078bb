"""The server's event loop: as asyncio's, but other threads wake it seldom."""

import asyncio
import socket
import threading

import pytest

from core.services.hosting import loop as module
from core.services.hosting.loop import Loop

PATIENCE_S = 300.0


@pytest.fixture
def loop():
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def wakes(loop, monkeypatch):
    """Grows with each byte that wakes the loop."""
    written, write = [], loop._write_to_self
    monkeypatch.setattr(loop, "_write_to_self", lambda: (written.append(1), write()))
    return written


@pytest.mark.parametrize("patient", [True, False])
def test_what_pages_hand_over_wakes_the_loop_once_and_all_keeps_its_order(
    loop, wakes, monkeypatch, patient
):
    """The loop is held up until the thread has ended, so that nothing is run in between."""
    monkeypatch.setattr(module, "PATIENT", (__name__,) if patient else ())
    got = []

    def say(number):
        got.append(number)

    def hand_over():
        for number in range(500):
            loop.call_soon_threadsafe(say, number)

    async def main():
        thread = threading.Thread(target=hand_over)
        thread.start()
        thread.join()
        while len(got) < 500:
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(main(), PATIENCE_S))
    assert got == list(range(500))
    assert len(wakes) == (1 if patient else 500)


def test_what_cannot_wait_is_not_kept_waiting_by_what_can(loop, monkeypatch):
    """The loop looks for what may wait an hour after it was woken for the first of it."""
    monkeypatch.setattr(module, "PATIENT", (__name__,))
    monkeypatch.setattr(module, "GATHER_S", 3600.0)
    got = []

    def say(number):
        got.append(number)

    async def main():
        await asyncio.to_thread(loop.call_soon_threadsafe, say, 1)
        while not got:
            await asyncio.sleep(0)
        await asyncio.to_thread(loop.call_soon_threadsafe, say, 2)
        return await asyncio.to_thread(int, 3)

    assert loop.run_until_complete(asyncio.wait_for(main(), PATIENCE_S)) == 3
    assert got == [1, 2], "what came before it, too"


def test_the_modules_that_may_wait_are_those_that_pass_on_what_pages_say():
    from streamlit.runtime.app_session import AppSession

    assert AppSession._call_soon_on_event_loop.__module__ in module.PATIENT


def test_of_many_threads_at_once_nothing_is_lost(loop, monkeypatch):
    monkeypatch.setattr(module, "PATIENT", (__name__,))
    got = []

    def say(one):
        got.append(one)

    async def main():
        def hand_over(who):
            for number in range(300):
                loop.call_soon_threadsafe(say, (who, number))

        await asyncio.gather(*(asyncio.to_thread(hand_over, who) for who in range(6)))
        while len(got) < 6 * 300:
            await asyncio.sleep(0.001)

    loop.run_until_complete(asyncio.wait_for(main(), PATIENCE_S))
    for who in range(6):
        assert [number for one, number in got if one == who] == list(range(300))


def test_it_is_woken_after_every_pause(loop):
    """Each turn waits for a thread, with nothing else that would wake the loop."""

    async def main():
        return [await asyncio.to_thread(int, number) for number in range(100)]

    assert loop.run_until_complete(asyncio.wait_for(main(), PATIENCE_S)) == list(range(100))


def test_its_own_thread_does_not_wake_it(loop, wakes):
    async def main():
        called = loop.create_future()
        loop.call_soon_threadsafe(called.set_result, 1)
        return await called

    assert loop.run_until_complete(main()) == 1
    assert not wakes


def test_an_event_of_its_own_thread_is_set_at_once(loop):
    async def main():
        event = asyncio.Event()
        waiting = asyncio.create_task(event.wait())
        await asyncio.sleep(0)
        loop.call_soon_threadsafe(event.set)
        return event.is_set() and await waiting

    assert loop.run_until_complete(asyncio.wait_for(main(), PATIENCE_S))


def test_what_is_taken_back_does_not_run(loop):
    got = []

    async def main():
        def hand_over():
            loop.call_soon_threadsafe(got.append, 1).cancel()
            loop.call_soon_threadsafe(got.append, 2)

        thread = threading.Thread(target=hand_over)
        thread.start()
        thread.join()
        while not got:
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(main(), PATIENCE_S))
    assert got == [2]


def test_a_connection_is_read_though_there_is_always_work(loop):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.sendall(b"asked")

        async def main():
            asked = asyncio.ensure_future(loop.sock_recv(ours, 10))
            while not asked.done():
                await asyncio.sleep(0)
            return asked.result()

        assert loop.run_until_complete(asyncio.wait_for(main(), PATIENCE_S)) == b"asked"


def test_a_closed_loop_says_so():
    made = Loop()
    made.close()
    with pytest.raises(RuntimeError, match="closed"):
        made.call_soon_threadsafe(print)
