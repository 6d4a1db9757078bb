"""Run a job and hold the time left that it told against the time that was really left.

    python tools/time_left.py evaluate --datasets catalogue --encoders hsv.12x4x4,hog.8x8 --studies
    python tools/time_left.py train datasets=PATH minutes=3
    python tools/time_left.py --read samples.json    # the figures of a run again
    python tools/time_left.py --only download        # those of RUNS with this in their names

It starts the job as a page does, asks twice a second what the tray of jobs would say, and prints
how much of the time after the first tenth lies within a factor of two, and where it was worst.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.errors import UserError
from core.services import jobs
from core.services.jobs import JobStatus
from core.services.library import adding
from core.services.training import runs, train
from tests.hub import PIECE
from tools import loopback

EVERY_S = 0.5
FIRST = 0.1
"""The share of a run in which nothing needs to be known yet."""
END_S = 1.0
"""So near its end a job is over before its time is read."""
WITHIN = 2.0
BEST = "siamese.lookalike"
ENCODERS = f"sift.vlad32,{BEST},tf_efficientnet_lite0.in1k"


@dataclass(frozen=True, slots=True)
class Sample:
    """What was told ``at`` seconds after the start; ``left`` None = nothing."""

    at: float
    left: float | None
    what: str
    done: int
    total: int
    share: float | None = None


def main(given: Sequence[str]) -> int:
    if given[:1] == ["--only"]:
        with tempfile.TemporaryDirectory() as home:
            os.environ["LOOKALIKE_ARTIFACTS"] = str(Path(home, "artifacts"))
            print(*measured(Path(home), given[1])["faults"], sep="\n")
        return 0
    if given[:1] == ["--read"]:
        kept = json.loads(Path(given[1]).read_text())
        seen, whole = [Sample(**one) for one in kept["samples"]], kept["seconds"]
    else:
        options = argparse.ArgumentParser(description=__doc__, add_help=False)
        options.add_argument("--keep", help="a file for the samples")
        asked, arguments = options.parse_known_args(given)
        seen, whole = watched(arguments)
        if asked.keep:
            text = json.dumps({"seconds": whole, "samples": [asdict(one) for one in seen]})
            Path(asked.keep).write_text(text + "\n")
    print(*rows(seen, whole), sep="\n")
    print(json.dumps(figures(seen, whole)))
    return 0


@dataclass(frozen=True, slots=True)
class Run:
    """A job to be measured; how quick the loopback hub is then, and whether it says how long its
    files are."""

    arguments: str
    mb_s: float = 1.0
    lengths: bool = True


RUNS: dict[str, Run] = {
    "build of three encoders, one with a fit, 1,200 photographs": Run(
        f"build --dataset PHOTOGRAPHS --encoders {ENCODERS}"
    ),
    "evaluation of them": Run(f"evaluate --datasets PHOTOGRAPHS --encoders {ENCODERS}"),
    "evaluation of five encoders on the gallery, with studies": Run(
        f"evaluate --datasets catalogue --encoders {ENCODERS},hsv.12x4x4,hog.8x8 --studies"
    ),
    "fine-tuning on them, 2 minutes": Run("train datasets=PHOTOGRAPHS minutes=2"),
    "training from scratch on them, 2 minutes": Run(
        "train recipe=siamese datasets=PHOTOGRAPHS minutes=2"
    ),
    "index lab, every index": Run(f"tune --dataset catalogue --encoder {BEST} --again"),
    "index lab, every index again": Run(f"tune --dataset catalogue --encoder {BEST} --again"),
    "index lab on the photographs, of which nothing is known": Run(
        f"tune --dataset PHOTOGRAPHS --encoder {BEST}"
    ),
    "two maps of the gallery": Run(
        f"map --dataset catalogue --encoders {BEST},hsv.12x4x4 --set neighbours=31"
    ),
    "build of a zip that was added, two encoders": Run(
        "build --dataset ZIP --encoders hog.8x8,resnet.lookalike"
    ),
    "build of two more, every picture read first": Run(
        "build --dataset PHOTOGRAPHS --encoders vgg.lookalike,vit.lookalike --check-content"
    ),
    "download of weights": Run("download --encoder resnet50.tv_in1k", mb_s=4.0),
    "download of weights from a server that tells no length": Run(
        "download --encoder mobilenetv3_large_100.ra_in1k", lengths=False
    ),
    "build by an encoder whose weights are fetched first": Run(
        "build --dataset ZIP --encoders hsv.12x4x4,efficientnet_b0.ra_in1k"
    ),
    "download of a public set": Run(f"download --dataset {loopback.SET}"),
}
"""What is asked of a fresh artifacts folder, in this order: nothing is known of the machine."""
FETCHED = ("resnet50.tv_in1k", "mobilenetv3_large_100.ra_in1k", "efficientnet_b0.ra_in1k")
"""Networks whose weights are on the loopback hub."""
GOAL = 0.9
"""So much of the time of every kind has to lie within a factor of two."""


def measured(home: Path, only: str = "") -> dict:
    """The figures of every run, or of those with ``only`` in their names, for docs/reliability.md,
    and as ``faults`` the kinds that miss the goal. Raises UserError where there are no
    photographs."""
    place = photographs(home / "photographs")
    zipped = added(photographs(home / "zipped"))
    found, faults = {}, []
    with loopback.hub(home / "plugin", FETCHED, sorted(pets().rglob("*.jpg"))) as hub:
        for name, run in RUNS.items():
            if only not in name:
                continue
            hub.piece_delay_s, hub.lengths = PIECE / (run.mb_s * 1e6), run.lengths
            plugged = f"{home / 'plugin'}:{ROOT}" if loopback.SET in run.arguments else ""
            os.environ["PYTHONPATH"] = plugged
            try:
                asked = run.arguments.replace("PHOTOGRAPHS", str(place)).replace("ZIP", zipped)
                seen, whole = watched(asked.split())
            except UserError as error:  # the other kinds are measured all the same
                faults.append(f"Time left, {name}: {error}")
                continue
            found[name] = figures(seen, whole)
            print(name, json.dumps(found[name]), flush=True)
            if found[name]["within"] < GOAL:
                print(*rows(seen, whole), sep="\n", flush=True)
                faults.append(
                    f"Time left, {name}: within a factor of two for {found[name]['within']:.0%} of"
                    f" the time, and {GOAL:.0%} is the goal."
                )
    return {"runs": found, "faults": faults}


def added(folder: Path) -> str:
    """The locator of a zip of these pictures, added as the Library adds it."""
    files = [(f"{folder.name}/{path.relative_to(folder)}", path.read_bytes())
             for path in sorted(folder.rglob("*.jpg"))]  # fmt: skip
    return adding.add_files(files)


def pets() -> Path:
    """Photographs that stand for a public set."""
    return given("cats_dogs")


def given(name: str) -> Path:
    """A folder of photographs, found as tests find them. Raises UserError where it is not there."""
    folder = Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data") / name
    if not folder.is_dir():
        raise UserError(f"There are no photographs in {folder}.", fix="Set LOOKALIKE_DATA.")
    return folder


def photographs(folder: Path, count: int = 1200) -> Path:
    """A folder of photographs of ETH-80, a folder for each class."""
    classes = [path for path in sorted(given("eth80").glob("*")) if path.is_dir()]
    for one in classes:
        files = sorted(one.rglob("*.jpg"))
        each = max(len(files) * len(classes) // count, 1)
        for path in files[::each][: count // len(classes)]:
            made = folder / one.name / f"{path.parent.name}-{path.name}"
            made.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, made)
    return folder


def watched(arguments: Sequence[str]) -> tuple[list[Sample], float]:
    """Run a job; what was told meanwhile, and its seconds. Raises UserError where it failed."""
    job = _trained(arguments[1:]) if arguments[0] == "train" else jobs.start("Measured", arguments)
    seen: list[Sample] = []
    while (now := jobs.status(job)).active:
        at = time.time() - now.started
        seen.append(Sample(at, told(now), now.message, now.done, now.total, now.share))
        time.sleep(EVERY_S)
    if now.state != "done":
        raise UserError(f"The job {now.state}: {now.message}", jobs.output(job)[-2000:])
    return seen, now.updated - now.started


def _trained(values: Sequence[str]) -> str:
    """The job of a run with these settings, as the Train page starts it."""
    told: dict = dict(one.split("=", 1) for one in values)
    told = {name: [text] if name == "datasets" else text for name, text in told.items()}
    return train.start(train.configure(told.pop("recipe", train.DEFAULT), told))[0]


def told(job: JobStatus) -> float | None:
    """The time left as the tray of jobs says it."""
    trains = job.arguments[:2] == ("train", "--resume")
    if trains and job.message[:1].isupper():
        return runs.status(job.arguments[2]).seconds_left
    return job.seconds_left


def figures(seen: Sequence[Sample], whole: float) -> dict:
    """Of the time after the first tenth: the share within a factor of two, the share in which
    nothing was told, and the worst ratio of told and real."""
    later = [one for one in seen if FIRST * whole <= one.at < whole - END_S]
    known = [one for one in later if one.left is not None]
    ratios = [max(one.left, 0.01) / (whole - one.at) for one in known if one.left is not None]
    good = sum(1 / WITHIN <= ratio <= WITHIN for ratio in ratios)
    worst = max(ratios, key=lambda ratio: max(ratio, 1 / ratio), default=None)
    return {
        "seconds": round(whole, 1),
        "within": round(good / max(len(later), 1), 3),
        "silent": round(1 - len(known) / max(len(later), 1), 3),
        "worst": worst and round(worst, 2),
    }


def rows(seen: Sequence[Sample], whole: float) -> list[str]:
    """A line for each sample that differs, or lies outside."""
    found, before, last = [], "", -9.0
    for one in seen:
        rest = whole - one.at
        ratio = None if one.left is None else max(one.left, 0.01) / max(rest, 0.01)
        out = ratio is None or not 1 / WITHIN <= ratio <= WITHIN
        if one.what == before and one.at - last < (1.5 if out else 4.0):
            continue
        before, last = one.what, one.at
        mark = ("." if one.at < FIRST * whole else "!") if out else " "
        said = "      -      -" if ratio is None else f"{one.left:7.1f} {ratio:6.2f}"
        found.append(
            f"{mark} {one.at:7.1f} {rest:7.1f} {said}  {one.share or 0:5.0%} {one.done}/{one.total}"
            f" {one.what}"
        )
    return ["   at s    rest    told  ratio  share", *found]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
