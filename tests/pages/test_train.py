"""The Train page: plans and their errors, a start, runs in every state, before and after, what some
networks can do, imports."""

from __future__ import annotations

import ast
import io
import json
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.encoders.base import encoders
from core.services import jobs
from core.services.library import library
from core.services.training import effect, plan, runs, train
from core.training.runs import Run
from core.training.settings import override, read_recipe
from core.training.train import begin, work
from pages.parts import cached_train
from pages.parts.train import effects
from tests.pages.reading import columns, component, html, notes, param
from tests.training.conftest import TINY, one_thread, paint_textures  # noqa: F401  (fixture)
from tests.training.test_messages import COMMAND

SLOW_S = 300
"""Longest wait for a page that imports torch on a machine that has other things to do."""
START, PUBLISHED, NAME = "keep_train_start_False", "keep_train_published", "keep_train_name"


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """An artifacts folder with three finished tiny runs, the first of them measured; made once for
    all tests here."""
    home = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", str(home / "artifacts"))
        locator = library.add_folder(str(paint_textures(home / "textures")))
        for recipe in ("classify", "siamese", "autoencoder"):
            told = {**TINY, "datasets": (locator,), "name": f"{recipe}.tiny", "epochs": 1}
            run = begin(override(read_recipe(recipe), told), f"train-{recipe}")
            work(run)
        noisy = library.add_folder(
            str(paint_textures(home / "noisy", 240))
        )  # where an untrained network errs too
        effect.before_after("train-classify", [noisy])
    return home


@pytest.fixture
def learned(trained, artifacts) -> str:
    """Those runs in this test's own artifacts folder; the locator of the pictures."""
    shutil.copytree(trained / "artifacts", artifacts, dirs_exist_ok=True)
    return library.added()[0]


@pytest.fixture
def added(tmp_path) -> Path:
    """Pictures to learn from, in the library."""
    folder = paint_textures(tmp_path / "textures")
    library.add_folder(str(folder))
    return folder


@pytest.fixture
def open_at(open_page):
    """The page by its link."""

    def opened(**params: str) -> AppTest:
        app = open_page("train", run=False)
        app.default_timeout = SLOW_S
        for name, value in params.items():
            app.query_params[name] = value
        return app.run()

    return opened


@pytest.fixture
def choose(open_page):
    """The page with some of its fields set."""

    def chosen(recipe: str = "classify", start: str = "test_resnet", **fields: object) -> AppTest:
        app = open_page("train", run=False)
        app.default_timeout = SLOW_S
        app.session_state["keep_train_recipe"], app.session_state[START] = recipe, start
        app.session_state[PUBLISHED] = False
        how = start.split(":")[0] if ":" in start else "scratch"
        for name, value in {"size": 32, "batch": 16, **fields}.items():
            app.session_state[NAME if name == "name" else f"keep_train_{recipe}_{how}_{name}"] = (
                value
            )
        return app.run()

    return chosen


def command(app: AppTest) -> str:
    """What the fold As a command holds once it is open."""
    app.session_state["train_command"] = True
    return app.run().code[0].value


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def test_a_plan_says_what_a_run_would_be(choose, added):
    app = choose()
    said = html(app).replace("<wbr>", "")
    assert not app.exception
    assert "40 + 8 held out" in said
    assert "4 classes by label, 12 pictures each" in said
    assert "not measured yet" in said
    assert "test_resnet.classify" in said
    assert "Start training" in labels(app)
    assert "--backbone test_resnet" in command(app)
    assert "Nothing has been trained here yet." in said


