"""A class of 40 on loopback: each joins a room by its code over a WebSocket of its own, as a phone's
browser would, and votes on every round for a minute; in the middle of a round the server is killed
(SIGKILL) and started again. What each voter was shown as counted is compared with the database and
with the CSV that the page gives.

    python tools/voters.py                     # figures and faults as JSON on standard output
    python tools/voters.py --voters 10 --rounds 3 --seconds 15
    python tools/reliability.py votes          # the same, into docs/reliability.md
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tools.serve import end, free_port, start, wait_until_up

VOTERS, ROUNDS, SECONDS = 40, 10, 60.0
ENCODERS = "hog.8x8,hsv.12x4x4,tiny.16x16"
PATIENCE_S, AGAIN_S, WHOLE_S = 600.0, 0.2, 0.05
CHANGES = 0.3
"""How many of the votes are changed once, while the round is open."""
BUTTONS = {"A is better": "A", "Equal": "equal", "B is better": "B", "Neither is good": "neither"}
CHOICES = {"A": "left", "equal": "tie", "B": "right", "neither": "bad"}
GONE = (ConnectionClosed, InvalidHandshake, OSError, TimeoutError)
Kept = dict[tuple[int, str], str]
"""(round, voter) -> choice."""


class Tab:
    """A page that is open, without a browser: what its elements say, its buttons, and its fragments
    that run again by themselves."""

    def __init__(self, address: str, page: str, **params: str) -> None:
        self.address, self.page, self.params = address, page, params
        self._socket: ClientConnection | None = None

    async def open(self) -> None:
        """Connect and wait for the page; where the server is away, until it is back."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                await self._open()
                return await self.look()
            except GONE:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(AGAIN_S)

    async def _open(self) -> None:
        self._known, self._run, self._runs, self.shown = {}, [], True, []
        self._parts: list[str] = []
        self._again, self._session, self._hash = {}, "", ""
        self._socket = await connect(
            f"{self.address.replace('http', 'ws')}/_stcore/stream", subprotocols=["streamlit"],
            max_size=None, origin=self.address, open_timeout=PATIENCE_S, ping_interval=None,
        )  # fmt: skip
        await self._ask()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def give(self, *values: WidgetState) -> None:
        """Run the page with values of controls, whatever they are; nothing checks them here."""
        await self._ask(values=values)
        await self.look()

    async def _ask(
        self,
        fragment: str = "",
        pressed: str = "",
        by_itself: bool = False,
        values: Sequence[WidgetState] = (),
    ) -> None:
        said = BackMsg()
        if self._hash:
            said.rerun_script.page_script_hash = self._hash
        else:
            said.rerun_script.page_name = self.page
        said.rerun_script.query_string = urlencode(self.params)
        said.rerun_script.fragment_id, said.rerun_script.is_auto_rerun = fragment, by_itself
        if pressed:
            said.rerun_script.widget_states.widgets.add(id=pressed, trigger_value=True)
        said.rerun_script.widget_states.widgets.extend(values)
        await self._socket.send(said.SerializeToString())

    async def look(self, until: float | None = None) -> None:
        """Read until a run of the page has ended, or until this moment."""
        while True:
            due = min(self._again.values(), default=(float("inf"),))[0]
            wait = min(due, until or time.monotonic() + PATIENCE_S) - time.monotonic()
            try:
                said = await asyncio.wait_for(self._socket.recv(), max(wait, 0.0))
            except TimeoutError:
                if not await self._run_again() and (until is None or time.monotonic() >= until):
                    if until is None:
                        raise
                    return
            else:
                if self._take(ForwardMsg.FromString(said)) and await self._last():
                    return

    async def _last(self) -> bool:
        """Whether a run that has ended is whole: where the next one began at once, the server left
        out what it had not sent of it."""
        while not self._runs:
            try:
                said = await asyncio.wait_for(self._socket.recv(), WHOLE_S)
            except TimeoutError:
                return True
            self._take(ForwardMsg.FromString(said))
        return False

    async def _run_again(self) -> bool:
        now = time.monotonic()
        due = [one for one, (at, _) in self._again.items() if at <= now]
        for one in due:
            self._again[one] = now + self._again[one][1], self._again[one][1]
            await self._ask(one, by_itself=True)
        return bool(due)

    def _take(self, said: ForwardMsg) -> bool:
        """Note what the server says; whether a run has ended with it."""
        if said.WhichOneof("type") == "ref_hash":
            said = self._known[said.ref_hash]
        elif said.metadata.cacheable:
            self._known[said.hash] = said
        note = getattr(self, f"_{said.WhichOneof('type')}", None)
        return bool(note and note(said))

    def _new_session(self, said: ForwardMsg) -> None:
        self._session, self._run = said.new_session.initialize.session_id, []
        self._runs, self._parts = True, list(said.metadata.run.fragment_ids)
        if not self._parts:
            self._again = {}

    def _delta(self, said: ForwardMsg) -> None:
        element = said.delta.new_element
        assert element.WhichOneof("type") != "exception", element.exception.message
        self._run.append((element, said.delta.fragment_id))

    def _auto_rerun(self, said: ForwardMsg) -> None:
        every = said.auto_rerun.interval
        self._again[said.auto_rerun.fragment_id] = time.monotonic() + every, every

    def _navigation(self, said: ForwardMsg) -> None:
        self._hash = said.navigation.page_script_hash

    def _page_info_changed(self, said: ForwardMsg) -> None:
        self.params = dict(parse_qsl(said.page_info_changed.query_string))

    def _backend_operation_response(self, said: ForwardMsg) -> bool:
        self.answer, self._runs = said.backend_operation_response, False
        return True

    def _script_finished(self, said: ForwardMsg) -> bool:
        if said.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return False
        # A run of a fragment leaves the rest of the page as it is; one that was asked for late, and
        # whose fragment is gone meanwhile, draws nothing at all.
        rest = [both for both in self.shown if both[1] not in self._parts] if self._parts else []
        self.shown, self._runs = [*rest, *self._run], False
        return True

    def words(self) -> str:
        """What the page says, without markup."""
        texts = (one.html.body for one, _ in self.shown if one.WhichOneof("type") == "html")
        return unescape(" ".join(re.sub(r"<[^>]*>", " ", text) for text in texts))

    def can(self, label: str) -> bool:
        """Whether there is such a button."""
        return any(one.button.label == label for one, _ in self.shown)

    async def press(self, label: str) -> None:
        """Press a button once it is there; what it does comes with a later :meth:`look`."""
        while not self.can(label):
            await self.look()
        one, fragment = next(both for both in self.shown if both[0].button.label == label)
        await self._ask(fragment, one.button.id)

    async def until(self, good: Callable[[str], object]) -> None:
        """Look until the page says something."""
        deadline = time.monotonic() + PATIENCE_S
        while not good(self.words()):
            assert time.monotonic() < deadline, f"still: ...{self.words()[-300:]}"
            await self.look(time.monotonic() + 1.0)

    async def download(self, label: str) -> str:
        """What a button for a file gives."""
        found = next(one for one, _ in self.shown if one.download_button.label == label)
        said = BackMsg()
        said.backend_operation_request.request_id = "file"
        said.backend_operation_request.session_id = self._session
        said.backend_operation_request.deferred_file.file_id = (
            found.download_button.deferred_file_id
        )
        await self._socket.send(said.SerializeToString())
        self.answer = None
        while self.answer is None:
            await self.look()
        assert not self.answer.error_msg, self.answer.error_msg
        where = self.address + self.answer.deferred_file.url
        with urllib.request.urlopen(where, timeout=PATIENCE_S) as file:
            return file.read().decode()


