"""20 visitors on loopback for nearly two minutes, each over a WebSocket of its own, as a browser would:
such as look at an answer for some seconds before they ask again; and such as ask again at once, as fast
as the server lets them: with shared calls of the encoders, without them, and against a server that does
nothing for many visitors at once. Three of four queries are pictures of the gallery, in an order of each
visitor's own; the fourth is an upload of a photograph that nobody has asked with.

    python tools/load.py                     # all runs; figures as JSON on standard output
    python tools/load.py --visitors 5 --seconds 20
    python tools/reliability.py load         # the same, into docs/reliability.md

Measures on a quiet machine; the figures say how busy it was.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
import psutil
from PIL import Image, ImageFilter
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from core.services.embedding.bound import bound
from core.services.embedding.opening import FIRST_DATASET, FIRST_ENCODERS
from core.services.library import library
from core.services.search import batching
from tools.serve import serving

VISITORS, SECONDS, ENCODERS = 20, 110, 3
UPLOADS = 0.25
"""Share of the queries that are uploads."""
PHOTOGRAPHS, WIDE, HIGH = 60, 1600, 1200
PATIENCE_S = 120.0
WARM_S = 900.0
MINUTE_S = 60.0
ALONE_S = 10.0
Think = tuple[float, float]
AT_ONCE: Think = (0.0, 0.0)
THINK_S: Think = (5.0, 10.0)
"""Seconds between an answer and the next query of a visitor who looks at three columns of ten hits:
evenly spread, from the visitor's own seed."""
LOOKING, SHARED, ALONE = "looking 5 to 10 s", "at once, shared calls", "at once, one by one"
PLAIN = "at once, one by one, networks as torch runs them, no line"
ONE_BY_ONE = {"LOOKALIKE_BATCH": "1"}
UNAIDED = {**ONE_BY_ONE, "LOOKALIKE_COMPILED": "0", "LOOKALIKE_SEARCHES": "1000"}
"""Every picture for itself, nothing compiled, and whoever comes searches at once."""
GOAL_P95_S, GOAL_RATIO, GOAL_DRIFT = 1.5, 2.0, 0.05


class Load:
    """What the visitors have met so far: ``asked`` are pictures of the gallery that somebody has
    asked with, ``again`` is how many queries came with one of these."""

    def __init__(self) -> None:
        self.began = 0.0
        self.took: list[float] = []
        self.errors: list[str] = []
        self.asked: set[str] = set()
        self.again = 0


def photographs(count: int = PHOTOGRAPHS) -> list[bytes]:
    """JPEG files as a telephone sends them, made from a seed: some products, each turned, before a
    blurred ground with grain."""
    dataset, chance = library.open_dataset(FIRST_DATASET), np.random.default_rng(0)
    made = []
    for _ in range(count):
        ground, *things = (
            Image.open(io.BytesIO(dataset.read(dataset.items[int(row)]))).convert("RGB")
            for row in chance.integers(0, len(dataset.items), 4)
        )
        paper = ground.resize((WIDE, HIGH)).filter(ImageFilter.GaussianBlur(24))
        for thing in things:
            side = int(chance.integers(300, 800))
            turned = thing.resize((side, side)).rotate(float(chance.uniform(-20, 20)))
            place = int(chance.integers(0, WIDE - side)), int(chance.integers(0, HIGH - side))
            paper.paste(turned, place)
        grain = chance.normal(0.0, 6.0, (HIGH, WIDE, 1))
        pixels = np.clip(np.asarray(paper) + grain, 0, 255).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=85)
        made.append(out.getvalue())
    return made


def _another(photograph: bytes, visitor: int, turn: int) -> str:
    """The photograph as a file that no cache knows, as the page sends it: it says in a comment
    whose it is."""
    words = f"{os.getpid()} {visitor} {turn}".encode()
    comment = b"\xff\xfe" + (len(words) + 2).to_bytes(2, "big") + words
    data = photograph[:2] + comment + photograph[2:]
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


