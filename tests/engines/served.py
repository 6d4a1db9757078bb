"""A Milvus server of one process, from its package."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from core.indexes.base import Away
from core.indexes.milvus_engine import ask, forget, place

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-milvus-server" / "bin" / "milvus-server"
TOKEN = "root:Milvus"
"""That of a server that is new."""
WAIT_S = 300.0


class Server:
    """``name_it`` puts its address and its token into the environment."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, _free_port()
        self.process: subprocess.Popen | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def name_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOOKALIKE_MILVUS", self.address)
        monkeypatch.setenv("LOOKALIKE_MILVUS_TOKEN", TOKEN)

    def start(self) -> None:
        """Start it, on what it held before, and wait until it answers."""
        again = (self.home / "bin" / "milvus").is_file()
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(
                self._again() if again else self._first(),
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.home,
                env=os.environ
                | {
                    "DEPLOY_MODE": "STANDALONE",
                    "METRICS_PORT": str(_free_port()),
                    "LD_LIBRARY_PATH": str(self.home / "bin"),
                    "MILVUS_RUN_DIR": str(self.home / "run"),
                },
            )
        with pytest.MonkeyPatch.context() as patch:
            self.name_it(patch)
            self.patiently(lambda: ask(place(), "list_collections"))

    def patiently(self, call: Callable[[], object]) -> None:
        """Until it answers: a server whose forerunner was killed waits a minute for that one's
        leases to end."""
        until = time.monotonic() + WAIT_S
        while True:
            try:
                call()
                return
            except Away:
                assert time.monotonic() < until, (self.home / "log").read_text()[-4000:]
                forget(place())
                time.sleep(0.5)

    def _first(self) -> list[str]:
        line = [str(PROGRAM), "--data", str(self.home), "--proxy-port", str(self.port)]
        return [*line, "--authorization-enabled", "true"]

    def _again(self) -> list[str]:
        """As the package's program does; that one takes another port while the old one rests."""
        return [str(self.home / "bin" / "milvus"), "run", "standalone"]

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it and all that it started; SIGKILL gives it no time."""
        if self.process is not None:
            if how != signal.SIGKILL:
                self.process.send_signal(how)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(30)
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
