"""How a gallery grows: build, open, search, evaluate and map from 1,000 to 1,000,000 vectors.

    python tools/measure_growth.py [--sizes 1000,10000,50000,500000,1000000] [--only open,search]
    python tools/measure_growth.py --folder PLACE ... --resume

Every stage is a process of its own, so that its memory is its own: ``rss`` is the most that it held
(VmHWM: mapped files count as far as they were read), ``own`` what of that is no file (RssAnon, at
the end). Vectors beyond the real ones are synthetic (``tools/large.py``), and every table says so.
Writes ``artifacts/reports/growth.json`` after each stage and the tables of ``docs/scale.md``; a size
that was measured before keeps what ``--only`` leaves out. Everything else lies in a temporary folder, or in
``--folder``: then a run that was stopped goes on with ``--resume``, which leaves out what was measured
since the last run without it began. A stage gets ``--limit`` seconds. A graph (``hnsw``) is built up to
``GRAPH_UP_TO`` vectors; the table says what n log n makes of its time beyond.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tools.large import DIM, ready  # before numpy: it says how numpy's threads wait

# isort: split
import numpy as np

from core import store
from core.faiss_loader import faiss
from core.indexes.base import indexes
from core.metrics import stream
from core.neighbours import nearest
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.embedding.roles import roles_of
from core.services.hardware import busy, hardware
from core.services.library import imports, library
from core.services.maps import maps
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import engine, search

SIZES = (1000, 10_000, 50_000, 500_000, 1_000_000)
FAR = 100_000_000
LARGE = 500_000
"""From so many vectors on all indexes are measured."""
JSON, PAGE = ROOT / "artifacts" / "reports" / "growth.json", ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- growth:begin (written by tools/measure_growth.py) -->", "<!-- growth:end -->"
NAME = "imported.growth"
ASKED, WARM, JUDGED, K = 60, 20, 40, 10
INDEXES = {
    "half": ({}, {}),
    "ivf_pq": ({"m": 48}, {"nprobe": 64, "rerank": 40}),
    "sq8": ({}, {"rerank": 4}),
    "exact": ({}, {}),
    "pq": ({"m": 48}, {"rerank": 40}),
    "hnsw": ({"M": 16, "efConstruction": 40}, {"efSearch": 64}),
}
"""Name -> knobs of the build and of the search."""
GRAPH, GRAPH_UP_TO = "hnsw", 500_000
"""Adding a row to a graph walks the graph: a million take several minutes on two cores."""
LIMIT_S = 300.0
FAISS = ("index", "direct")
BUILT = ("build_s", "disk_mb", "build_rss_mb")
"""What of an index is told by the process that builds it."""
Told = dict[str, float]
_held: list[object] = []
"""What a process still holds when its memory is read."""


def build(home: Path, dataset: str) -> Told:
    imports.import_vectors(dataset, "growth", str(home / "vectors.npy"), str(home / "ids.txt"))
    return {"disk_mb": sum(store.folder_bytes(p) for p in (store.root(),)) / 1e6}


def open_(home: Path, dataset: str) -> Told:
    """Listed, and ready for the first search."""
    found = library.open_dataset(dataset)
    found.fingerprint()
    library.contents(found)
    listed = time.perf_counter()
    engine(found, NAME)
    return {"engine_s": time.perf_counter() - listed}


def searched(home: Path, dataset: str) -> Told:
    """Whole requests, by pictures of the gallery, with hits and their classes."""
    found, taken = library.open_dataset(dataset), []
    for row in np.linspace(0, len(found.items) - 1, ASKED).astype(int):
        request = SearchRequest(Query(item_id=found.ids[int(row)]), NAME, k=K)
        started = time.perf_counter()
        search(request, found)
        taken.append(time.perf_counter() - started)
    return _times(taken[1:])


def evaluate(home: Path, dataset: str) -> Told:
    """Every metric of a sample of queries against the whole gallery."""
    found = library.open_dataset(dataset)
    vectors = bound(found, NAME).vectors()
    roles = roles_of(stored.item_rows(found, vectors), found.protocol())
    step = max(1, len(roles.queries) // JUDGED)
    asked = stream.Roles(roles.gallery, roles.queries[::step], roles.relevant, roles.ignore)
    started = time.perf_counter()
    stream.evaluate(stream.blocks(vectors.vectors, asked))
    spent = time.perf_counter() - started
    return {"each_ms": spent * 1e3 / len(asked.queries)}


def mapped(home: Path, dataset: str) -> Told:
    """The principal components, with the quality of the map."""
    maps.build(library.open_dataset(dataset), maps.Wanted(NAME, "pca"))
    return {}


def index(home: Path, dataset: str, name: str) -> Told:
    """One index, built, saved, and read again by memory map."""
    vectors = np.load(home / "vectors.npy", mmap_mode="r")
    made, folder = indexes.get(name), home / "index" / name
    knobs, asked = INDEXES[name]
    if not folder.is_dir():
        started = time.perf_counter()
        made.build(np.asarray(vectors), **knobs)
        built = time.perf_counter() - started
        fresh = folder.with_name(f"new-{name}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        made.save(fresh)
        fresh.rename(folder)
        return {"build_s": built, "disk_mb": store.folder_bytes(folder) / 1e6}
    made.load(folder)
    _held.append(made)
    queries = _queries(vectors)
    truth = np.load(home / "truth.npy")
    hits, taken = _asked(lambda one: made.search(one, K, **asked).ids[0], queries)
    found = np.mean([len(set(a) & set(b)) / K for a, b in zip(hits, truth, strict=True)])
    return {"recall": float(found), **_times(taken)}


def direct(home: Path, dataset: str, name: str = "") -> Told:
    """faiss's own flat index, all of it in memory, and the truth for the others."""
    vectors = np.load(home / "vectors.npy", mmap_mode="r")
    queries = _queries(vectors)
    held = nearest(queries, np.asarray(vectors).__getitem__, range(len(vectors)), K)
    np.save(home / "truth.npy", held.ids)
    flat = faiss().IndexFlatIP(DIM)
    _held.append(flat)
    for start in range(0, len(vectors), 50_000):
        flat.add(np.ascontiguousarray(vectors[start : start + 50_000]))
    _, taken = _asked(lambda one: flat.search(one, K), queries)
    return {"recall": 1.0, "disk_mb": vectors.nbytes / 1e6, **_times(taken)}


