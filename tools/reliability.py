"""Run what is measured of reliability, and write docs/reliability.md from the figures.

    python tools/reliability.py hostile kills votes load times    # each as it is wanted; all where none is named
    python tools/reliability.py --write                 # the page again, from the figures kept before

Figures lie in docs/reliability.json, a section for each run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.services.hardware import hardware

FIGURES, PAGE = ROOT / "docs" / "reliability.json", ROOT / "docs" / "reliability.md"
MISSING = "Not measured yet: it wants a machine that does nothing else.\n"
HEAD = """# Reliability

What was tried to break it, and how it holds under load. Written by `tools/reliability.py`, which runs what `make test-slow` runs, and
`tools/load.py`.
"""


def main(given: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("runs", nargs="*", choices=[*RUNS, []], default=[])
    options.add_argument("--write", action="store_true")
    asked = options.parse_args(given)
    faults: list[str] = []
    for name in asked.runs or ([] if asked.write else list(RUNS)):
        found = RUNS[name]()
        faults += found.get("faults", [])
        keep(name, found)
    PAGE.write_text(page(json.loads(FIGURES.read_text())), encoding="utf-8")
    print("\n".join(faults) or f"No fault. Wrote {PAGE.relative_to(ROOT)}.")
    return bool(faults)


def keep(name: str, found: dict) -> None:
    """Note the figures of one run, with the machine, the date and how busy it was."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    when = {
        "hardware": hardware(),
        "date": time.strftime("%Y-%m-%d"),
        "others": round(os.getloadavg()[1], 1),
    }
    FIGURES.write_text(json.dumps({**known, name: {**found, **when}}, indent=1) + "\n")


def _hostile() -> dict:
    from tests.reliability import hostile

    return _with_artifacts(hostile.run)


def _kills() -> dict:
    from tests.reliability import kills

    return _with_artifacts(kills.run)


def _votes() -> dict:
    from tools import voters

    return voters.measured()


def _load() -> dict:
    from tools import load

    return load.measured()


def _with_artifacts(run: Callable[[Path], dict]) -> dict:
    with tempfile.TemporaryDirectory() as home:
        os.environ["LOOKALIKE_ARTIFACTS"] = str(Path(home, "artifacts"))
        return run(Path(home))


def _times() -> dict:
    from tools import time_left

    return _with_artifacts(time_left.measured)


RUNS = {"hostile": _hostile, "kills": _kills, "votes": _votes, "load": _load, "times": _times}


TITLES = {"times": "Time left"}


def page(figures: dict) -> str:
    """docs/reliability.md."""
    parts = [
        SECTIONS[name](figures[name])
        if name in figures
        else f"## {TITLES.get(name, name.capitalize())}\n\n{MISSING}"
        for name in SECTIONS
    ]
    return "\n".join([HEAD, *parts])


def _when(found: dict) -> str:
    return (
        f"{found['date']}, {found['hardware']}; load of the machine (5 minutes) at the end:"
        f" {found['others']}.\n"
    )


def _hostile_section(found: dict) -> str:
    rows = "\n".join(
        f"| {kind} | {read + refused} | {read} | {refused} |"
        for kind, (read, refused) in found["kinds"].items()
    )
    return f"""## Hostile files

{found["inputs"]:,} inputs made from a seed (`tests/reliability/corpus.py`): each format and colour mode whole, cut, bit-flipped, spliced,
doubled, with something before or behind it, under a wrong name; odd EXIF and profiles; bombs; odd zips, tables, Parquet, vectors and
weights, half of them damaged besides. Each went through the command line, and pictures and zips also the way that a page takes an upload.

| kind | inputs | read | refused with a sentence |
|---|---|---|---|
{rows}

Faults (a traceback, over 10 s, command line and page at odds, other pixels than Pillow's): {len(found["faults"])}. Compared with Pillow's
upright RGB: {found["compared with Pillow"]:,}. Slowest: {found["slowest_s"]} s of the processor ({found["slowest"]}). Most memory of the
process: {found["peak_mb"]:,} MB.

{_when(found)}"""


def _kills_section(found: dict) -> str:
    rows = "\n".join(
        f"| {work} | {touches} | {kills} | {full} |"
        for work, (touches, kills, full) in found["works"].items()
    )
    return f"""## Kills and full disks

Work that is ended by SIGKILL before its N-th touch of a file, or finds the disk full from there on, then done again. It has to end well,
and every file (but those that tell times) has to equal that of an undisturbed run, bit for bit (`tests/reliability/kills.py`).

| work | touches of files | kills | full disks |
|---|---|---|---|
{rows}

{found["kills"]} kills and {found["full disks"]} full disks at random points; faults: {len(found["faults"])}.

{_when(found)}"""