@dataclass
class Seen:
    """What the voters did and were shown."""

    counted: Kept = field(default_factory=dict)
    """Shown as counted, last."""
    pressed: dict[tuple[int, str], set[str]] = field(default_factory=dict)
    """Pressed since, and neither shown as counted nor as refused."""
    took: list[float] = field(default_factory=list)
    """Seconds from a press to "Counted", where the server was not killed in between."""
    presses: int = 0
    refused: int = 0
    reconnected: int = 0
    faults: list[str] = field(default_factory=list)

    def told(self, number: int) -> int:
        """How many were shown their vote of a round as counted."""
        return sum(one == number for one, _ in self.counted)


class Voter:
    """One of the class: joins by the code, votes on each round once, sometimes changes the vote, and
    connects again where the connection breaks."""

    def __init__(self, address: str, code: str, number: int, rounds: int, seen: Seen) -> None:
        self.tab, self.seen = Tab(address, "arena", room=code), seen
        self.chance, self.rounds, self.plan = random.Random(number), rounds, {}

    async def vote(self, ready: asyncio.Barrier, pace_s: float) -> None:
        """Until the names of the last round are shown."""
        await self.tab.open()
        await ready.wait()
        while True:
            try:
                if await self._turn(pace_s):
                    return await self.tab.close()
            except GONE:
                self.seen.reconnected += 1
                await self.tab.open()

    async def _turn(self, pace_s: float) -> bool:
        """One look, or one press; whether all rounds are over."""
        number = await self._noted()
        if not self._open(number) or self._done(number):
            if number == self.rounds and self._closed():
                return True
            await self.tab.look()
            return False
        at = time.monotonic() + self.chance.uniform(0.1, 0.5) * pace_s
        while time.monotonic() < at:
            await self.tab.look(at)
            if not self._open(await self._noted(), number):
                return False
        await self._press(number)
        return False

    def _open(self, *numbers: int) -> bool:
        """Whether there is one round that is shown, and may be voted on."""
        return len(set(numbers)) == 1 and numbers[0] > 0 and self.tab.can("Neither is good")

    def _closed(self) -> bool:
        return "Wait for the next round." in self.tab.words() or self.tab.can("See the result")

    def _done(self, number: int) -> bool:
        if number not in self.plan:
            self.plan[number] = 1 + (self.chance.random() < CHANGES)
        return self.plan[number] == 0 and (number, self.who) in self.seen.counted

    @property
    def who(self) -> str:
        """As the server named this voter in the page's address."""
        return self.tab.params["voter"]

    async def _noted(self) -> int:
        """The round that is shown; what the page says of the vote in it is kept. What would be a
        fault is looked at until the round ends: a page may have been read while it changed."""
        number, fault = self._read()
        deadline = time.monotonic() + PATIENCE_S / 10
        while fault and time.monotonic() < deadline:
            await self.tab.look()
            number, fault = self._read()
        if fault:
            self.seen.faults.append(fault)
        return number

    def _read(self) -> tuple[int, str]:
        words = self.tab.words()
        found = re.search(r"Round (\d+) of", words)
        number = int(found[1]) if found else 0
        if not self._open(number):
            return number, ""
        key, told = (number, self.who), re.search(r"Counted: (\w+)\.", words)
        before = self.seen.counted.get(key)
        if told is None:
            return number, f"{key}: {before} was counted and is gone" if before else ""
        choice = CHOICES[told[1]]
        if choice != before and choice not in self.seen.pressed.get(key, set()):
            return number, f"{key}: {before} was counted and is {choice}"
        self.seen.counted[key] = choice
        return number, ""

    def _choice(self, number: int) -> str:
        """Another one than is counted already."""
        counted = self.seen.counted.get((number, self.who))
        return self.chance.choice(
            [one for one, name in BUTTONS.items() if CHOICES[name] != counted]
        )

    async def _press(self, number: int) -> None:
        key, label = (number, self.who), self._choice(number)
        choice = CHOICES[BUTTONS[label]]
        self.seen.pressed.setdefault(key, set()).add(choice)
        self.seen.presses += 1
        began = time.monotonic()
        await self.tab.press(label)
        while self.seen.counted.get(key) != choice:
            await self.tab.look()
            if await self._noted() != number or self._closed():
                self.seen.refused += 1  # the names were faster; which of the two counts is open
                return
        self.seen.took.append(time.monotonic() - began)
        self.seen.pressed[key] = set()
        self.plan[number] -= 1