def _queries(vectors: np.ndarray) -> np.ndarray:
    """Rows with a little noise, which the gallery does not hold."""
    rows = np.linspace(0, len(vectors) - 1, ASKED).astype(int)
    noise = np.random.default_rng(1).standard_normal((ASKED, DIM)) * 0.1 / np.sqrt(DIM)
    made = vectors[rows] + noise.astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def _asked(call: Callable, queries: np.ndarray) -> tuple[list, list[float]]:
    """What ``call`` says to each query by itself, and the seconds of each; a few come before, so
    that what is read for the first time is there."""
    hits, taken = [], []
    for one in (*queries[::WARM], *queries):
        started = time.perf_counter()
        hits.append(call(one[None]))
        taken.append(time.perf_counter() - started)
    return hits[-len(queries) :], taken[-len(queries) :]


def _times(taken: list[float]) -> Told:
    middle, slow = np.percentile(np.array(taken) * 1e3, [50, 95])
    return {"p50_ms": float(middle), "p95_ms": float(slow)}


STAGES: dict[str, Callable] = {
    "build": build,
    "open": open_,
    "again": open_,
    "search": searched,
    "evaluate": evaluate,
    "map": mapped,
}


def child(stage: str, home: Path) -> None:
    """One stage in this process: what it says of itself, with its time and memory, as a line of
    JSON."""
    kind, _, name = stage.partition(":")
    began = time.perf_counter(), time.process_time()
    call = STAGES.get(kind) or {"index": index, "direct": direct}[kind]
    told = call(home, str(home / "pictures"), *([name] if name else []))
    told |= {"s": time.perf_counter() - began[0], "cpu_s": time.process_time() - began[1]}
    status = Path("/proc/self/status").read_text()
    for key, line in (("rss_mb", "VmHWM"), ("own_mb", "RssAnon")):
        told[key] = int(re.findall(rf"{line}:\s+(\d+)", status)[0]) / 1024
    print(json.dumps({name: round(value, 4) for name, value in told.items()}))


def planned(size: int, wanted: set[str]) -> list[str]:
    """The stages of one size, in their order."""
    stages = [name for name in STAGES if name in wanted]
    if "indexes" in wanted and size >= LARGE:
        made = [name for name in INDEXES if name != GRAPH or size <= GRAPH_UP_TO]
        stages += ["direct", *(f"index:{name}" for name in made for _ in range(2))]
    return stages