@pytest.mark.parametrize("typed", ["resnet.lookalike", " resnet.lookalike"])
def test_a_model_can_be_typed_by_its_name(choose, added, typed):
    app = choose(start=typed)
    assert not app.exception
    assert not app.code, "what shows code is loaded before anybody asks for it"
    assert "--start-from resnet.lookalike" in command(app)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"start": "vit_tiny_patch16_224", "size": 40}, "its patches are 16 x 16"),
        ({"start": "resnet19"}, "no backbone named 'resnet19'"),
        ({"name": "resnet.lookalike"}, "an encoder named resnet.lookalike already"),
        ({"name": "mine"}, "architecture.tag"),
        ({"loss": "triplets"}, "The loss 'triplets' is unknown"),
        ({"recipe": "triplet", "per_class": 1}, "makes no pairs"),
        ({"target": "instance"}, "have no instance"),
        ({"size": 7}, "size is from 16"),
    ],
)
def test_what_can_not_work_is_said_before_the_start(choose, added, fields, says):
    app = choose(**fields)
    assert not app.exception
    assert says in unescape(notes(app))
    assert not COMMAND.search(unescape(notes(app))), "a page tells nobody to type a command"
    assert "Start training" not in labels(app)
    assert runs.run_ids() == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"batch": 4096}, "The batch size is 20 instead of 4096"),
        ({"recipe": "triplet", "batch": 64, "per_class": 16}, "A batch holds 10"),
    ],
)
def test_a_batch_that_is_too_large_is_fitted_and_the_page_says_so(choose, added, fields, says):
    app = choose(**fields)
    assert "Fitted to your pictures" in notes(app)
    assert says in notes(app)
    assert 'role="alert"' not in html(app)
    assert "Start training" in labels(app)


@pytest.mark.parametrize(
    "counts", [{"a": 8, "b": 8, "c": 8}, {"a": 12, "b": 12}, {"a": 12, "b": 2}]
)
def test_a_handful_of_pictures_meets_a_start_button_and_no_error(open_page, added, counts):
    for folder in added.iterdir():
        for path in sorted(folder.iterdir())[counts.get(folder.name, 0) :]:
            path.unlink()
    app = open_page("train", run=False)
    app.default_timeout = SLOW_S
    app.run()
    said = html(app).replace("<wbr>", "")
    assert not app.exception
    assert 'role="alert"' not in said
    assert "Start training" in labels(app)
    assert "The batch size is" in notes(app)
    assert "tf_efficientnet_lite0.finetune" in said
    assert "at most 8 min" in said  # the estimate, before the pace of this machine is known
    assert "measured when it starts" in said


def test_words_of_the_page_name_no_command():
    """Strings of the pages themselves; arguments of jobs are lists of their own, whose options
    stand alone."""
    pages = Path(__file__).parents[2] / "pages"
    shared = [pages / "train.py", pages / "parts" / "guard.py", pages / "parts" / "words.py"]
    for path in [*shared, *(pages / "parts" / "train").glob("*.py")]:
        tree = ast.parse(path.read_text())
        words = [
            one.value
            for one in ast.walk(tree)
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        ]
        assert [word for word in words if " " in word and COMMAND.search(word)] == [], path.name


def test_help_texts_and_recipes_name_no_command():
    for row in train.recipes():
        assert not COMMAND.search(row["words"] + row["about"])
        assert not [
            one["name"]
            for one in plan.setting_rows(row["name"], {})
            if COMMAND.search(one["about"])
        ]


def test_a_class_with_one_picture_and_a_full_disk(choose, added, monkeypatch):
    for path in sorted((added / "b").iterdir())[1:]:
        path.unlink()
    assert "1 of 4 classes of textures have one picture" in unescape(notes(choose()))
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000)
    )
    assert "MB free" in notes(choose(recipe="autoencoder", size=32))


def test_pictures_without_labels(choose, added, tmp_path):
    for path in added.rglob("*.png"):
        path.rename(added / f"{path.parent.name}{path.name}")
    for folder in [path for path in added.iterdir() if path.is_dir()]:
        folder.rmdir()
    assert "recipe selfsup or autoencoder" in notes(choose())
    app = choose(recipe="selfsup")
    assert "no labels" in html(app)
    assert "Start training" in labels(app)


def test_start_makes_a_run_and_shows_it(choose, added, monkeypatch):
    started = []
    monkeypatch.setattr(
        jobs,
        "start",
        lambda title, arguments: started.append(list(arguments)) or "20260101-000000-abcdef",
    )
    app = choose(name="resnet.mine", epochs=3)
    app.button(key="train_start").click().run()
    (run,) = runs.run_ids()
    assert started == [["train", "--resume", run]]
    told = Run(run).settings()
    assert (told.name, told.epochs, told.backbone, told.size, told.batch) == (
        "resnet.mine",
        3,
        "test_resnet",
        32,
        16,
    )
    assert param(app, "run") == run
    assert "resnet.mine" in html(app)
    assert "Start" in labels(app)  # no job runs it here