def _votes_section(found: dict) -> str:
    return f"""## Votes of a class

{found["voters"]} voters on loopback (`tools/voters.py`), each over a WebSocket of its own as a phone's browser has it: they join a room by
its code and vote on {found["rounds"]} rounds in {found["seconds"]} s; three in ten change a vote while its round is open. In the middle of a round the
server is killed (SIGKILL) and started again, which took {found["away_s"]} s; everybody connects again by themselves. What each voter was
shown as counted is compared with the database and with the CSV that the leader's page gives.

| presses | votes shown as counted | votes in the database and the CSV | lost, doubled or changed | p50, s | p95, s |
|---|---|---|---|---|---|
| {found["presses"]:,} | {found["counted"]:,} | {found["kept"]:,} | {len(found["faults"])} | {found["p50_s"]:.2f} | {found["p95_s"]:.2f} |

{found["reconnected"]} connections broke and came back. Pressed while the names came up, and so not counted: {found["refused"]}. A vote's time is
from the press until the page says that it is counted.

{_when(found)}"""


def _ms(one: dict, name: str) -> str:
    """Figures kept by an older run lack some."""
    return f"{one[name] * 1000:.0f}" if name in one else "–"


def _load_section(found: dict) -> str:
    rows = "\n".join(
        f"| {name} | {one['queries']:,} | {one['errors']} | {one['p50_s']:.2f} | {one['p95_s']:.2f} |"
        f" {one['per_s']:.2f} | {_ms(one, 'processor_s')} | {_ms(one, 'visitors_processor_s')} |"
        f" {one['mb_after_1_min']:,} | {one['mb_end']:,} |"
        f" {one['drift']:+.1%} |"
        for name, one in found["runs"].items()
    )
    uploads = found.get("uploads", 0.0)
    again = f"{found['again']:.0%}" if "again" in found else "few"
    return f"""## Load

{found["visitors"]} visitors on loopback for {found["seconds"]:g} s (`tools/load.py`): each opens Compare over a WebSocket of its own with
{found["encoders"]} encoders. {1 - uploads:.0%} of the queries are pictures of the gallery, in an order of each visitor's own: what
somebody else has asked with before is answered from memory, {again} of all queries in the second run;
{uploads:.0%} are uploads of a photograph of 1600 x 1200 that nobody has asked with. In the first run a
visitor looks at the answer for {found["think_s"][0]:g} to {found["think_s"][1]:g} s, as a person does; in the others the next query comes as soon as the page has
come whole, which is the most that so many can ask. A query's time is that of the whole page, the subject that a detector finds on the
query included. "One by one" (`LOOKALIKE_BATCH=1`) is the same server with each picture encoded for itself, by the thread of its page on
all cores, whoever else is at it; shared calls take all pictures that wait for a network, and run on one core each. A compiled
network takes each picture by itself on one core either way, for a batch brings it nothing: the two differ in little where all networks
are compiled. So the last run does nothing for many at once: one by one, each network as torch runs it
(`LOOKALIKE_COMPILED=0`), and whoever comes searches without waiting for a turn (`LOOKALIKE_SEARCHES=1000`). The visitors share the cores
with the server; the columns of ms say what a query costs either of the processor.

| | queries | errors | p50, s | p95, s | queries a second | server, ms a query | visitors, ms a query | MB after 1 min | MB at the end | drift |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}

The first network alone, asked by {found["visitors"]} threads with prepared pictures: {found["encoding"]["alone_per_s"]:.0f} pictures a second one
by one, {found["encoding"]["together_per_s"]:.0f} in shared calls, {found["encoding"]["ratio"]:.1f} times as many.

{found["verdict"]}

{_when(found)}"""


def _times_section(found: dict) -> str:
    rows = "\n".join(
        f"| {name} | {one['seconds']:,.0f} | {one['within']:.0%} | {one['silent']:.0%} |"
        f" {one['worst'] or 0:.2f} |"
        for name, one in found["runs"].items()
    )
    return f"""## Time left

What the tray of jobs told of its jobs, asked twice a second, against the time that was really left (`tools/time_left.py`), on an
artifacts folder in which nothing is known of the machine. Of the time after the first tenth of each run, but its last second: the
share in which what was told lies within a factor of two, the share in which nothing was told, and the worst ratio of told and real.

| job | seconds | within a factor of two | nothing told | worst |
|---|---|---|---|---|
{rows}

Below the goal, 90 % within a factor of two: {len(found["faults"])} of {len(found["runs"])}.

{_when(found)}"""


SECTIONS = {
    "hostile": _hostile_section,
    "kills": _kills_section,
    "votes": _votes_section,
    "load": _load_section,
    "times": _times_section,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
