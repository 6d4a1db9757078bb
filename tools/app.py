"""The app as a server: its default encoders load while it starts, and every answer passes through
the front (headers, a key for each visitor, the health address) that `streamlit run streamlit_app.py`
lacks.

    python tools/app.py --server.port 8501
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.services.hosting import memory, settings
from core.weights import graphs, lean

if __name__ == "__main__":
    if settings.hosted():
        memory.few_heaps()  # before there are threads
    if not graphs.kept():
        lean.begin()  # beside all that follows

# isort: split
import streamlit.logger
import uvicorn
from starlette.middleware import Middleware
from streamlit.starlette import App
from streamlit.web import cli

from core.services import visitors, warm
from core.services.embedding import opening
from core.services.hosting import logs
from core.services.hosting.loop import Loop
from core.services.hosting.packed import Packed
from core.services.hosting.web import Front
from pages.parts import arriving, heard, quicker


@asynccontextmanager
async def begun(_: App) -> AsyncIterator[dict]:
    """What the server does beside answering."""
    if logs.configure():  # each module of Streamlit has a logger that writes by itself
        streamlit.logger.setup_formatter = logs.adopt  # type: ignore[assignment]
        streamlit.logger.update_formatter()
    if settings.hosted():
        memory.start_trimming()
    quicker.begin()
    heard.listen()
    settings.rows()  # a setting that can't be understood ends the start, with its sentence
    warm.start(opening.FIRST_DATASET, opening.FIRST_ENCODERS, opening.FIRST_INDEX)
    visitors.start_sweeping()
    yield {}


class Config(uvicorn.Config):
    """Streamlit hands no settings on that keep the server's name out of its answers, and give it a
    loop that pages do not wake with each of their messages."""

    def __init__(self, *given: Any, **named: Any) -> None:
        loop = f"{Loop.__module__}:{Loop.__qualname__}"
        super().__init__(*given, server_header=False, loop=loop, **named)


def told(error: Exception) -> bool:
    """What no page has caught, as a message; whether it could be told."""
    from pages.parts import guard  # with the pages, which a server loads when it is asked for one

    return guard.unforeseen(error)


uvicorn.Config = Config  # type: ignore[misc]
app = App(
    ROOT / "streamlit_app.py",
    lifespan=begun,
    middleware=[Middleware(Front), Middleware(Packed, page=arriving.page)],
    on_script_error=told,
)

if __name__ == "__main__":
    code: object = 1
    try:
        cli.main(["run", __file__, *sys.argv[1:]])
    except SystemExit as left:
        code = left.code
    atexit._run_exitfuncs()  # what engines beside the product have to end
    sys.stdout.flush()
    sys.stderr.flush()
    # Networks may be at work in threads that nobody waits for; taking their libraries down under
    # them would end the process with an abort.
    os._exit(code if isinstance(code, int) else int(code is not None))