def test_the_time_is_measured_by_a_job(choose, added, monkeypatch):
    started = []
    monkeypatch.setattr(
        jobs,
        "start",
        lambda title, arguments: started.append(list(arguments)) or "20260101-000000-abcdef",
    )
    app = choose()
    app.button(key="train_measure").click().run()
    ((*told, last),) = started
    assert last == "--estimate"
    assert told == train.arguments(
        "classify",
        {"datasets": [library.added()[0]], "backbone": "test_resnet", "size": 32, "batch": 16},
    )


def test_past_runs_and_models_are_listed(open_page, learned):
    said = html(open_page("train"))
    for name in ("classify.tiny", "siamese.tiny", "autoencoder.tiny"):
        assert name in said
    assert said.count("finished") == 3
    assert "resnet.lookalike" in said


def test_before_and_after_of_a_finished_run(open_at, learned):
    app = open_at(run="train-classify", view="Before and after")
    said = html(app)
    assert not app.exception
    assert "On its training data" in said
    assert "12 held-out pictures as queries, never trained on" in said
    assert "hit@1" in said
    own, found = effect.kept("train-classify")
    for one in (own, found):
        assert f"{one.before:.3f} → {one.after:.3f}" in said
    assert "On other data: forgetting" in said
    assert f"{found.better:,} of 48 queries got better" in said
    assert said.count('class="ll-ranks"') == len(found.improved) + len(found.worse) > 0
    assert "average precision" in said


def test_a_finished_run_opens_on_what_it_changed(open_at, learned):
    app = open_at(run="train-classify")
    assert app.session_state["keep_train_view"] == "Before and after"
    assert "mAP of exact search" in html(app)


def test_a_run_that_ends_while_it_is_watched_opens_on_what_it_changed(
    open_at, learned, monkeypatch
):
    whole, run = runs.status("train-classify"), Run("train-classify")
    phases = (
        runs.Phase("Reading pictures", "done", seconds=0.0),
        runs.Phase("Learning", "now", 3, 6, 65.0),
        runs.Phase("Comparing before and after", "next", seconds=30.0),
    )
    now = {"status": replace(whole, state="running", phases=phases, seconds_left=95.0)}
    monkeypatch.setattr(cached_train, "status", lambda run: now["status"])
    app = open_at(run=run.id)
    said = html(app)
    assert app.session_state["keep_train_view"] == "Curves"
    assert (
        'class="now" aria-current="step"><b>Learning</b><small>3 of 6 · 65 s left</small>' in said
    )
    assert 'class="done"><b>Reading pictures</b><small>done</small>' in said
    assert "2 min left in all" in said
    now["status"] = whole
    app.run()
    assert app.session_state["keep_train_view"] == "Before and after"


def test_where_before_and_after_were_not_compared_the_page_says_why(open_at, learned):
    run = Run("train-siamese")
    run.write("compared", 6, message="No picture has a label.")
    said = notes(open_at(run=run.id))
    assert "Before and after were not compared." in said
    assert "No picture has a label." in said


def test_a_run_that_brought_nothing_says_so(open_at, learned):
    run = Run("train-classify")
    lines = [line if line["kind"] != "validation" else {**line, "epoch": 0} for line in run.lines()]
    run.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    app = open_at(run=run.id)
    assert "No epoch was better than the initial weights." in notes(app)


def test_both_encoders_open_in_compare(open_at, learned):
    app = open_at(run="train-classify", view="Before and after")
    app.button(key="train_compare").click().run()
    assert not app.exception
    shown = columns(app)
    assert list(shown) == ["classify.tiny-untrained", "classify.tiny"]
    assert all(column["state"] == "done" for column in shown.values())


def test_curves_and_settings_of_a_finished_run(open_at, learned):
    app = open_at(run="train-siamese", view="Curves")
    assert len(app.get("plotly_chart")) == 4
    assert "Too few steps so far to say whether it falls." in html(app)  # six
    said = html(open_at(run="train-siamese", view="Settings"))
    assert "siamese.tiny" in said
    assert "sha256" in said