async def _visit(
    address: str,
    number: int,
    seconds: float,
    load: Load,
    ready: asyncio.Barrier,
    think: Think,
    given: list[bytes],
) -> None:
    """One visitor: a key, a connection and a first page; once all have theirs, one query after
    another."""
    items = [item.id for item in library.open_dataset(FIRST_DATASET).items]
    chance = random.Random(number)
    chance.shuffle(items)
    key = await asyncio.to_thread(_key, address)
    url = f"{address.replace('http', 'ws')}/_stcore/stream"
    async with connect(
        url, subprotocols=["streamlit"], additional_headers={"Cookie": key}, max_size=None,
        origin=address, open_timeout=PATIENCE_S, ping_interval=None,
    ) as socket:  # fmt: skip
        page = _Page(socket)
        await asyncio.wait_for(page.pick(items[-1]), WARM_S)
        await ready.wait()
        load.began = load.began or time.monotonic()
        until = load.began + seconds
        await asyncio.sleep(chance.uniform(0.0, think[1]))  # they do not come in step
        for turn in range(1_000_000):
            started = time.monotonic()
            if started >= until:
                return
            if given and chance.random() < UPLOADS:
                asking = page.upload(_another(chance.choice(given), number, turn))
            else:
                item = items[turn % len(items)]
                asking, load.again = page.pick(item), load.again + (item in load.asked)
                load.asked.add(item)
            try:
                await asyncio.wait_for(asking, PATIENCE_S)
            except (TimeoutError, OSError, AssertionError) as error:
                load.errors.append(f"{type(error).__name__}: {error}"[:300])
                return
            load.took.append(time.monotonic() - started)
            await asyncio.sleep(min(chance.uniform(*think), max(0.0, until - time.monotonic())))


def _key(address: str) -> str:
    """The cookie that a browser gets with the first page."""
    with urllib.request.urlopen(f"{address}/", timeout=PATIENCE_S) as answer:
        return answer.headers["set-cookie"].split(";")[0]


