"""Builds on two real Ray nodes of this machine: the same vectors, whoever dies meanwhile.

The nodes are processes of their own with a token. They have no code of the project but what a build sends them; a
slow encoder (``tests/plugin``) is plugged into what they were sent.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.services.embedding.parquet_parts import Home
from core.services.embedding.stored import vectors
from tests.plugged import ROOT, Plugged, family, numbered, paint, wait_for

pytest.importorskip("ray", reason="Ray is not installed: make test-engines installs it")

pytestmark = pytest.mark.engines
COUNT = 64
LONG = 300.0
PATIENT = {
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_enable_metrics_collection": "false",
}
"""Ray's own limits, which a busy machine would pass."""
STARTED, STARTS = "runtime started", 8
"""Some limits of a start are fixed: on a busy machine a node is started again."""
FILES = ("ids.json", "keys.json", "skipped.json")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Nodes:
    """A head and a second node, with one CPU each."""

    def __init__(self, home: Path) -> None:
        self.home, self.address = home, f"127.0.0.1:{free_port()}"
        self.diary, self.gate = home / "diary.txt", home / "gate"
        self.diary.touch()
        self.gate.touch()
        token = home / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        own = {
            "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token),
            "TEST_DIARY": str(self.diary), "TEST_GATE": str(self.gate), "OMP_NUM_THREADS": "1",
            "TEST_SLEEP": "0.05",
        }  # fmt: skip
        # no path to the project here: its code comes with the build
        plugin = {
            "PYTHONPATH": str(ROOT / "tests" / "engines" / "plugin"),
            "TEST_PLUGIN": str(ROOT / "tests" / "plugin" / "sitecustomize.py"),
        }
        self.env = {**os.environ, **own, **plugin, **PATIENT}
        self.started: list[subprocess.Popen] = []
        port = self.address.partition(":")[2]
        # Ray's sockets have long names, and a system allows 107 letters
        self.short = Path(tempfile.gettempdir(), f"ray-test-{os.getpid()}")
        temp = f"--temp-dir={self.short}"
        try:
            self.head = self._start("--head", f"--port={port}", "--include-dashboard=false", temp)
            self.second = self._start(f"--address={self.address}")
        except BaseException:
            self.end()
            raise

    def _start(self, *options: str) -> subprocess.Popen:
        command = [
            str(Path(sys.executable).parent / "ray"), "start", "--block", "--num-cpus=1",
            "--node-ip-address=127.0.0.1", "--object-store-memory=100000000", *options,
        ]  # fmt: skip
        log = self.home / ("head.log" if "--head" in options else "second.log")
        for _ in range(STARTS):
            with open(log, "w") as file:
                child = subprocess.Popen(
                    command,
                    env=self.env,
                    cwd=self.home,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
            self.started.append(child)
            wait_for(lambda one=child: STARTED in log.read_text() or one.poll() is not None, LONG)
            if child.poll() is None:
                return child
            self.kill(child)
        raise AssertionError(log.read_text())

    def workers(self, node: subprocess.Popen) -> list[psutil.Process]:
        """Processes of a node that hold the encoders of a build."""
        return [one for one in family(node.pid) if "MapWorker" in _title(one)]

    def kill(self, node: subprocess.Popen) -> None:
        for one in psutil.pids():
            with suppress(OSError):
                if os.getsid(one) == node.pid:  # children of a parent that is gone, too
                    os.kill(one, signal.SIGKILL)
        node.wait()

    def end(self) -> None:
        for node in self.started:
            self.kill(node)
        shutil.rmtree(self.short, ignore_errors=True)

    def encoded(self) -> int:
        return len(self.diary.read_text().split())


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    made = Nodes(tmp_path_factory.mktemp("nodes"))
    yield made
    made.end()


@pytest.fixture
def plugged(tmp_path, artifacts, nodes):
    """The command line of the driver: the slow encoder is plugged in there, too."""
    made = Plugged(tmp_path, artifacts)
    keep = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "OMP_NUM_THREADS")
    made.env |= {name: nodes.env[name] for name in keep}
    nodes.gate.touch()
    yield made
    nodes.gate.touch()
    made.end()


def build(folder, nodes=None, encoders="slow.test") -> tuple[str, ...]:
    ray = ("--engine", "ray", "--address", nodes.address, "--ray-cpus", "1") if nodes else ()
    return "build", "--dataset", str(folder), "--encoders", encoders, *ray


def told(plugged, *arguments, artifacts=None):
    child = plugged.start(*arguments, "--json", artifacts=artifacts)
    out, err = child.communicate(timeout=LONG)
    assert child.returncode == 0, err
    return json.loads(out)