def test_an_autoencoder_draws_and_a_siamese_network_tells_distances(open_at, learned):
    drawn = html(
        open_at(run="train-autoencoder", view="What it can do")
    )  # the name of the view in older links
    assert "Reconstruction from the vector" in drawn
    assert drawn.count('its reconstruction">') == 8
    app = open_at(run="train-siamese", view="What it can do")
    assert "this network calls a pair the same" in html(app)
    assert [item["id"] for item in component(app, "grid")["items"]]


@pytest.mark.parametrize(
    "params",
    [
        {"run": "train-nothing"},
        {"run": "../../etc"},
        {"run": "<script>alert(1)</script>"},
        {"model": "nobody.here"},
        {"run": "train-classify", "view": "nonsense"},
    ],
)
def test_a_forged_link_is_told_and_shows_the_lists(open_at, learned, params):
    app = open_at(**params)
    assert not app.exception
    assert 'role="alert"' not in html(app)
    assert "<script>" not in html(app)
    assert ("There is no" in notes(app)) == ("view" not in params)


def test_a_run_that_failed_says_why_and_can_be_resumed(open_at, learned):
    run = Run("train-classify")
    run.write("failed", 6, message="The loss became nan at step 6.")
    app = open_at(run=run.id)
    assert "The loss became nan at step 6." in notes(app)
    assert "Resume" in labels(app)


def test_a_run_is_deleted_with_what_it_made(open_at, learned, artifacts):
    app = open_at(run="train-siamese")
    app.toggle(key="train_delete_model").set_value(True).run()
    app.button(key="train_delete").click().run()
    assert not app.exception
    assert runs.run_ids().count("train-siamese") == 0
    assert "siamese.tiny" not in encoders.names()
    assert "classify.tiny" in encoders.names()


def test_nothing_is_trained_on_a_public_demo(open_at, learned, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_HOSTED", "1")
    app = open_at(run="train-classify")
    assert not {"Start training", "Delete", "Import", "Measure"} & set(labels(app))
    assert "public demo" in html(app)


def brought(open_page, state: dict, name: str = "resnet.brought") -> AppTest:
    import torch

    out = io.BytesIO()
    torch.save(state, out)
    app = open_page("train")
    app.text_input(key="keep_train_import_backbone").set_value("test_resnet")
    app.text_input(key="keep_train_import_name").set_value(name)
    app.number_input(key="keep_train_import_size").set_value(64)
    app.file_uploader[0].set_value(("mine.pth", out.getvalue(), "application/octet-stream")).run()
    return app.button(key="train_import").click().run()


def test_weights_are_brought_and_their_keys_listed(open_page):
    import timm

    state = timm.create_model("test_resnet").state_dict()
    app = brought(open_page, state)
    assert "resnet.brought is an encoder now." in notes(app)
    assert "fc.bias, fc.weight" in html(app)
    assert "neck.0.weight" in html(app)
    assert "resnet.brought" in encoders.names()
    assert json.loads((encoders.get("resnet.brought").folder / "card.json").read_text())[
        "unused"
    ] == ["fc.bias", "fc.weight"]
    assert "already" in notes(brought(open_page, state))


def test_weights_of_another_network_are_refused_with_their_keys(open_page, artifacts):
    import torch

    app = brought(open_page, {"layer9.weight": torch.zeros(2, 2)})
    assert not app.exception
    said = unescape(notes(app))
    assert "mine.pth lacks" in said
    assert "layer9.weight" in said
    assert "resnet.brought" not in encoders.names()
    assert list((artifacts / "cache" / "imports").iterdir()) == []


@pytest.mark.parametrize(
    ("after", "low", "words"),
    [
        (0.5001, 0.00005, "mAP rose by less than 0.001, a significant change"),
        (0.5120, 0.004, "mAP rose by 0.012, a significant change"),
        (0.4999, -0.01, "The difference of less than 0.001 is not significant"),
        (0.4880, -0.03, "The difference of -0.012 is not significant"),
    ],
)
def test_a_change_is_never_said_to_be_nothing_and_significant(after, low, words):
    one = effect.Effect("", "", 9, 0.5, after, low, 0.02, (), (), better=5, poorer=4)
    assert effects.reading(one) == f"{words}: 5 of 9 queries got better, 4 got worse."