class _Page:
    """Compare as a browser shows it: what is asked here is read until the page has come whole."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.picture, self.shown = socket, "", ""
        self.page = ""
        """What the server calls the page that is shown; a browser says so with what it asks there,
        else all that it holds of the page begins anew."""

    async def pick(self, item: str) -> None:
        """Ask with a picture of the gallery."""
        asked = self._rerun()
        asked.rerun_script.query_string = _link(f"item:{item}")
        await self._answered(asked, f"item:{item}")

    async def upload(self, uri: str) -> None:
        """Ask with a picture that is dropped on the query."""
        asked, before = self._rerun(), self.shown
        given = asked.rerun_script.widget_states.widgets.add()
        given.id = f"$$STREAMLIT_INTERNAL_KEY_{self.picture}__events"
        given.json_trigger_value = json.dumps([{"event": "given", "value": uri}])
        await self._answered(asked, "up:")
        assert self.shown != before, "the upload was passed over"

    def _rerun(self) -> BackMsg:
        asked = BackMsg()
        if self.page:
            asked.rerun_script.page_script_hash = self.page
        else:
            asked.rerun_script.page_name = "compare"
        return asked

    async def _answered(self, asked: BackMsg, query: str) -> None:
        """Send, and read until every encoder has answered to a query that begins so."""
        await self.socket.send(asked.SerializeToString())
        hits, shown = 0, ""
        while True:
            said = ForwardMsg.FromString(await self.socket.recv())
            kind = said.WhichOneof("type")
            if kind == "navigation":
                self.page = said.navigation.page_script_hash
            elif kind == "delta":
                element = said.delta.new_element
                assert element.WhichOneof("type") != "exception", element.exception.message
                sent = element.bidi_component
                if sent.component_name == "lookalike_query":
                    self.picture, shown = sent.id, json.loads(sent.json)[0]["subject"]["of"]
                elif sent.component_name == "lookalike_board":
                    hits = sent.json.count('"rank"')
            elif kind == "script_finished":
                if said.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    continue
                assert said.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY, (
                    said.script_finished
                )
                assert shown.startswith(query), f"asked with {query}, shown {shown}"
                self.shown = shown
                if hits >= 10 * ENCODERS:
                    return
                again = self._rerun()  # an encoder was not there yet
                again.rerun_script.query_string = _link(shown)
                await self.socket.send(again.SerializeToString())


def _link(query: str) -> str:
    return urlencode(
        {"dataset": FIRST_DATASET, "query": query, "k": 10, "index": "exact",
         "encoders": ",".join(FIRST_ENCODERS[:ENCODERS])}
    )  # fmt: skip


def run(
    visitors: int, seconds: float, settings: Mapping[str, str] | None = None, think: Think = AT_ONCE
) -> dict:
    """One run against a server of its own with ``settings`` beside its defaults; ``think`` from how
    many to how many seconds a visitor waits before the next query."""
    settings = {"LOOKALIKE_HOSTED": "1", **(settings or {})}
    with tempfile.TemporaryDirectory() as home, serving(Path(home), **settings) as address:
        asyncio.run(_all(address, 1, 1.0, Load(), _Watched()))  # encoders load
        load, watched = Load(), _Watched(_server(address))
        asyncio.run(_all(address, visitors, seconds, load, watched, think))
        memory, spent, asking = watched.memory, watched.spent(), watched.asking
    later = [mb for at, mb in memory if at >= min(MINUTE_S, seconds / 2)]
    after, first, end = (statistics.median(some) for some in (later, later[:5], later[-5:]))
    took = sorted(load.took) or [float("nan")]
    return {
        "settings": settings,
        "queries": len(load.took),
        "again": round(load.again / max(1, len(load.took)), 3),
        "errors": len(load.errors),
        "first_error": load.errors[0] if load.errors else "",
        "p50_s": round(statistics.median(took), 3),
        "p95_s": round(took[int(0.95 * (len(took) - 1))], 3),
        "per_s": round(len(load.took) / seconds, 3),
        "processor_s": round(spent / max(1, len(load.took)), 3),
        "visitors_processor_s": round(asking / max(1, len(load.took)), 4),
        "mb_after_1_min": round(first),
        "mb_median": round(after),
        "mb_end": round(end),
        "drift": round(end / first - 1, 4),
    }


async def _all(
    address: str,
    visitors: int,
    seconds: float,
    load: Load,
    watched: _Watched,
    think: Think = AT_ONCE,
) -> None:
    ready = asyncio.Barrier(visitors + 1)
    given = photographs() if visitors > 1 else []
    async with asyncio.TaskGroup() as group:  # who fails before all are ready ends the run
        asking = [
            group.create_task(_visit(address, number, seconds, load, ready, think, given))
            for number in range(visitors)
        ]
        await ready.wait()
        with watched:
            await asyncio.gather(*asking)


def _server(address: str) -> psutil.Process:
    port = address.rpartition(":")[2]
    return next(one for one in psutil.Process().children() if port in one.cmdline())


class _Watched:
    """Notes a server's memory (MB, without jobs) every second, and its time of the processor;
    ``asking`` is that of the visitors in this process, seconds."""

    def __init__(self, server: psutil.Process | None = None) -> None:
        self.server, self.memory = server, []
        self._stop, self._before, self._after = threading.Event(), 0.0, 0.0
        self.asking = 0.0

    def __enter__(self) -> None:
        if self.server is not None:
            self._before, self.asking = self._processor_s(), -time.process_time()
            threading.Thread(target=self._look, daemon=True).start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if self.server is not None:
            self._after = self._processor_s()
            self.asking += time.process_time()

    def spent(self) -> float:
        """Seconds of the processor inside the block."""
        return self._after - self._before

    def _processor_s(self) -> float:
        told = self.server.cpu_times()
        return told.user + told.system

    def _look(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(1.0):
            self.memory.append((time.monotonic() - began, self.server.memory_info().rss / 1e6))


def encoding(askers: int) -> dict:
    """Pictures a second through the first encoder that is a network, for many threads that ask one
    at a time: each by itself with all cores, and as a public server does."""
    dataset = library.open_dataset(FIRST_DATASET)
    encoder = bound(dataset, FIRST_ENCODERS[0]).loaded()
    side = encoder.side or 224
    prepared = encoder.prepare(_noise(side))
    rates = {}
    for name, batch in (("alone_per_s", 1), ("together_per_s", 16)):
        os.environ |= {"LOOKALIKE_BATCH": str(batch), "LOOKALIKE_HOSTED": "1"}
        _encode_for(encoder, prepared, askers, 1.0)
        rates[name] = round(_encode_for(encoder, prepared, askers, ALONE_S) / ALONE_S, 1)
    for name in ("LOOKALIKE_BATCH", "LOOKALIKE_HOSTED"):
        os.environ.pop(name)
    return {**rates, "ratio": round(rates["together_per_s"] / rates["alone_per_s"], 2)}


def _noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def _encode_for(encoder, prepared, askers: int, seconds: float) -> int:
    done, until = [0] * askers, time.monotonic() + seconds

    def ask(place: int) -> None:
        while time.monotonic() < until:
            batching.encode(encoder, prepared)
            done[place] += 1

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(askers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done)


def measured(visitors: int = VISITORS, seconds: float = SECONDS) -> dict:
    """Everything for docs/reliability.md."""
    alone = encoding(visitors)
    runs = {
        LOOKING: run(visitors, seconds, think=THINK_S),
        SHARED: run(visitors, seconds),
        ALONE: run(visitors, seconds, ONE_BY_ONE),
        PLAIN: run(visitors, seconds, UNAIDED),
    }
    return {
        "visitors": visitors,
        "seconds": seconds,
        "encoders": ENCODERS,
        "think_s": THINK_S,
        "uploads": UPLOADS,
        "again": runs[SHARED]["again"],
        "encoding": alone,
        "runs": runs,
        "faults": [one["first_error"] for one in runs.values() if one["errors"]],
        "verdict": verdict(runs),
    }


def verdict(runs: dict[str, dict]) -> str:
    """Goals, and whether they were met."""
    looking, shared = runs[LOOKING], runs[SHARED]
    compiled, plain = (
        shared["per_s"] / runs[name]["per_s"] if runs[name]["per_s"] else float("inf")
        for name in (ALONE, PLAIN)
    )
    errors = sum(one["errors"] for one in runs.values())
    drift = max((looking["drift"], shared["drift"]), key=abs)
    told = (
        ("no error", errors == 0, f"{errors}"),
        (f"p95 at most {GOAL_P95_S} s of visitors who look at what they get",
         looking["p95_s"] <= GOAL_P95_S, f"{looking['p95_s']:.2f} s"),
        ("and of such as ask again at once", shared["p95_s"] <= GOAL_P95_S,
         f"{shared['p95_s']:.2f} s"),
        (f"{GOAL_RATIO:g} times the throughput of one by one", compiled >= GOAL_RATIO,
         f"{compiled:.2f} times"),
        ("and of a server that does nothing for many at once", plain >= GOAL_RATIO,
         f"{plain:.2f} times"),
        (f"memory within {GOAL_DRIFT:.0%} from minute 1 to the end", abs(drift) <= GOAL_DRIFT,
         f"{drift:+.1%}"),
    )  # fmt: skip
    return (
        "Goals: "
        + "; ".join(
            f"{goal}: {'met' if met else 'not met'} ({figure})" for goal, met, figure in told
        )
        + "."
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--visitors", type=int, default=VISITORS)
    options.add_argument("--seconds", type=float, default=SECONDS)
    asked = options.parse_args()
    print(json.dumps(measured(asked.visitors, asked.seconds), indent=1))