def files(artifacts) -> dict[str, list[bytes]]:
    return {
        path.name: [
            np.asarray(vectors(path)).tobytes(),
            *((path / one).read_bytes() for one in FILES),
        ]
        for path in artifacts.glob("cache/embeddings/[!.]*")
    }


def kept(artifacts) -> int:
    """Pictures in finished parts of an unfinished build."""
    return sum(
        len(part.keys)
        for path in artifacts.glob("cache/partial/*")
        for part in Home(str(path)).parts(48)
    )


@pytest.mark.parametrize(
    ("place", "encoders"),
    [("artifacts", "tf_efficientnet_lite0.in1k"), ("store", "hog.8x8,tiny.16x16")],
)
def test_vectors_and_broken_pictures_are_those_of_a_local_build(
    place, encoders, nodes, plugged, tmp_path
):
    """Every file, bit for bit: a network from a folder; two encoders from a store, with parts in a
    store that another machine opens."""
    folder = paint(
        tmp_path / "gallery", [f"{kind}/{name}" for kind in "ab" for name in numbered(60)]
    )
    (folder / "a" / "broken.png").write_bytes(b"not a picture")
    (folder / "b" / "cut.png").write_bytes((folder / "b" / "00000.png").read_bytes()[:300])
    at = f"file://{folder}" if place == "store" else folder
    shards = f"file://{tmp_path / 'parts'}" if place == "store" else ""
    told(plugged, *build(at, encoders=encoders), artifacts=tmp_path / "local")
    rows = told(plugged, *build(at, nodes, encoders), *(("--shards", shards) if shards else ()))
    assert [(row["pictures"], row["skipped"], row["encoded"]) for row in rows] == [
        (120, 2, 122)
    ] * len(rows)
    assert files(plugged.artifacts) == files(tmp_path / "local")
    if shards:
        left = list(plugged.artifacts.glob("cache/embeddings/[!.]*/pieces.json"))
        assert len(left) == len(rows), "the parts are opened where they lie"
        third = tmp_path / "third"
        again = told(plugged, *build(at, encoders=encoders), "--shards", shards, artifacts=third)
        assert [row["encoded"] for row in again] == [0, 0]
        assert files(third) == files(tmp_path / "local")
        asked = ("--encoder", "hog.8x8", "--query", "id:a/00001.png")
        assert told(plugged, "search", "--dataset", at, *asked, artifacts=third)


def test_a_driver_that_is_killed_goes_on_where_it_was(nodes, plugged, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(COUNT))
    child = plugged.start(*build(folder, nodes))
    wait_for(lambda: kept(plugged.artifacts) or child.poll() is not None, LONG)
    nodes.gate.unlink()
    assert child.poll() is None, child.stderr.read()
    for one in family(child.pid):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    child.wait()
    wait_for(lambda: not nodes.workers(nodes.head) and not nodes.workers(nodes.second), LONG)
    done, before = kept(plugged.artifacts), nodes.encoded()
    nodes.gate.touch()
    assert 0 < done < COUNT
    (row,) = told(plugged, *build(folder, nodes))
    assert row["encoded"] == COUNT - done == nodes.encoded() - before
    told(plugged, *build(folder), artifacts=tmp_path / "local")
    assert files(plugged.artifacts) == files(tmp_path / "local")
    assert not list(plugged.artifacts.glob("cache/partial/*")), "parts are dropped at the end"


def test_a_stop_keeps_what_was_finished(nodes, plugged, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(COUNT))
    child = plugged.start(*build(folder, nodes))
    wait_for(lambda: kept(plugged.artifacts) or child.poll() is not None, LONG)
    nodes.gate.unlink()
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=LONG)
    assert child.returncode not in (0, -signal.SIGTERM, -signal.SIGKILL), err
    assert "Traceback" not in err
    assert 0 < kept(plugged.artifacts) < COUNT


def test_a_node_that_is_killed_takes_nothing_with_it(nodes, plugged, tmp_path):
    """The last test of the file: a node fewer is left."""
    folder = paint(tmp_path / "gallery", numbered(COUNT))
    nodes.gate.unlink()
    child = plugged.start(*build(folder, nodes), "--json")
    wait_for(lambda: nodes.workers(nodes.second) or child.poll() is not None, LONG)
    nodes.gate.touch()
    wait_for(lambda: kept(plugged.artifacts) or child.poll() is not None, LONG)
    nodes.gate.unlink()
    assert child.poll() is None, child.stderr.read()
    nodes.kill(nodes.second)
    nodes.gate.touch()
    out, err = child.communicate(timeout=LONG)
    assert child.returncode == 0, err
    (row,) = json.loads(out)
    assert (row["pictures"], row["skipped"]) == (COUNT, 0)
    told(plugged, *build(folder), artifacts=tmp_path / "local")
    assert files(plugged.artifacts) == files(tmp_path / "local")
