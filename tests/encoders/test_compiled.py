"""Compiled networks: the vectors of torch, without torch; and what happens where that can't be
had."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from core import store
from core.disk import in_layer
from core.encoders import precision, trial
from core.encoders.base import encoders
from core.errors import UserError
from core.services.library import downloads
from core.services.search.engines import _bytes_of, _networks
from core.weights import compiled, graphs

pytest.importorskip("openvino", reason="an optional package")
NAME = "vgg.lookalike"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that the project's own set-up compiled is found, and no graph is too slow: how fast
    it is depends on who else is at work."""
    monkeypatch.setattr(compiled, "_set_up", lambda name: None)
    monkeypatch.setattr(compiled, "SLOWER", float("inf"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifacts folder with the graph of one small network."""
    folder = tmp_path_factory.mktemp("compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "_set_up", lambda name: None)
        patch.setattr(compiled, "SLOWER", float("inf"))
        patch.setenv("LOOKALIKE_ARTIFACTS", str(folder))
        encoders.get(NAME).compile()
    return folder


@pytest.fixture
def set_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(home))
    return home


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (90, 120, 3), dtype=np.uint8) for _ in range(5)]


def by_torch(pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    with monkeypatch.context() as patch:
        patch.setenv(graphs.ENV, "0")
        return encoders.get(NAME).encode(pictures)


def test_a_graph_gives_the_vectors_of_torch_without_its_network(
    set_up: Path, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = encoders.get(NAME)
    vectors = one.encode(pictures)
    assert vectors.dtype == np.float32
    assert one.graph is not None
    assert one._network is None
    np.testing.assert_allclose(vectors, by_torch(pictures, monkeypatch), atol=1e-5)
    assert "openvino_telemetry" not in sys.modules


def test_vectors_do_not_depend_on_the_batch_or_the_thread(
    set_up: Path, pictures: list[np.ndarray]
) -> None:
    one = encoders.get(NAME)
    together = one.encode(pictures)
    with ThreadPoolExecutor(4) as pool:
        singles = np.concatenate(list(pool.map(lambda picture: one.encode([picture]), pictures)))
    np.testing.assert_allclose(together, singles, atol=1e-6)


@pytest.mark.parametrize(("pixels", "calls"), [(1, [1] * 5), (3 * 96 * 96, [3, 2]), (10**6, [5])])
def test_a_graph_is_given_few_pictures_at_once(
    pixels: int, calls: list[int], set_up: Path, pictures: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = encoders.get(NAME)
    whole = one.encode(pictures)
    assert one.graph is not None
    monkeypatch.setattr(compiled, "AT_ONCE", pixels)
    given: list[int] = []

    class Watched:
        def __init__(self, request) -> None:
            self.request = request

        def infer(self, inputs: list[np.ndarray]):
            given.append(len(inputs[0]))
            return self.request.infer(inputs)

    one.graph._mine.request = Watched(one.graph._mine.request)
    np.testing.assert_allclose(one.encode(pictures), whole, atol=1e-6)
    assert given == calls


def test_fingerprints_stay_those_of_torch(set_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = encoders.get(NAME)
    one.load()
    with monkeypatch.context() as patch:
        patch.setenv(graphs.ENV, "0")
        assert encoders.get(NAME).fingerprint() == one.fingerprint()


def test_positions_still_ask_torch(set_up: Path, pictures: list[np.ndarray]) -> None:
    one = encoders.get(NAME)
    told = one.positions(pictures[:1])
    assert told is not None
    assert one._network is not None


def test_a_damaged_graph_is_passed_over(
    pictures: list[np.ndarray], artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = encoders.get(NAME)
    one.compile()
    for path in (artifacts / "cache" / compiled.KIND).rglob("graph.bin"):
        path.write_bytes(path.read_bytes()[:-100])
    again = encoders.get(NAME)
    vectors = again.encode(pictures)
    assert again.graph is None
    np.testing.assert_array_equal(vectors, by_torch(pictures, monkeypatch))


@pytest.mark.parametrize(
    ("part", "replaced", "why"),
    [
        ("_convert", lambda *a: (_ for _ in ()).throw(RuntimeError("an operation")), "operation"),
        ("_compared", lambda *a: (1.0, 0.5, 0.2), "results differ"),
        ("_compared", lambda *a: (1.0, 1.5, 0.0), "is faster"),
        ("_compared", lambda *a: (1.0, 0.5, float("inf")), "results differ"),
    ],
)
def test_torch_stays_where_a_graph_is_no_gain(
    part: str, replaced, why: str, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "SLOWER", 1.2)
    monkeypatch.setattr(compiled, part, replaced)
    one = encoders.get(NAME)
    one.compile()
    assert one.graph is None
    assert why in compiled.measured(one)[1]
    assert not list((artifacts / "cache").rglob("graph.*"))
    assert store.entries(compiled.KIND)  # it is not tried again
    monkeypatch.setattr(compiled, "_write", lambda *a: pytest.fail("tried again"))
    encoders.get(NAME).compile()


def test_without_the_package_torch_computes(
    set_up: Path, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(compiled, "version", missing)
    one = encoders.get(NAME)
    one.compile()
    one.encode(pictures[:1])
    assert one.graph is None
    assert "not installed" in compiled.measured(one)[1]


def test_a_server_knows_whether_networks_were_compiled(
    set_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert graphs.kept()
    monkeypatch.setenv(graphs.ENV, "0")
    assert not graphs.kept()


def test_a_visitor_gets_what_is_there_and_writes_nothing(artifacts: Path, tmp_path: Path) -> None:
    with in_layer(tmp_path / "visitor"):
        one = encoders.get(NAME)
        one.compile()
    assert one.graph is None
    assert not list(tmp_path.rglob("graph.*"))
    assert not store.entries(compiled.KIND)


def test_16_bits_of_a_graph_are_one_more_number_format(
    set_up: Path, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = encoders.get(NAME)
    one.load()
    assert one.graph is not None
    prepared = [one.prepare(picture) for picture in pictures] * 10
    real = trial._timed
    rates = {precision.FP32: 10.0, "bf16-autocast": 20.0, compiled.BF16: 30.0}
    monkeypatch.setattr(precision, "offered", lambda: ("bf16-autocast",))
    monkeypatch.setattr(trial, "_timed", lambda *a: (real(*a)[0], rates[a[2]]))
    monkeypatch.setattr(trial, "OVERLAP", 0.0)
    assert trial.measure(one, prepared).form == compiled.BF16
    whole = one.encode(pictures)
    one.use_precision(compiled.BF16)
    assert one.fingerprint()["precision"] == compiled.BF16
    np.testing.assert_allclose(one.encode(pictures), whole, atol=0.05)


def test_networks_are_compiled_by_command(set_up: Path, here) -> None:
    code, out, _ = here("compile", "--encoders", NAME)
    assert code == 0
    assert out.startswith(NAME)
    with pytest.raises(UserError, match="is no network"):
        downloads.compile_networks(["hog.8x8"])
    assert NAME in downloads.at_hand()
    assert "hog.8x8" not in downloads.at_hand()


def test_a_graph_counts_in_the_memory_that_models_may_take(set_up: Path) -> None:
    one = encoders.get(NAME)
    one.load()
    assert one.graph is not None
    held = {id(network): _bytes_of(network) for network in _networks(one)}
    weights = sum(value.nbytes for value in one.model.parameters())
    assert held[id(one.graph)] == pytest.approx(weights, rel=0.2)
