"""Library: what is not here can be fetched with a button, and a download that fails says what to do
instead."""

from __future__ import annotations

import time

import pytest

from core import store
from core.services import jobs
from core.services.hosting import ownership
from core.services.library import library
from pages.parts import cached
from tests.hub import serving
from tests.pages.reading import html

SMALL = "mobilenetv3_large_100.ra_in1k"


def buttons(app, kind: str) -> list[str]:
    start = f"download_{kind}_"
    return [
        button.key.removeprefix(start)
        for button in app.button
        if (button.key or "").startswith(start)
    ]


def ended(timeout_s: float = 600.0):
    """The only job, once it has ended."""
    deadline = time.monotonic() + timeout_s
    while (active := jobs.listing(active_only=True)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not active
    cached.forget_all()
    return jobs.listing()[0]


@pytest.fixture
def hub(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with serving() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made


def publish(hub, name: str) -> None:
    import timm
    from safetensors.torch import save

    weights = save(timm.create_model(name).state_dict())
    hub.put(timm.models.get_pretrained_cfg(name).hf_hub_id, "model.safetensors", weights)


def states(rows: list[dict], state: str) -> list[str]:
    return [row["name"] for row in rows if row["state"] == state]


def test_everything_that_needs_a_download_has_a_button_and_nothing_else(open_page):
    app = open_page("library")
    assert sorted(buttons(app, "encoder")) == sorted(states(library.encoder_rows(), "download"))
    assert sorted(buttons(app, "dataset")) == sorted(states(library.dataset_rows(), "download"))
    assert SMALL in buttons(app, "encoder")
    assert "cifar10" in buttons(app, "dataset")
    assert "Download it here" in html(app)


def test_visitors_fetch_encoders_where_the_operator_lets_them_and_no_data_sets(
    open_page, monkeypatch
):
    monkeypatch.setenv("LOOKALIKE_HOSTED", "1")
    assert buttons(open_page("library"), "encoder") == []
    monkeypatch.setenv("LOOKALIKE_VISITOR_DOWNLOADS", "1")
    app = open_page("library")
    assert SMALL in buttons(app, "encoder")
    assert buttons(app, "dataset") == []


def test_weights_are_fetched_and_the_encoder_is_ready(open_page, hub):
    publish(hub, SMALL)
    app = open_page("library")
    app.button(key=f"download_encoder_{SMALL}").click().run()
    assert not app.exception
    assert [
        button.label for button in app.button if (button.key or "").startswith("cancel_row_")
    ] == ["Cancel"]
    assert SMALL not in buttons(app, "encoder")
    assert ended().state == "done"
    app.run()
    assert SMALL not in buttons(app, "encoder")
    assert "Download MobileNetV3" in html(app), "in the tray"
    assert library.get_encoder_row(SMALL)["state"] == "ready"


@pytest.mark.parametrize("is_hosted", [False, True])
def test_without_a_network_it_says_which_file_to_put_where(
    open_page, monkeypatch, artifacts, is_hosted
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("LOOKALIKE_HOSTED", "1" if is_hosted else "")
    monkeypatch.setenv("LOOKALIKE_VISITOR_DOWNLOADS", "1")
    app = open_page("library")
    app.button(key=f"download_encoder_{SMALL}").click().run()
    whose = [one.folder for one in ownership.visitors()]
    with store.in_layer(whose[0] if is_hosted else None):
        assert ended().state == "failed"
    app.run()
    said = html(app)
    assert "The download failed." in said
    assert f"by hand at models/{SMALL}/model.safetensors in the artifacts folder" in said
    assert (str(artifacts) in said) != is_hosted
    assert SMALL in buttons(app, "encoder")


def test_a_data_set_is_fetched_by_the_same_command_and_not_twice(open_page, monkeypatch):
    started = []

    def start(title: str, arguments: list[str]) -> str:
        started.append((title, tuple(arguments)))
        return "20260101-000000-abcdef"

    monkeypatch.setattr(jobs, "start", start)
    open_page("library").button(key="download_dataset_flowers102").click().run()
    assert started == [("Download Oxford Flowers 102", ("download", "--dataset", "flowers102"))]
    id, now = "20260101-000000-abcdef", time.time()
    running = jobs.JobStatus(
        id, *started[0], "running", 30 << 20, 345 << 20, 4e6, 82.0, "Fetching", now, now, bytes=True
    )
    monkeypatch.setattr(jobs, "listing", lambda active_only=False: [running])
    cached.forget_all()
    app = open_page("library")
    assert "flowers102" not in buttons(app, "dataset")
    assert "Fetching: 31.5 MB of 362 MB · 4.0 MB per second · 82 s left" in html(app)
