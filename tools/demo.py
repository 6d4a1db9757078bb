"""What `make demo` ends with: the app, and its address as soon as it answers there.

    python tools/demo.py 8501

Nothing else is imported or looked at here: the vectors of the embedded gallery come with the code,
and Home builds those that a change of the code has left behind.

Where the port is taken (an older demo that still runs, say), the next free one is used, so that the
address is always this app's.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from core.errors import UserError
from tools.serve import ROOT, end, wait_until_up

TRIES = 50
START_S = 300.0
"""A machine that is busy, or that reads the packages from disk for the first time, takes its
time."""


def main(wanted: int) -> int:
    port = free_port(wanted)
    if port != wanted:
        print(f"Port {wanted} is taken; using {port}.")
    command = [sys.executable, "tools/app.py", "--server.headless", "true"]
    address = f"http://localhost:{port}"
    app = subprocess.Popen(
        [*command, "--server.port", str(port), "--browser.serverAddress", "localhost"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/_stcore/health", app, START_S)
        print(f"Lookalike is at {address}   (stop with Ctrl-C)", flush=True)
        return app.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        end(app)


def free_port(wanted: int) -> int:
    """``wanted`` where nothing listens there, else the next free port.

    Raises:
        UserError: it is no port, or none of the next ones is free.
    """
    for port in range(wanted, min(wanted + TRIES, 65_536)) if 0 < wanted < 65_536 else ():
        with socket.socket() as caller, socket.socket() as probe:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                continue  # some systems let a second program bind what the first one listens on
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # one that was closed a moment ago is free
            with suppress(OSError):
                probe.bind(("0.0.0.0", port))
                return port
    raise UserError(
        f"Port {wanted} can't be used.",
        "A free port from 1 to 65535.",
        "Say another: make demo PORT=8600",
    )


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8501))
    except (UserError, RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")