def measure(
    size: int, home: Path, wanted: set[str], held: dict, since: float, limit: float
) -> Iterator[str]:
    """Every stage of one size into ``held`` that was not measured ``since`` (epoch seconds); gives
    the name of each that is done."""
    stages = [one for one in planned(size, wanted) if not _is_done(held, one, since)]
    if "build" in stages:
        shutil.rmtree(home / "artifacts", ignore_errors=True)
    elif stages and not (home / "artifacts").is_dir():
        stages.insert(0, "build")  # what the others open
    if "direct" in stages:
        shutil.rmtree(home / "index", ignore_errors=True)
    env = {**os.environ, "LOOKALIKE_ARTIFACTS": str(home / "artifacts")}
    for stage in stages:
        if _is_done(held, stage, since):
            continue
        load = busy()
        command = [sys.executable, __file__, "--child", stage, str(home)]
        told, failed = _run(command, env, limit)
        print(f"{size:,} {stage}: {failed or told}", flush=True)
        if failed:
            continue
        told |= {"busy": load}
        known = _known(held, stage)
        place = held.setdefault("indexes", {}) if stage.partition(":")[0] in FAISS else held
        if "build_s" in told:  # the process that builds: the one that reads comes next
            told["build_rss_mb"] = told["rss_mb"]
        else:
            told |= {name: known[name] for name in BUILT if name in known} | {"at": time.time()}
        place[stage.partition(":")[2] or stage] = told
        yield stage


def _run(command: list[str], env: dict, limit: float) -> tuple[Told, str]:
    """What a stage says, or why it says nothing."""
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return {}, f"not done in {limit:g} s"
    if done.returncode:
        return {}, done.stderr.strip().splitlines()[-1]
    return json.loads(done.stdout.splitlines()[-1]), ""


def _known(held: dict, stage: str) -> dict:
    """What the report holds of a stage of one size."""
    key, _, name = stage.partition(":")
    return (held.get("indexes", {}) if key in FAISS else held).get(name or key, {})


def _is_done(held: dict, stage: str, since: float) -> bool:
    return _known(held, stage).get("at", -1.0) >= since


def report() -> dict:
    """What was measured, or an empty report."""
    return json.loads(JSON.read_text()) if JSON.is_file() else {"sizes": {}}


def write(found: dict) -> None:
    """The report and its tables in the page."""
    JSON.parent.mkdir(parents=True, exist_ok=True)
    JSON.write_text(json.dumps(found, indent=1) + "\n")
    place = f"{re.escape(BEGIN)}.*?{re.escape(END)}"
    text = re.sub(
        place, lambda _: f"{BEGIN}\n{tables(found)}\n{END}", PAGE.read_text(), flags=re.DOTALL
    )
    PAGE.write_text(text)


def tables(found: dict) -> str:
    """The report as Markdown."""
    sizes = {int(size): held for size, held in found["sizes"].items()}
    head = "| vectors | listed and opened | opened again | import | request p50 / p95 | judged, a query | PCA map | memory: open / import / map |"
    lines = [f"{found['machine']}, {found['date']}; {DIM} dimensions, {found['source']}.", "", head]
    lines.append("|---" * (head.count("|") - 1) + "|")
    for size, held in sorted(sizes.items()):
        lines.append(f"| {_named(size, held['real'])} | {' | '.join(_growth(held))} |")
    lines.append(f"| {FAR:,} by the last two | {' | '.join(_predicted(sizes))} |")
    largest = max(sizes, key=lambda size: (bool(sizes[size].get("indexes")), size))
    rows = sizes[largest].get("indexes", {})
    head = "| index | recall@10 | p50 / p95 ms | memory, of that no file | disk MB | build s |"
    lines += ["", f"Indexes over {_named(largest, sizes[largest]['real'])}:", "", head]
    lines.append("|---" * (head.count("|") - 1) + "|")
    lines += [f"| {' | '.join(_index(name, one))} |" for name, one in rows.items()]
    if GRAPH not in rows and (words := _graph(sizes, largest)):
        lines += ["", words]
    loads = [
        one["busy"]
        for held in sizes.values()
        for one in held.values()
        if isinstance(one, dict) and "busy" in one
    ]
    lines += ["", f"Programs that wanted each core meanwhile: {min(loads):g} to {max(loads):g}."]
    return "\n".join(lines)


def _graph(sizes: dict[int, dict], size: int) -> str:
    """The graph at the largest size that it was built for, and its time at ``size`` by n log n."""
    built = [one for one, held in sizes.items() if GRAPH in held.get("indexes", {})]
    if not built:
        return ""
    known = sizes[max(built)]["indexes"][GRAPH]
    title, recall, times, memory, disk, seconds = _index(GRAPH, known)
    factor = size * math.log(size) / (max(built) * math.log(max(built)))
    return (
        f"{title}, built up to {GRAPH_UP_TO:,}: at {max(built):,} recall {recall}, {times} ms,"
        f" {memory}, {disk} MB, built in {seconds} s; by n log n {known['build_s'] * factor:,.0f} s"
        f" at {size:,}."
    )


