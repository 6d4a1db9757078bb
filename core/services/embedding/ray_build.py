"""Builds on the machines of a Ray cluster: stretches of pictures go out, finished parts come back.

Ray is no requirement of the project (tools/engines/ray.txt pins it). It is imported when a build
asks for it, and nowhere else.
"""

import copy
import importlib.util
import logging
import os
import queue
import secrets
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from core import store
from core.datasets.base import Dataset
from core.device import team, threads
from core.encoders.base import Encoder
from core.encoders.compilable import Compilable
from core.errors import UserError
from core.services.embedding.contents import Notes, digest
from core.services.embedding.encoding import BATCH, STAGES, Work, streamed, stretches
from core.services.embedding.ray_worker import Made, Picture, Probe, Reply, Stretch, Task, Worker
from core.services.embedding.stored import SECONDS, key_of
from core.types import Item, Progress, report, tell

MOST = 1024
"""Pictures of a part: what is lost when a worker dies, at most, is twice as many of each worker."""
QUIET = {
    "RAY_AUTH_MODE": "token",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""Unless the environment says otherwise: machines show a token to each other, and progress is told
by the build."""
SHARES = 4
"""Parts for each worker, at least, so that all end at about the same time."""
LOOKED_AT = 20
"""So many pictures are tried until one can be read that every worker has to see, too."""
RETRIES = 10
"""A worker that dies so often is not started again: the build ends."""
STORE_BYTES = 512 << 20
"""Shared memory of a Ray that is started for one build on this machine."""
PASSED_ON = (
    "LOOKALIKE_ARTIFACTS",
    "LOOKALIKE_DATA",
    "LOOKALIKE_PRECISION",
    "OMP_NUM_THREADS",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "TORCH_HOME",
)
"""Of the driver's environment, what changes vectors or says where things are."""
SENT = ("core", "artifacts/models")
"""What is sent to the machines of a cluster: the code, and the weights that came with it."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a build runs, and how its workers are cut.

    ``address``: of a running cluster (``auto``, ``host:port``, ``ray://host:port``); empty = Ray is
    started on this machine for the time of the build. ``workers``, ``cpus`` (each worker's) and
    ``gpus`` (likewise, parts of one too): 0 workers or CPUs = as many as there are.
    """

    address: str = ""
    workers: int = 0
    cpus: int = 0
    gpus: float = 0.0

    def encode(
        self, dataset: Dataset, works: Sequence[Work], progress: Progress | None
    ) -> set[str]:
        """Encode what is pending on the cluster: :attr:`.embed.Elsewhere.encode`. Returns the keys
        of pictures that are no longer there.

        Raises:
            UserError: Ray or the cluster is not there, or the workers can't do the work.
            Cancelled: ``progress`` said stop; finished parts are kept.
        """
        works = [work for work in works if work.pending]
        wanted = {key for work in works for key in work.pending}
        items = [item for item in dataset.items if key_of(item) in wanted]
        if not items:
            return set()
        report(progress, 0, len(items))
        with _connected(self.address, progress) as ray:
            run = _Run(ray, self, dataset, works, items, progress)
            run.run()
            return run.absent


def require() -> None:
    """Raises UserError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "Ray is not installed: a build on several machines needs it.",
            fix="Build on this machine.",
            command="Install it with: pip install -r tools/engines/ray.txt",
        )


@contextmanager
def _connected(address: str, progress: Progress | None) -> Iterator[Any]:
    """Ray, connected to a cluster or started here: without statistics, without a page of its own,
    and with a token that every machine has to show."""
    require()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    for name, word in QUIET.items():
        os.environ.setdefault(name, word)
    if not address:
        _own_token()
    report(progress, 0, 0)
    import ray
    import ray.data
    from ray.util.annotations import RayDeprecationWarning

    warnings.simplefilter("ignore", RayDeprecationWarning)  # its version is pinned
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    handlers = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    # Ray prints what happens to workers on standard output, which is the command's answer
    with redirect_stdout(sys.stderr):
        try:
            ray.init(**_settings(address))
        except Exception as error:  # of many kinds, each with its words
            raise UserError(
                f"Ray at {address or 'this machine'} can't be used ({_first_line(error)}).",
                fix="Check the address, the token and that all machines have one version of Ray.",
            ) from error
        finally:
            _restore(handlers)
        try:
            yield ray
        finally:
            ray.shutdown()


def _compiled(encoder: Encoder) -> bool:
    return isinstance(encoder, Compilable) and encoder.find_graph()


def _settings(address: str) -> dict:
    home = Path(__file__).parents[3]
    told = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    common = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        own = {
            "address": "local",
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",  # nobody outside needs to reach it
            "num_cpus": threads(),
            "object_store_memory": STORE_BYTES,
        }
        places = [str(home), *filter(None, [os.environ.get("PYTHONPATH")])]
        told["PYTHONPATH"] = os.pathsep.join(places)
        return {**common, **own, "runtime_env": {"env_vars": told}}
    sent: dict[str, Any] = {"env_vars": told}
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" not in os.environ:  # of a job Ray itself sends the code
        sent |= {"working_dir": str(home), "excludes": _all_but(home, SENT)}
    return {**common, "address": address, "runtime_env": sent}


def _all_but(home: Path, wanted: Sequence[str]) -> list[str]:
    """What lies in the project's folder and is not wanted, as patterns of a ``.gitignore``."""
    around = {str(above) for one in wanted for above in Path(one).parents}
    folders = [home / one for one in around]
    names = [
        path.relative_to(home).as_posix() for folder in folders for path in store.listed(folder)
    ]
    return ["__pycache__/", *(f"/{one}" for one in names if one not in {*wanted, *around})]


def _own_token() -> None:
    """A token for a Ray that is started for this build alone, where the environment names none."""
    if {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        return
    path = store.cache("ray") / "token"
    store.make_folder(path.parent)
    with suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)


def _restore(handlers: dict) -> None:
    """Ray ends the process on SIGTERM; a build wants to be told, and to say that it was stopped."""
    if threading.current_thread() is threading.main_thread():
        for one, handler in handlers.items():
            signal.signal(one, handler)


class _Run:
    """One pass over the pictures that are pending."""

    def __init__(
        self,
        ray: Any,
        cluster: Cluster,
        dataset: Dataset,
        works: Sequence[Work],
        items: Sequence[Item],
        progress: Progress | None,
    ) -> None:
        self.ray, self.cluster, self.dataset = ray, cluster, dataset
        self.works, self.items, self.progress = works, items, progress
        self.notes, self.flushed = Notes(), time.monotonic()
        self.held: list[tuple[Work, Made]] = []
        self.absent: set[str] = set()
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        most = max((int(node.get("CPU", 0)) for node in nodes), default=0)
        # the last digits of a vector may depend on the number of threads: that of a local build,
        # where a machine has so many
        self.cpus = cluster.cpus or min(team(), most or team())
        room = sum(map(self._room, nodes))
        self.workers = cluster.workers or max(room, 1)
        self.first = max(min(room, self.workers), 1)
        self.fits = any(map(self._room, nodes))
        # a GPU takes larger batches, one after the other
        self.streamed = not cluster.gpus and streamed(items, [work.encoder for work in works])
        self.sources: dict[Dataset, int] = {}

    def _room(self, node: dict) -> int:
        """How many workers a machine has room for."""
        room = int(node.get("CPU", 0) // self.cpus)
        return (
            min(room, int(node.get("GPU", 0) // self.cluster.gpus)) if self.cluster.gpus else room
        )

    def run(self) -> None:
        encoders = [work.encoder for work in self.works]
        planned = self._stretches(encoders)
        probe = self._probe()
        task = Task(
            tuple(_bare(source) for source in self.sources),
            tuple(encoders),
            tuple(store.fingerprint(encoder.fingerprint()) for encoder in encoders),
            tuple(work.home for work in self.works),
            probe,
            self.cpus,
            self.streamed,
            tuple(place for place, one in enumerate(encoders) if _compiled(one)),
        )
        self._wait_for_room()
        done = 0
        try:
            for reply in self._replies(planned, task):
                done += reply.pictures
                self._take(reply, planned[reply.number])
                report(self.progress, done, len(self.items))
        finally:
            self._flush()

    def _stretches(self, encoders: Sequence[Encoder]) -> list[Stretch]:
        """The pictures in the batches of a local build, some batches together."""
        size, parts = self._cut(encoders)
        most = min(MOST, max(size, len(self.items) // (SHARES * self.workers)))
        batches = max(most // size, 1)
        made: list[Stretch] = []
        for part in parts:
            cut = [part[at : at + size] for at in range(0, len(part), size)]
            for at in range(0, len(cut), batches):
                pictures = tuple(
                    tuple(map(self._picture, batch)) for batch in cut[at : at + batches]
                )
                made.append(Stretch(len(made), pictures))
        return made

    def _cut(self, encoders: Sequence[Encoder]) -> tuple[int, list[Sequence[Item]]]:
        """How many pictures a local build puts into a batch, and the parts that it cuts so."""
        smallest = min(encoder.batch for encoder in encoders)
        if self.streamed:
            return min(BATCH, smallest), [self.items]
        return smallest, stretches(self.items, encoders)

    def _picture(self, item: Item) -> Picture:
        source, own = self.dataset.origin(item)
        key = key_of(item)
        wanted = tuple(at for at, work in enumerate(self.works) if key in work.pending)
        number = self.sources.setdefault(source, len(self.sources))
        return Picture(number, own, item.id, key, wanted)

    def _probe(self) -> Probe | None:
        for item in self.items[:LOOKED_AT]:
            source, own = self.dataset.origin(item)
            try:
                return Probe(self.sources[source], own, digest(source.read(own)))
            except Exception:  # one that is broken: the build will tell it
                continue
        return None

    def _wait_for_room(self) -> None:
        """Say what is waited for where no machine of the cluster can hold a worker: one may be
        added yet. Raises UserError where none will."""
        if self.fits:
            return
        wants = f"{self.cpus} CPUs" + (
            f" and {self.cluster.gpus:g} GPUs" if self.cluster.gpus else ""
        )
        if not self.cluster.address:
            raise UserError(f"This machine has no room for a worker with {wants}.")
        tell(self.progress, f"waiting for a machine with {wants}")

    def _replies(self, planned: Sequence[Stretch], task: Task) -> Iterator[Reply]:
        """Replies as they come; in between it is asked twice a second whether to stop."""
        replies: queue.Queue[Reply | BaseException | None] = queue.Queue()
        thread = threading.Thread(
            target=self._collect, args=(planned, task, replies), daemon=True, name="ray-replies"
        )
        thread.start()
        what, done = getattr(self.progress, "what", ""), 0
        while True:
            try:
                reply = replies.get(timeout=0.5)
            except queue.Empty:
                self._flush_if_due()
                report(self.progress, done, len(self.items))
                continue
            if reply is None:
                return
            if isinstance(reply, BaseException):
                raise self._explained(reply) from reply
            if reply.refused is not None:
                raise reply.refused
            tell(self.progress, what)
            done += reply.pictures
            yield reply

    def _collect(self, planned: Sequence[Stretch], task: Task, replies: queue.Queue) -> None:
        import ray.data

        try:
            made = ray.data.from_items(
                [{"stretch": stretch} for stretch in planned], override_num_blocks=len(planned)
            ).map_batches(
                Worker,
                fn_constructor_args=(task,),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(
                    min_size=1,
                    max_size=self.workers,
                    initial_size=self.first,
                    max_tasks_in_flight_per_actor=2,
                ),
                num_cpus=self.cpus,
                num_gpus=self.cluster.gpus or None,
                ray_remote_args_fn=lambda: {"max_restarts": RETRIES, "max_task_retries": RETRIES},
            )
            for row in made.iter_rows():
                replies.put(row["reply"])
            replies.put(None)
        except BaseException as error:
            replies.put(error)

    def _explained(self, error: BaseException) -> BaseException:
        """What a person can do about the end of a build; any other error is one of ours."""
        kinds = (self.ray.exceptions.RayActorError, self.ray.exceptions.WorkerCrashedError)
        found = next(
            (one for one in (error, getattr(error, "cause", None)) if isinstance(one, kinds)), None
        )
        if found is None:
            return error
        if "creation task" in str(found):
            lines = [line for line in str(found).splitlines() if line.strip()]
            return UserError(
                f"The workers can't be started ({lines[-1].strip()[:200]}).",
                fix="Every machine needs the project's packages, in the same versions.",
            )
        return UserError(
            f"A worker died {RETRIES} times; most often that is for want of memory.",
            fix="Start the build again: it goes on from there. Fewer workers a machine need less"
            " memory.",
        )

    def _take(self, reply: Reply, stretch: Stretch) -> None:
        """Keep the parts of a reply: at once where a worker wrote them, else within seconds."""
        self.absent |= set(reply.absent)
        for made in reply.made:
            work = self.works[made.position]
            for stage, seconds in zip(STAGES, made.spent, strict=True):
                work.spent[stage] += seconds
            if work.home is None:
                self.held.append((work, made))
            else:
                part = work.home.part(made.name, work.encoder.stored_dim)
                work.reused.append((part, made.keys, made.skipped))
        sources = list(self.sources)
        for picture, content in zip(stretch.pictures, reply.contents, strict=True):
            self.notes.add_own(sources[picture.source], picture.item, content)
        self._flush_if_due()

    def _flush_if_due(self) -> None:
        if time.monotonic() - self.flushed > SECONDS:
            self._flush()

    def _flush(self) -> None:
        """Write what was read before the parts: no picture is read again whose vector is kept."""
        self.notes.keep()
        for work, made in self.held:
            work.shards.add_file(made.name, made.data)
        self.held, self.flushed = [], time.monotonic()


def _bare(dataset: Dataset) -> Dataset:
    """A data set without its listing, which can be large: workers are told what to read."""
    bare = copy.copy(dataset)
    for kind in type(dataset).__mro__:
        for name, value in vars(kind).items():
            if isinstance(value, cached_property):
                bare.__dict__.pop(name, None)
    return bare


def _first_line(error: Exception) -> str:
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0] if words else ''}"[:300]
