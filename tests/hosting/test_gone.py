"""Pages that are open when what they show ends: deleted, expired, shared no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.services import visitors
from core.services.hosting import ownership
from core.services.library import library, uploads
from pages.parts import caches
from pages.parts.visitors import browser_key
from tests.hosting.conftest import picture, zipped
from tests.pages.reading import asked, html, notes

ROOT = Path(__file__).parents[2]
LIGHT = "hog.8x8"


@pytest.fixture(autouse=True)
def cold() -> None:
    caches.forget()


@pytest.fixture
def opened(anna):
    """``opened(page, by, **params)``: a page in the browser of a visitor."""
    asking = []

    def page(name: str, by: str, **params: str) -> AppTest:
        asking[:] = [by]
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=600)
        app.switch_page(f"pages/{name}.py")
        for param, value in params.items():
            app.query_params[param] = value
        return app.run()

    ownership.ask_by(lambda: asking[0] if asking else None)
    yield page
    ownership.ask_by(lambda: browser_key())


@pytest.mark.parametrize("end", ["withdrawn", "expired"])
def test_a_shared_picture_that_ends_is_gone_from_a_page_that_shows_it(visiting, opened, end):
    anna, bela = ownership.new_key(), ownership.new_key()
    with visiting(ownership.visitor_of(anna)) as owner:
        uploads.share(token := uploads.keep(picture(3)))
    app = opened("compare", bela, encoders=LIGHT, query=f"up:{token}")
    assert asked(app) == "A shared picture"
    if end == "withdrawn":
        with visiting(owner):
            uploads.share(token, shared=False)
    else:
        visitors.delete(owner)
    app.run()
    assert not app.exception
    assert "is no longer here, or is not shared" in html(app)
    assert asked(app) not in ("A shared picture", "Your picture")


@pytest.mark.parametrize("page", ["library", "compare"])
def test_a_page_of_a_set_that_expired_says_so_and_names_no_place(visiting, opened, page):
    anna = ownership.new_key()
    with visiting(ownership.visitor_of(anna)) as owner:
        locator = library.add_archive("my set.zip", zipped())
    given = {"set" if page == "library" else "dataset": "my set"}
    app = opened(page, anna, **given, **({"encoders": LIGHT} if page == "compare" else {}))
    assert "Not everything" not in html(app)
    visitors.delete(owner)
    caches.forget()  # listings live for a minute
    app.run()
    assert not app.exception
    assert "my set" in notes(app)
    assert "24 hours after your last visit" in notes(app)
    for place in (str(Path(locator).parent), owner.name):
        assert place not in html(app)
