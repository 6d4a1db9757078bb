"""Weight files: interrupted, damaged, foreign, put by hand, fetched twice at once, and no network
at all."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from core.encoders.base import encoders
from core.errors import Cancelled, UserError
from core.weights import files as weights

NAME = "test_resnet.r160_in1k"


def home(artifacts):
    return artifacts / "models" / NAME


def test_a_cut_download_goes_on_where_it_stopped(publish, hub, artifacts):
    publish(NAME)
    hub.cut_after = [900_000]
    seen: list[tuple[int, int]] = []
    encoders.get(NAME).load(lambda done, total: seen.append((done, total)) or True)
    assert hub.ranges[0] is None
    assert hub.ranges[1].startswith("bytes=")
    assert 0 < int(hub.ranges[1][6:-1]) <= 900_000
    came = [(done, total) for done, total in seen if done]
    assert came[-1][0] == came[-1][1] == len(next(iter(hub.files.values())))
    assert sorted(came) == came
    assert not list((artifacts / "cache" / "downloads").glob("*.part"))


def test_stopping_keeps_what_came_for_the_next_try(publish, hub, artifacts):
    publish(NAME)
    with pytest.raises(Cancelled):
        encoders.get(NAME).load(lambda done, total: done < 600_000)
    assert encoders.get(NAME).state().kind == "download"
    encoders.get(NAME).load()
    assert int(hub.ranges[-1][6:-1]) >= 600_000
    assert encoders.get(NAME).state().kind == "ready"


def test_a_server_that_keeps_dying_is_an_error_that_says_how_far_it_came(publish, hub):
    publish(NAME)
    hub.cut_after = [300_000, 0, 0, 0, 0, 0, 0, 0]
    with pytest.raises(UserError, match=r"stopped at 0\.[23].* MB.*continues from there"):
        encoders.get(NAME).load()


def test_a_file_that_is_not_what_was_promised_is_never_used(publish, hub, artifacts):
    publish(NAME)
    hub.wrong_checksum = True
    with pytest.raises(UserError, match="not the file that was promised"):
        encoders.get(NAME).load()
    assert weights.found(NAME) is None
    assert not list(artifacts.rglob("*.part"))


def test_renamed_repositories_and_large_files_are_followed(publish, hub, images):
    publish(NAME)
    data = hub.files.pop(f"timm/{NAME}/model.safetensors")
    hub.put("timm/elsewhere", "model.safetensors", data)
    hub.moved, hub.storage = {f"timm/{NAME}": "timm/elsewhere"}, True
    assert encoders.get(NAME).encode(images).shape == (len(images), 96)


def test_nothing_is_asked_or_written_but_the_file(publish, hub, artifacts, tmp_path, monkeypatch):
    """One HEAD, one GET, and nothing outside the artifacts folder."""
    publish(NAME)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    code = f"from core.encoders.base import encoders; encoders.get({NAME!r}).load()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
    assert (hub.heads, len(hub.ranges)) == (1, 1)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("how", ["no server", "server error", "forbidden", "nothing there"])
def test_without_the_file_the_message_says_which_file_goes_where(hub, monkeypatch, artifacts, how):
    if how == "no server":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    elif how == "forbidden":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        hub.fail_with = 503 if how == "server error" else 0
    with pytest.raises(UserError) as caught:
        encoders.get(NAME).load()
    assert f"timm/{NAME}/resolve/main/model.safetensors" in str(caught.value)
    assert f"models/{NAME}/model.safetensors" in str(caught.value)
    assert str(artifacts) in str(caught.value)
    assert (hub.heads == 0) == (how in ("no server", "forbidden"))


def test_a_file_put_by_hand_is_used_without_any_network(
    publish, hub, artifacts, images, monkeypatch
):
    publish(NAME)
    fetched = encoders.get(NAME).encode(images)
    data = (home(artifacts) / "model.safetensors").read_bytes()
    for file in home(artifacts).iterdir():
        file.unlink()
    (home(artifacts) / "renamed by me.safetensors").write_bytes(data)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    np.testing.assert_array_equal(encoders.get(NAME).encode(images), fetched)


def test_pth_files_hold_tensors_or_nothing(publish, artifacts, images, tmp_path):
    import torch

    model = publish(NAME)
    home(artifacts).mkdir(parents=True)
    torch.save({"state_dict": model.state_dict()}, home(artifacts) / "model.pth")
    assert encoders.get(NAME).encode(images).shape == (len(images), 96)
    marker = tmp_path / "ran"
    torch.save({"weights": _Runs(str(marker))}, home(artifacts) / "model.pth")
    with pytest.raises(UserError, match="Delete it"):
        encoders.get(NAME).load()
    assert not marker.exists()


class _Runs:
    """Would create a file if anybody unpickled it for real."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("damage", ["truncated", "garbage", "html"])
def test_damaged_weights_say_delete_and_download_again(publish, artifacts, damage):
    publish(NAME)
    encoders.get(NAME).load()
    path = home(artifacts) / "model.safetensors"
    data = path.read_bytes()
    made = {
        "truncated": data[: len(data) // 2],
        "garbage": bytes(reversed(data)),
        "html": b"<html>404</html>",
    }
    path.write_bytes(made[damage])
    with pytest.raises(UserError, match="Delete it and download it again"):
        encoders.get(NAME).load()


@pytest.mark.parametrize("size", [0, 16, 100_000])
def test_blank_weights_count_as_absent_and_are_downloaded_again(publish, artifacts, size):
    """As a power cut leaves a file: with its name and nothing, or zeros, in it."""
    publish(NAME)
    encoders.get(NAME).load()
    path = home(artifacts) / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(bytes(size))
    assert encoders.get(NAME).state().kind == "download"
    encoders.get(NAME).load()
    assert path.read_bytes() == data


def test_weights_of_another_network_are_refused_with_the_names(publish, artifacts):
    from safetensors.torch import load_file, save_file

    publish(NAME)
    encoders.get(NAME).load()
    path = home(artifacts) / "model.safetensors"
    state = load_file(path)
    first = next(name for name in state if name.endswith("weight"))
    missing = {name: value for name, value in state.items() if name != first}
    save_file(missing, path)
    with pytest.raises(UserError, match=first.replace(".", r"\.")):
        encoders.get(NAME).load()
    save_file({**state, first: state[first][:1].clone()}, path)
    with pytest.raises(UserError, match="size mismatch"):
        encoders.get(NAME).load()


def test_a_changed_file_changes_the_digest(publish, artifacts):
    publish(NAME)
    encoders.get(NAME).load()
    path = weights.found(NAME)
    before = weights.sha256(path)
    assert before == weights.sha256(path)
    path.write_bytes(path.read_bytes() + b"x")
    assert weights.sha256(path) != before
    (home(artifacts) / weights.MARK).write_text("not json")
    assert len(weights.sha256(path)) == 64


def test_two_threads_download_once(publish, hub):
    publish(NAME)
    hub.piece_delay_s = 0.01
    threads = [threading.Thread(target=encoders.get(NAME).load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hub.ranges) == 1


def test_two_processes_download_once(publish, hub):
    publish(NAME)
    hub.piece_delay_s = 0.05
    code = f"from core.encoders.base import encoders; encoders.get({NAME!r}).load()"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(600) for process in running] == [0, 0]
    assert len(hub.ranges) == 1