def _named(size: int, real: int) -> str:
    return f"{size:,}" if size <= real else f"{size:,}, {size - real:,} of them synthetic"


def _growth(held: dict) -> list[str]:
    def of(stage: str, shown: str) -> str:
        return shown.format(**held[stage]) if stage in held else "-"

    memory = [of(stage, "{rss_mb:,.0f}") for stage in ("again", "build", "map")]
    return [
        of("open", "{s:.2f} ({cpu_s:.2f}) s"),
        of("again", "{s:.2f} ({cpu_s:.2f}) s"),
        of("build", "{s:.1f} ({cpu_s:.1f}) s"),
        of("search", "{p50_ms:.1f} / {p95_ms:.1f} ms"),
        of("evaluate", "{each_ms:.1f} ms"),
        of("map", "{s:.1f} ({cpu_s:.1f}) s"),
        " / ".join(memory) + " MB",
    ]


def _predicted(sizes: dict[int, dict]) -> list[str]:
    """What the line through the last two sizes says of ``FAR``."""

    def of(stage: str, key: str, scale: float = 1.0) -> float:
        known = sorted(size for size, held in sizes.items() if stage in held)[-2:]
        if len(known) < 2 or known[1] < LARGE:  # a line from thousands to millions says nothing
            return float("nan")
        low, high = (sizes[size][stage][key] for size in known)
        return scale * (high + max(high - low, 0.0) / (known[1] - known[0]) * (FAR - known[1]))

    memory = [f"{of(stage, 'rss_mb', 1e-3):,.0f}" for stage in ("again", "build", "map")]
    told = [
        f"{of('open', 's'):,.0f} ({of('open', 'cpu_s'):,.0f}) s",
        f"{of('again', 's'):,.0f} ({of('again', 'cpu_s'):,.0f}) s",
        f"{of('build', 's', 1 / 3600):.1f} ({of('build', 'cpu_s', 1 / 3600):.1f}) h",
        f"{of('search', 'p50_ms', 1e-3):.1f} / {of('search', 'p95_ms', 1e-3):.1f} s",
        f"{of('evaluate', 'each_ms', 1e-3):.1f} s",
        f"{of('map', 's', 1 / 3600):.1f} ({of('map', 'cpu_s', 1 / 3600):.1f}) h",
        " / ".join(memory) + " GB",
    ]
    return ["-" if "nan" in one and "/" not in one else one.replace("nan", "-") for one in told]


def _index(name: str, one: dict) -> tuple[str, ...]:
    title = "faiss Flat, direct, in memory" if name == "direct" else f"`{name}`"
    return (
        title,
        f"{one['recall']:.3f}" if "recall" in one else "-",
        f"{one['p50_ms']:.2f} / {one['p95_ms']:.2f}" if "p50_ms" in one else "-",
        f"{one['rss_mb']:,.0f} MB, {one['own_mb']:,.0f} MB",
        f"{one['disk_mb']:,.0f}" if "disk_mb" in one else "-",
        f"{one['build_s']:.1f}" if "build_s" in one else "-",
    )


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    told.add_argument("--sizes", default=",".join(map(str, SIZES)))
    told.add_argument("--only", default=",".join((*STAGES, "indexes")), help="stages")
    told.add_argument("--folder", type=Path, help="where galleries are made and kept (10 GB)")
    told.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for each stage")
    told.add_argument("--resume", action="store_true", help="go on with the run before")
    told.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = told.parse_args()
    if chosen.child:
        child(chosen.child[0], Path(chosen.child[1]))
        return
    if chosen.resume and not chosen.folder:
        told.error("--resume needs the --folder of the run before")
    found = report()
    since = found.get("began", 0.0) if chosen.resume else time.time()
    with tempfile.TemporaryDirectory() as made:
        folder = chosen.folder or Path(made)
        for size in map(int, chosen.sizes.split(",")):
            found = report() | {"began": since}
            home = ready(folder, size)
            held = found["sizes"].setdefault(str(size), {})
            found |= {"machine": hardware(), "date": datetime.now(UTC).date().isoformat()}
            held |= (about := json.loads((home / "about.json").read_text()))
            found["source"] = about["source"]
            wanted = set(chosen.only.split(","))
            for _ in measure(size, home, wanted, held, since, chosen.limit):
                write(found)


if __name__ == "__main__":
    main()
