"""What stands in this folder needs engines beside the product: ``make test-engines`` installs and
runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.served import Server

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("engines")


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Milvus server that asks for a password."""
    server = Server(tmp_path_factory.mktemp("milvus"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["file", "server"])
def milvus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each engine in turn, as the environment names it: the embedded one, and the server."""
    if request.param == "file":
        monkeypatch.delenv("LOOKALIKE_MILVUS", raising=False)
    else:
        request.getfixturevalue("milvus_server").name_it(monkeypatch)
    return request.param
