"""`make demo`: the address that it prints is that of an app which answers there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from core.errors import UserError
from core.services.embedding.opening import FIRST_ENCODERS
from tools.demo import free_port

ROOT = Path(__file__).parent.parent


def test_the_address_is_printed_when_it_answers_and_is_never_another_programs(artifacts):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        app = subprocess.Popen(
            [sys.executable, "tools/demo.py", str(taken)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            lines = [app.stdout.readline(), app.stdout.readline()]
            port = free_of(lines[1])
            assert lines[0] == f"Port {taken} is taken; using {port}.\n"
            with urllib.request.urlopen(
                f"http://localhost:{port}/_stcore/health", timeout=120
            ) as answer:
                assert answer.read() == b"ok"
        finally:
            os.killpg(app.pid, signal.SIGINT)
            rest = app.communicate(timeout=300)[0]
    assert app.returncode == 0
    assert rest == ""


def free_of(line: str) -> int:
    """The port of the one address in a line."""
    assert line.startswith("Lookalike is at http://localhost:")
    return int(line.removeprefix("Lookalike is at http://localhost:").split()[0])


CODE = """
import sys
from core.cli.main import main
code = main(["build", "--dataset", "catalogue", "--encoders", sys.argv[1], "--json"])
print(code, sorted({"torch", "timm", "faiss", "sklearn", "pandas", "streamlit"} & set(sys.modules)))
"""


def test_a_fresh_clone_has_nothing_to_build_and_loads_no_network_to_find_that_out(artifacts):
    asked = [sys.executable, "-c", CODE, ",".join(FIRST_ENCODERS)]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    *rows, last = done.stdout.splitlines()
    assert last == "0 []", "exit code, and what takes seconds to import"
    assert [row["encoded"] for row in json.loads("\n".join(rows))] == [0] * len(FIRST_ENCODERS), (
        "run make shipped"
    )


@pytest.mark.parametrize("wanted", [0, -1, 70_000])
def test_a_port_that_is_none_is_refused_in_words(wanted):
    with pytest.raises(UserError, match="make demo PORT="):
        free_port(wanted)