class Server:
    """The app in a process that can be killed, and comes back at the same address."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.away_s = 0.0
        self.process = self._start()

    def _start(self) -> subprocess.Popen:
        process = start(self.home, self.port)
        wait_until_up(f"{self.address}/_stcore/health", process, PATIENCE_S)
        return process

    def kill(self) -> None:
        """SIGKILL, and a new start."""
        began = time.monotonic()
        self.process.kill()
        self.process.wait()
        self.process = self._start()
        self.away_s = time.monotonic() - began


async def _lead(
    server: Server, rounds: int, pace_s: float, voters: int, join: Callable, seen: Seen
) -> Kept:
    """The teacher: opens the room, shows round after round once everybody's vote is counted and
    their phone has said so (else a slow machine ends rounds before), and takes the CSV. -> what the
    CSV holds."""
    tab = Tab(server.address, "arena", rounds=str(rounds), encoders=ENCODERS)
    await tab.open()
    await tab.press("Open a room")
    await tab.until(lambda words: "Join on your phone" in words)
    await join(tab.params["room"])
    await tab.press("Start the first round")
    for number in range(1, rounds + 1):
        least = time.monotonic() + pace_s
        await tab.until(lambda words, n=number: f"Round {n} of" in words)
        if number == (rounds + 1) // 2:
            await tab.until(lambda words: _votes(words) >= voters // 2)
            await asyncio.to_thread(server.kill)
            await tab.open()
        await tab.until(lambda words, n=number: _votes(words) >= voters <= seen.told(n))
        while time.monotonic() < least:
            await tab.look(least)
        await tab.press("Show the names")
        await tab.press("See the result" if number == rounds else "Next round")
    await tab.until(lambda words: "What the class prefers" in words)
    return _read(await tab.download("Votes as CSV"))


def _votes(words: str) -> int:
    found = re.search(r"(\d+) votes? ·", words)
    return int(found[1]) if found else 0


def _read(text: str) -> Kept:
    rows = [
        (int(row["round"]), row["voter"], row["choice"])
        for row in csv.DictReader(io.StringIO(text))
    ]
    twice = [key for key, times in Counter(row[:2] for row in rows).items() if times > 1]
    assert not twice, f"twice in the CSV: {twice[:5]}"
    return {(number, voter): choice for number, voter, choice in rows}


async def _class(server: Server, voters: int, rounds: int, seconds: float) -> tuple[Seen, Kept]:
    seen, ready, people = Seen(), asyncio.Barrier(voters + 1), []

    async def join(code: str) -> None:
        people.extend(
            asyncio.create_task(
                Voter(server.address, code, number, rounds, seen).vote(ready, seconds / rounds)
            )
            for number in range(voters)
        )
        await asyncio.wait_for(ready.wait(), PATIENCE_S)

    in_csv = await _lead(server, rounds, seconds / rounds - 1.0, voters, join, seen)
    await asyncio.wait_for(asyncio.gather(*people), PATIENCE_S)
    return seen, in_csv


def compared(seen: Seen, in_csv: Kept, in_base: list[tuple[int, str, str]]) -> list[str]:
    """Where what was shown as counted, the CSV and the database are not one and the same."""
    faults = list(seen.faults)
    base = {(number, voter): choice for number, voter, choice in in_base}
    if len(base) != len(in_base):
        faults.append(f"{len(in_base) - len(base)} votes are twice in the database")
    if base != in_csv:
        faults.append("the CSV holds other votes than the database")
    for key in seen.counted.keys() | base.keys():
        allowed = {seen.counted.get(key)} | seen.pressed.get(key, set())
        if base.get(key) not in allowed:
            faults.append(f"{key}: shown {seen.counted.get(key)}, kept {base.get(key)}")
    return faults


def measured(voters: int = VOTERS, rounds: int = ROUNDS, seconds: float = SECONDS) -> dict:
    """One class against a server of its own, which is killed in the middle. ``faults`` is empty
    where every vote that was shown as counted is kept once, and nothing else is."""
    import os

    from core.services.arena import ballots

    with tempfile.TemporaryDirectory() as home:
        os.environ["LOOKALIKE_ARTIFACTS"] = home
        server = Server(Path(home))
        try:
            began = time.monotonic()
            seen, in_csv = asyncio.run(_class(server, voters, rounds, seconds))
            spent = time.monotonic() - began
        finally:
            end(server.process)
        rooms = [room.code for room in ballots.rooms()]
        kept = [(vote.number, vote.voter, vote.choice) for vote in ballots.votes(rooms)]
    took = sorted(seen.took)
    return {
        "voters": voters,
        "rounds": rounds,
        "seconds": round(spent),
        "presses": seen.presses,
        "counted": len(seen.counted),
        "kept": len(kept),
        "refused": seen.refused,
        "reconnected": seen.reconnected,
        "away_s": round(server.away_s, 1),
        "p50_s": round(statistics.median(took), 2),
        "p95_s": round(took[int(0.95 * (len(took) - 1))], 2),
        "faults": compared(seen, in_csv, kept),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--voters", type=int, default=VOTERS)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--seconds", type=float, default=SECONDS)
    asked = options.parse_args()
    print(json.dumps(measured(asked.voters, asked.rounds, asked.seconds), indent=1))
